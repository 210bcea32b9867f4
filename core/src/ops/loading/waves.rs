//! Which definitions may be made at the same time, and what they lock.

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
    /// How often it had to wait in vain for somebody's lock.
    pub tries: u32,
}

/// Cuts `steps` into waves. Comments on what a wave makes come behind it.
pub fn cut(steps: Vec<Step>) -> Vec<(Kind, Vec<Step>)> {
    let mut waves: Vec<(Kind, Vec<Step>)> = Vec::new();
    let mut comments: Vec<Step> = Vec::new();
    for step in steps {
        let kind = match step.entry.kind.as_str() {
            "INDEX" | "CONSTRAINT" => Kind::Indexes,
            "FK CONSTRAINT" => Kind::References,
            _ => Kind::Others,
        };
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
        Kind::Indexes => {
            if let Some(rest) = altered(sql) {
                return Some(vec![(table(rest)?.0, true)]);
            }
            let rest = sql.strip_prefix("CREATE ")?;
            let rest = rest.strip_prefix("UNIQUE ").unwrap_or(rest);
            let (_, rest) = name(rest.strip_prefix("INDEX ")?)?;
            let rest = rest.strip_prefix(" ON ")?;
            let rest = rest.strip_prefix("ONLY ").unwrap_or(rest);
            Some(vec![(table(rest)?.0, false)])
        }
        Kind::References => {
            let (from, rest) = table(altered(sql)?)?;
            let (to, _) = table(behind(rest, " REFERENCES ")?)?;
            let mut locks = vec![(from, true)];
            if locks[0].0 != to {
                locks.push((to, true));
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
fn table(text: &str) -> Option<(String, &str)> {
    let (schema, rest) = name(text)?;
    let (table, rest) = name(rest.strip_prefix('.')?)?;
    Some((TableName::new(schema, table).to_string(), rest))
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
            tries: 0,
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
