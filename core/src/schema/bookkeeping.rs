//! What the server writes into a definition by itself, and what of it is the user's.
//!
//! The line is what `pg_dump` prints and a server reads back. What the server notes for itself is
//! none of ours; an option (`WITH (…)`) of a core kind that nobody knows is named, and compared with
//! nothing. Options that an extension's access method reads, those of foreign data and settings are
//! all the user's.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use super::{Catalog, Object, ObjectKey, ObjectKind};

/// What the server writes among the options by itself, and `pg_dump` leaves out: a number that
/// each column gets anew whenever it is made or its table is written again (15.20, 17.12).
const SERVERS: &[&str] = &["pg_attver"];

/// What the line of a collation's encoding begins with.
const ENCODING: &str = "collencoding ";

/// Of columns, and of those of materialized views.
const COLUMN: &[&str] = &["n_distinct", "n_distinct_inherited"];

const VIEW: &[&str] = &["check_option", "security_barrier", "security_invoker"];

/// Of tables in heap, their materialized views, and their TOAST tables; PostgreSQL 13 to 19.
const HEAP: &[&str] = &[
    "autovacuum_analyze_scale_factor",
    "autovacuum_analyze_threshold",
    "autovacuum_enabled",
    "autovacuum_freeze_max_age",
    "autovacuum_freeze_min_age",
    "autovacuum_freeze_table_age",
    "autovacuum_multixact_freeze_max_age",
    "autovacuum_multixact_freeze_min_age",
    "autovacuum_multixact_freeze_table_age",
    "autovacuum_parallel_workers",
    "autovacuum_vacuum_cost_delay",
    "autovacuum_vacuum_cost_limit",
    "autovacuum_vacuum_insert_scale_factor",
    "autovacuum_vacuum_insert_threshold",
    "autovacuum_vacuum_max_threshold",
    "autovacuum_vacuum_scale_factor",
    "autovacuum_vacuum_threshold",
    "fillfactor",
    "log_autoanalyze_min_duration",
    "log_autovacuum_min_duration",
    "parallel_workers",
    "toast_tuple_target",
    "user_catalog_table",
    "vacuum_index_cleanup",
    "vacuum_max_eager_freeze_failure_rate",
    "vacuum_truncate",
];

/// Of indexes, by their access method; those of extensions aren't here.
const INDEX: &[(&str, &[&str])] = &[
    ("brin", &["autosummarize", "pages_per_range"]),
    (
        "btree",
        &[
            "deduplicate_items",
            "fillfactor",
            "vacuum_cleanup_index_scale_factor",
        ],
    ),
    ("gin", &["fastupdate", "gin_pending_list_limit"]),
    ("gist", &["buffering", "fillfactor"]),
    ("hash", &["fillfactor"]),
    ("spgist", &["fillfactor"]),
];

/// An option of a core kind that isn't known: it is part of no definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownOption {
    /// What it is an option of.
    pub of: ObjectKey,
    /// Its name.
    pub name: String,
}

/// For people: `column app.orders.total: colour`.
impl fmt::Display for UnknownOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.of, self.name.escape_debug())
    }
}

/// `definition` as the server gives it, of something of `kind`, with only what is the user's.
/// Names of unknown options are added to `unknown`.
pub fn strip<'a>(kind: ObjectKind, definition: &'a str, unknown: &mut Vec<String>) -> Cow<'a, str> {
    match kind {
        ObjectKind::Column | ObjectKind::Table | ObjectKind::View | ObjectKind::Matview
            if definition.contains("with ") =>
        {
            return lines(kind, definition, unknown);
        }
        ObjectKind::Collation => return collation(definition),
        ObjectKind::Index | ObjectKind::Constraint if definition.contains(" WITH (") => {
            return index(definition, unknown);
        }
        _ => {}
    }
    Cow::Borrowed(definition)
}

/// `recorded`, as it was kept by a program that took everything for the user's, with only what is;
/// and the options that are unknown.
pub fn strip_catalog(recorded: &Catalog) -> (Catalog, Vec<UnknownOption>) {
    let mut catalog = Catalog::default();
    let mut unknown = Vec::new();
    for (key, object) in recorded.objects() {
        let mut names = Vec::new();
        catalog.insert(key.clone(), strip_object(key.kind, object, &mut names));
        unknown.extend(names.into_iter().map(|name| UnknownOption {
            of: key.clone(),
            name,
        }));
    }
    (catalog, unknown)
}

