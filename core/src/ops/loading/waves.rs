//! Which definitions may be made at the same time, what they lock, and which may be made while
//! rows of other tables are still loaded.

use crate::ident::TableName;
use crate::schema::Entry;

/// What a wave makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Indexes, and constraints that are indexes.
    Indexes,
    /// Foreign keys, which need the indexes.
    References,
    /// Anything else, in its order.
    Others,
}

/// One definition to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The name of its note.
    pub name: String,
    /// The definition.
    pub entry: Entry,
}

impl Step {
    /// What kind of wave it belongs to.
    pub fn kind(&self) -> Kind {
        match self.entry.kind.as_str() {
            "INDEX" | "CONSTRAINT" => Kind::Indexes,
            "FK CONSTRAINT" => Kind::References,
            _ => Kind::Others,
        }
    }
}

/// A foreign key of an ordinary table, as two statements: rows are looked at in the second, which
/// keeps nobody from making indexes of the table referred to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The table that has it.
    pub from: TableName,
    /// The table referred to.
    pub to: TableName,
    /// Makes it, not valid.
    pub add: String,
    /// Looks at the rows.
    pub validate: String,
}

/// What may be made as soon as the rows of its tables are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Early {
    /// An index of a table, or a constraint that is one.
    Index(TableName, Vec<(String, bool)>),
    /// A foreign key.
    Reference(Reference),
}

/// Takes from `steps` those that may be made as soon as the rows of their tables are there: the
/// indexes that all else follows, and foreign keys of ordinary tables to such. Returns them and the
/// rest, in its order. `partitioned` tells tables whose keys are put together later.
pub fn early(
    steps: Vec<Step>,
    partitioned: impl Fn(&TableName) -> bool,
) -> (Vec<(Step, Early)>, Vec<Step>) {
    let waves = cut(steps);
    let indexes = |(kind, _): &&(Kind, Vec<Step>)| *kind == Kind::Indexes;
    let all = waves.iter().filter(indexes).count();
    let first = waves.first().is_some_and(|wave| indexes(&wave));
    let may = |wave: usize, step: &Step| match step.kind() {
        Kind::Indexes if wave == 0 => indexed(&step.entry.sql),
        Kind::References if all == usize::from(first) => reference(&step.entry.sql)
            .filter(|reference| !partitioned(&reference.to))
            .map(Early::Reference),
        _ => None,
    };
    let (mut early, mut rest) = (Vec::new(), Vec::new());
    for (wave, (_, steps)) in waves.into_iter().enumerate() {
        for step in steps {
            match may(wave, &step) {
                Some(what) => early.push((step, what)),
                None => rest.push(step),
            }
        }
    }
    (early, rest)
}

/// The index that `sql` makes.
fn indexed(sql: &str) -> Option<Early> {
    let index =
        |table: TableName, alone| Early::Index(table.clone(), vec![(table.to_string(), alone)]);
    if let Some(rest) = altered(sql) {
        return table(rest).map(|(table, _)| index(table, true));
    }
    let rest = sql.strip_prefix("CREATE ")?;
    let rest = rest.strip_prefix("UNIQUE ").unwrap_or(rest);
    let (_, rest) = name(rest.strip_prefix("INDEX ")?)?;
    let rest = rest.strip_prefix(" ON ")?;
    let rest = rest.strip_prefix("ONLY ").unwrap_or(rest);
    table(rest).map(|(table, _)| index(table, false))
}

/// The foreign key that `sql` makes, if it is one of an ordinary table and to be valid.
fn reference(sql: &str) -> Option<Reference> {
    let add = sql.trim_end().strip_suffix(';')?;
    if add.ends_with(" NOT VALID") || add.contains(';') {
        return None;
    }
    let (from, rest) = table(add.strip_prefix("ALTER TABLE ONLY ")?)?;
    let named = rest.trim_start().strip_prefix("ADD CONSTRAINT ")?;
    let (_, clause) = name(named)?;
    let name = named.strip_suffix(clause)?;
    let (to, _) = table(behind(clause, " REFERENCES ")?)?;
    let validate = add.strip_suffix(named)?.trim_end();
    let validate = validate.strip_suffix("ADD CONSTRAINT")?.trim_end();
    Some(Reference {
        from,
        to,
        add: format!("{add} NOT VALID"),
        validate: format!("{validate} VALIDATE CONSTRAINT {name}"),
    })
}