/// The same of one object.
pub fn strip_object(kind: ObjectKind, object: &Object, unknown: &mut Vec<String>) -> Object {
    Object {
        definition: strip(kind, &object.definition, unknown).into_owned(),
        order: object.order,
    }
}

/// True where `text`, a definition or several, may name something that the server notes for itself.
pub fn is_mentioned(text: &str) -> bool {
    let mut names = SERVERS.iter().chain([&ENCODING]);
    names.any(|name| text.contains(name))
}

/// `line`, a statement of a dump, without what the server notes for itself; `None` where nothing of it
/// is left. A `pg_dump` that doesn't know that of the server it reads writes it down as an option of
/// the user's, which another server may not take.
pub fn strip_statement(line: &str) -> Option<Cow<'_, str>> {
    const SET: &str = " SET (";
    let list = line
        .strip_prefix("ALTER ")
        .filter(|rest| rest.contains(" ALTER COLUMN ") && is_mentioned(rest))
        .and_then(|_| line.trim_end().strip_suffix(");"))
        .and_then(|body| Some((body.rfind(SET)? + SET.len(), body.len())));
    let Some((start, end)) = list else {
        return Some(Cow::Borrowed(line));
    };
    let is_users = |item: &&str| {
        let name = item.split_once('=').map_or(*item, |(name, _)| name);
        !SERVERS.contains(&name)
    };
    let users: Vec<&str> = items(&line[start..end])
        .into_iter()
        .filter(is_users)
        .collect();
    (!users.is_empty())
        .then(|| Cow::Owned([&line[..start], &users.join(", "), &line[end..]].concat()))
}

/// A collation has the encoding of its database, or any; which, nobody can say in a statement.
fn collation(definition: &str) -> Cow<'_, str> {
    let lines = definition.split('\n');
    let kept: Vec<&str> = lines.filter(|line| !line.starts_with(ENCODING)).collect();
    if kept.len() == definition.split('\n').count() {
        return Cow::Borrowed(definition);
    }
    Cow::Owned(kept.join("\n"))
}

fn lines<'a>(kind: ObjectKind, definition: &'a str, unknown: &mut Vec<String>) -> Cow<'a, str> {
    // Another way to keep rows brings options of its own.
    let foreign = |line: &str| line.starts_with("access method ") && line != "access method heap";
    let foreign = definition.lines().any(foreign);
    let relation = match kind {
        ObjectKind::Column => COLUMN,
        ObjectKind::View => VIEW,
        _ => HEAP,
    };
    let mut kept = Vec::new();
    for line in definition.split('\n') {
        let known = match line {
            _ if line.starts_with("columns ") => {
                kept.push(columns(line, unknown));
                continue;
            }
            _ if foreign => None,
            _ if line.starts_with("with ") => Some(("with ", relation)),
            _ if line.starts_with("toast with ") => Some(("toast with ", HEAP)),
            _ => None,
        };
        match known {
            Some((word, known)) if is_list(&line[word.len()..]) => {
                let list = only(items(&line[word.len()..]), known, unknown);
                kept.extend((!list.is_empty()).then(|| Cow::Owned(format!("{word}{list}"))));
            }
            _ => kept.push(Cow::Borrowed(line)),
        }
    }
    let text = kept.join("\n");
    if text == definition {
        return Cow::Borrowed(definition);
    }
    Cow::Owned(text)
}

/// The columns of a view, each with its options at its end.
fn columns<'a>(line: &'a str, unknown: &mut Vec<String>) -> Cow<'a, str> {
    const WITH: &str = " with ";
    let mut out = String::new();
    let mut done = 0;
    let quoted = Quoted::of(line);
    for (at, _) in line.match_indices(WITH) {
        let start = at + WITH.len();
        if at < done || quoted.holds(at) {
            continue;
        }
        let mut end = start;
        while let Some(length) = item(&line[end..]) {
            end += length;
            match line[end..].strip_prefix(", ") {
                Some(rest) if item(rest).is_some() => end += ", ".len(),
                _ => break,
            }
        }
        if end == start {
            continue; // `timestamp with time zone`
        }
        let list = only(items(&line[start..end]), COLUMN, unknown);
        out.push_str(&line[done..at]);
        if !list.is_empty() {
            out.push_str(WITH);
            out.push_str(&list);
        }
        done = end;
    }
    if done == 0 {
        return Cow::Borrowed(line);
    }
    out.push_str(&line[done..]);
    Cow::Owned(out)
}

/// `definition` with what stands in ` WITH (…)` behind the columns of a core kind of index.
fn index<'a>(definition: &'a str, unknown: &mut Vec<String>) -> Cow<'a, str> {
    let mut out = String::new();
    let mut done = 0;
    for (method, clause) in with_clauses(definition) {
        let Some((_, known)) = INDEX.iter().find(|(name, _)| *name == method) else {
            continue;
        };
        let inside = clause.start + " WITH (".len()..clause.end - ")".len();
        let list = only(items(&definition[inside]), known, unknown);
        out.push_str(&definition[done..clause.start]);
        if !list.is_empty() {
            out.push_str(&format!(" WITH ({list})"));
        }
        done = clause.end;
    }
    if done == 0 {
        return Cow::Borrowed(definition);
    }
    out.push_str(&definition[done..]);
    Cow::Owned(out)
}

/// Where ` WITH (…)` stands outside of quotes and parentheses, and the access method before it.
fn with_clauses(definition: &str) -> Vec<(&str, Range<usize>)> {
    let quoted = Quoted::of(definition);
    let mut found = Vec::new();
    let mut method = "";
    let mut depth = 0_usize;
    let mut open = None;
    for (at, byte) in definition.bytes().enumerate() {
        if quoted.holds(at) {
            continue;
        }
        match byte {
            b' ' if depth == 0 => {
                let rest = &definition[at..];
                if let Some(name) = rest.strip_prefix(" USING ") {
                    method = name.split(' ').next().unwrap_or_default();
                } else if rest.starts_with(" WITH (") {
                    open = Some(at);
                }
            }
            b'(' => depth += 1,
            b')' => {
                depth = depth.saturating_sub(1);
                if let Some(start) = open.take_if(|_| depth == 0) {
                    found.push((method, start..at + 1));
                }
            }
            _ => {}
        }
    }
    found
}

/// Those of `items` that are `known`; those that nobody knows are told.
fn only(items: Vec<&str>, known: &[&str], unknown: &mut Vec<String>) -> String {
    let mut kept = Vec::new();
    for item in items {
        let name = item.split_once('=').map_or(item, |(name, _)| name);
        if known.contains(&name) {
            kept.push(item);
        } else if !SERVERS.contains(&name) {
            unknown.push(name.to_owned());
        }
    }
    kept.join(", ")
}

/// `a=1, b=2` in parts. What begins with no name is part of the value before.
fn items(list: &str) -> Vec<&str> {
    let mut items = Vec::new();
    let mut start = 0;
    for (at, _) in list.match_indices(", ") {
        if name(&list[at + ", ".len()..]).is_some() {
            items.push(&list[start..at]);
            start = at + ", ".len();
        }
    }
    items.push(&list[start..]);
    items
}

fn is_list(text: &str) -> bool {
    name(text).is_some()
}

/// How long the option is that `text` begins with, its value being a word.
fn item(text: &str) -> Option<usize> {
    let value = name(text)? + 1;
    let length = text[value..].find([',', ' ']);
    Some(length.map_or(text.len(), |length| value + length))
}

/// Where the `=` behind the name stands that `text` begins with.
fn name(text: &str) -> Option<usize> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.".contains(&b);
    let length = text.bytes().take_while(|b| plain(*b)).count();
    (length > 0 && text[length..].starts_with('=')).then_some(length)
}

/// The parts of a text that stand in quotes of either kind, opening and closing ones among them.
struct Quoted(Vec<Range<usize>>);

impl Quoted {
    fn of(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut open: Option<(u8, usize)> = None;
        for (at, byte) in text.bytes().enumerate() {
            match open {
                // A doubled quote closes and opens again, which comes to the same.
                Some((quote, start)) if byte == quote => {
                    parts.push(start..at + 1);
                    open = None;
                }
                None if byte == b'\'' || byte == b'"' => open = Some((byte, at)),
                _ => {}
            }
        }
        parts.extend(open.map(|(_, start)| start..text.len()));
        Self(parts)
    }