/// Cuts `steps` into waves. Comments on what a wave makes come behind it.
pub fn cut(steps: Vec<Step>) -> Vec<(Kind, Vec<Step>)> {
    let mut waves: Vec<(Kind, Vec<Step>)> = Vec::new();
    let mut comments: Vec<Step> = Vec::new();
    for step in steps {
        let kind = step.kind();
        let last = waves.last().map(|(kind, _)| *kind);
        if step.entry.kind == "COMMENT" && last.is_some_and(|last| last != Kind::Others) {
            comments.push(step);
            continue;
        }
        if last != Some(kind) && !comments.is_empty() {
            waves.push((Kind::Others, std::mem::take(&mut comments)));
        }
        match waves.last_mut() {
            Some((last, wave)) if *last == kind => wave.push(step),
            _ => waves.push((kind, vec![step])),
        }
    }
    if !comments.is_empty() {
        waves.push((Kind::Others, comments));
    }
    waves
}

/// The tables that `sql` locks, and whether so that nobody else of its wave may lock them; `None`
/// when it had better be made alone.
pub fn locks(kind: Kind, sql: &str) -> Option<Vec<(String, bool)>> {
    match kind {
        Kind::Others => None,
        Kind::Indexes => match indexed(sql)? {
            Early::Index(_, locks) => Some(locks),
            Early::Reference(_) => None,
        },
        Kind::References => {
            let (from, rest) = table(altered(sql)?)?;
            let (to, _) = table(behind(rest, " REFERENCES ")?)?;
            let mut locks = vec![(from.to_string(), true)];
            if from != to {
                locks.push((to.to_string(), true));
            }
            Some(locks)
        }
    }
}

fn altered(sql: &str) -> Option<&str> {
    let rest = sql.strip_prefix("ALTER TABLE ")?;
    Some(rest.strip_prefix("ONLY ").unwrap_or(rest))
}

/// The table that `text` begins with, and what follows it.
fn table(text: &str) -> Option<(TableName, &str)> {
    let (schema, rest) = name(text)?;
    let (table, rest) = name(rest.strip_prefix('.')?)?;
    Some((TableName::new(schema, table), rest))
}

/// The name, quoted or not, that `text` begins with, unquoted, and what follows it.
fn name(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        let end = text.find(|c| !word(c)).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut found = String::new();
    let mut rest = quoted;
    loop {
        let (head, tail) = rest.split_once('"')?;
        found.push_str(head);
        match tail.strip_prefix('"') {
            Some(more) => {
                found.push('"');
                rest = more;
            }
            None => return Some((found, tail)),
        }
    }
}