    fn holds(&self, at: usize) -> bool {
        let part = self.0.partition_point(|part| part.end <= at);
        self.0.get(part).is_some_and(|part| part.contains(&at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(kind: ObjectKind, definition: &str) -> (String, String) {
        let mut unknown = Vec::new();
        let users = strip(kind, definition, &mut unknown).into_owned();
        (users, unknown.join(" "))
    }

    #[test]
    fn what_a_dump_tells_of_it_is_no_statement() {
        let set = "ALTER TABLE ONLY public.t ALTER COLUMN \"SET (a\" SET ";
        for (line, left) in [
            (format!("{set}(pg_attver=4711);\n"), None),
            (
                format!("{set}(n_distinct=5, pg_attver=4711);\n"),
                Some(format!("{set}(n_distinct=5);\n")),
            ),
            (
                format!("{set}(n_distinct=5);\n"),
                Some(format!("{set}(n_distinct=5);\n")),
            ),
            (
                "COMMENT ON TABLE t IS 'SET (pg_attver=1);\n".to_owned(),
                Some("COMMENT ON TABLE t IS 'SET (pg_attver=1);\n".to_owned()),
            ),
        ] {
            assert_eq!(strip_statement(&line).map(Cow::into_owned), left, "{line}");
        }
    }

    #[test]
    fn what_the_server_notes_is_left_out_and_what_nobody_knows_is_named() {
        use ObjectKind::{Collation, Column, Constraint, Index, Matview, Table, View};
        // Kind, definition, what is part of it, what is unknown.
        let table = [
            (Column, "integer", "integer", ""),
            (Column, "integer\nwith pg_attver=7", "integer", ""),
            (
                Column,
                "text\nnot null\nwith n_distinct=5, pg_attver=7",
                "text\nnot null\nwith n_distinct=5",
                "",
            ),
            (
                Column,
                "text\nwith colour=red, n_distinct_inherited=-1, pg_attver=7\noptions pg_attver=3",
                "text\nwith n_distinct_inherited=-1\noptions pg_attver=3",
                "colour",
            ),
            (
                Column,
                "timestamp with time zone\ndefault 'with pg_attver=3'::text",
                "timestamp with time zone\ndefault 'with pg_attver=3'::text",
                "",
            ),
            (
                Table,
                "access method heap\nwith fillfactor=70, lists=3\ntoast with autovacuum_enabled=off, x=1",
                "access method heap\nwith fillfactor=70\ntoast with autovacuum_enabled=off",
                "lists x",
            ),
            (
                Table,
                "access method columnar\nwith compression=lz4, fillfactor=70",
                "access method columnar\nwith compression=lz4, fillfactor=70",
                "",
            ),
            (
                View,
                " SELECT t.a\n   FROM t;\ncolumns a timestamp with time zone with pg_attver=1, \
                 \"b=c\" text default 'x with pg_attver=2'::text with pg_attver=3, c integer\n\
                 with check_option=local, other=a, b",
                " SELECT t.a\n   FROM t;\ncolumns a timestamp with time zone, \
                 \"b=c\" text default 'x with pg_attver=2'::text, c integer\n\
                 with check_option=local",
                "other",
            ),
            (
                Matview,
                "columns a integer statistics 5 with n_distinct=2, pg_attver=9, b numeric(10,2)\n\
                 access method heap",
                "columns a integer statistics 5 with n_distinct=2, b numeric(10,2)\n\
                 access method heap",
                "",
            ),
            (
                Index,
                "CREATE INDEX i ON public.t USING btree (a, ((b || ' WITH ('::text))) WITH \
                 (fillfactor='70', pg_attver='4', odd='a, b') WHERE (a > 0)",
                "CREATE INDEX i ON public.t USING btree (a, ((b || ' WITH ('::text))) WITH \
                 (fillfactor='70') WHERE (a > 0)",
                "odd",
            ),
            (
                Index,
                "CREATE INDEX i ON public.t USING hash (a) WITH (pg_attver='4')",
                "CREATE INDEX i ON public.t USING hash (a)",
                "",
            ),
            (
                Index,
                "CREATE INDEX i ON public.t USING bloom (a) WITH (length='80', col1='2')",
                "CREATE INDEX i ON public.t USING bloom (a) WITH (length='80', col1='2')",
                "",
            ),
            (
                Collation,
                "collcollate C\ncollencoding 6\ncollprovider c",
                "collcollate C\ncollprovider c",
                "",
            ),
            (
                Constraint,
                "EXCLUDE USING gist (c WITH &&) WITH (fillfactor='70')\n\
                 CREATE INDEX e ON public.t USING gist (c) WITH (fillfactor='70', a='1')",
                "EXCLUDE USING gist (c WITH &&) WITH (fillfactor='70')\n\
                 CREATE INDEX e ON public.t USING gist (c) WITH (fillfactor='70')",
                "a",
            ),
        ];
        for (kind, definition, part, unknown) in table {
            let wanted = (part.to_owned(), unknown.to_owned());
            assert_eq!(judged(kind, definition), wanted, "{definition}");
        }
    }
}