/// What follows the first `word` in `text` that is in no quotes.
fn behind<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        if c == '"' {
            quoted = !quoted;
        } else if !quoted && text[at..].starts_with(word) {
            return Some(&text[at + word.len()..]);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(kind: &str, name: &str) -> Step {
        Step {
            name: name.to_owned(),
            entry: Entry {
                kind: kind.to_owned(),
                schema: String::new(),
                name: name.to_owned(),
                owner: String::new(),
                sql: String::new(),
            },
        }
    }

    #[test]
    fn waves_keep_the_order_of_what_depends() {
        let kinds = [
            "CONSTRAINT",
            "COMMENT",
            "INDEX",
            "INDEX ATTACH",
            "TRIGGER",
            "COMMENT",
            "FK CONSTRAINT",
            "COMMENT",
            "FK CONSTRAINT",
            "POLICY",
        ];
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let steps = kinds.iter().zip(names).map(|(kind, name)| step(kind, name));
        let cut: Vec<(Kind, String)> = (cut(steps.collect()).into_iter())
            .map(|(kind, steps)| (kind, steps.into_iter().map(|s| s.name).collect()))
            .collect();
        let expected = [
            (Kind::Indexes, "ac"),
            (Kind::Others, "bdef"),
            (Kind::References, "gi"),
            (Kind::Others, "hj"),
        ];
        assert_eq!(cut, expected.map(|(kind, names)| (kind, names.to_owned())));
    }

    #[test]
    fn foreign_keys_are_made_before_rows_are_looked_at() {
        let sql = "ALTER TABLE ONLY a.\"b ADD CONSTRAINT x\"\n    ADD CONSTRAINT \"k;\" FOREIGN KEY (x) REFERENCES a.c(id) ON DELETE CASCADE";
        assert_eq!(reference(sql), None, "without its end");
        let sql = sql.replace("k;", "k y");
        let made = reference(&format!("{sql};\n\n")).unwrap();
        assert_eq!(made.from, TableName::new("a", "b ADD CONSTRAINT x"));
        assert_eq!(made.to, TableName::new("a", "c"));
        assert_eq!(made.add, format!("{sql} NOT VALID"));
        let validate = "ALTER TABLE ONLY a.\"b ADD CONSTRAINT x\" VALIDATE CONSTRAINT \"k y\"";
        assert_eq!(made.validate, validate);
        for other in [
            format!("{sql} NOT VALID;"),
            sql.replace("ONLY ", "") + ";",
            format!("{sql}; COMMENT ON x IS 'y';"),
            "ALTER TABLE ONLY a.b ADD CONSTRAINT k PRIMARY KEY (x);".to_owned(),
        ] {
            assert_eq!(reference(&other), None, "{other}");
        }
    }

    #[test]
    fn what_needs_no_other_definition_is_early() {
        let sql = |kind: &str| match kind {
            "INDEX" => "CREATE INDEX i ON a.b USING btree (x);",
            "FK CONSTRAINT" => {
                "ALTER TABLE ONLY a.b\n    ADD CONSTRAINT k FOREIGN KEY (x) REFERENCES a.c(id);"
            }
            _ => "",
        };
        let taken = |kinds: &str, partitioned: bool| {
            let steps = kinds.split(' ').map(|kind| {
                let kind = if kind == "FK" { "FK CONSTRAINT" } else { kind };
                let mut step = step(kind, kind);
                step.entry.sql = sql(kind).to_owned();
                step
            });
            let (early, rest) = early(steps.collect(), |_| partitioned);
            assert_eq!(early.len() + rest.len(), kinds.split(' ').count());
            early.iter().map(|(s, _)| &s.name[..1]).collect::<String>()
        };
        assert_eq!(taken("INDEX INDEX TRIGGER FK POLICY FK", false), "IIFF");
        assert_eq!(taken("INDEX TRIGGER FK", true), "I");
        assert_eq!(taken("INDEX ATTACH INDEX FK", false), "I");
        assert_eq!(taken("TRIGGER INDEX FK", false), "");
        assert_eq!(taken("TRIGGER FK", false), "F");
    }

    #[test]
    fn locks_are_read_from_what_pg_dump_writes() {
        let check = |kind, sql: &str, expected: &[(&str, bool)]| {
            let expected: Vec<(String, bool)> = (expected.iter())
                .map(|(table, alone)| {
                    let (schema, table) = table.split_once('|').unwrap();
                    (TableName::new(schema, table).to_string(), *alone)
                })
                .collect();
            assert_eq!(locks(kind, sql), Some(expected), "{sql}");
        };
        check(
            Kind::Indexes,
            "CREATE UNIQUE INDEX \"i ON x\" ON ONLY public.orders USING btree (id);",
            &[("public|orders", false)],
        );
        check(
            Kind::Indexes,
            "ALTER TABLE ONLY \"s \"\"1\".t\n    ADD CONSTRAINT t_pkey PRIMARY KEY (id);",
            &[("s \"1|t", true)],
        );
        check(
            Kind::References,
            "ALTER TABLE a.b\n    ADD CONSTRAINT \" REFERENCES z.z\" FOREIGN KEY (x) REFERENCES c.d(id) ON DELETE CASCADE;",
            &[("a|b", true), ("c|d", true)],
        );
        check(
            Kind::References,
            "ALTER TABLE ONLY a.b\n    ADD CONSTRAINT k FOREIGN KEY (x) REFERENCES a.b(id);",
            &[("a|b", true)],
        );
        for sql in [
            "SET LOCAL default_tablespace = x\nCREATE INDEX",
            "",
            "CREATE INDEX i ON",
        ] {
            assert_eq!(locks(Kind::Indexes, sql), None);
        }
        assert_eq!(locks(Kind::Others, "ALTER TABLE a.b"), None);
    }
}
