//! The text of data and sequence scripts: what psql loads with nothing of ours at hand.

use crate::ident::Digest;
use crate::ident::TableName;
use crate::model::backup::Part;
use crate::model::backup::SequenceState;
use crate::sql::quote;

/// The schema of staging tables.
pub const STAGING_SCHEMA: &str = "pgbelay_saved";

/// What every chunk begins with. Cut anywhere, a chunk never reaches its COMMIT.
pub const BEGIN: &str = "\\set ON_ERROR_STOP on
BEGIN;
SET LOCAL client_encoding = 'UTF8';
SET LOCAL search_path = '';
SET LOCAL DateStyle = 'ISO';
SET LOCAL IntervalStyle = 'postgres';
SET LOCAL xmloption = 'content';
";

/// The same for rows of a database whose encoding is `SQL_ASCII`, which is none: nothing converts
/// them, neither on their way out nor in.
pub const BEGIN_RAW: &str = "\\set ON_ERROR_STOP on
BEGIN;
SET LOCAL client_encoding = 'SQL_ASCII';
SET LOCAL search_path = '';
SET LOCAL DateStyle = 'ISO';
SET LOCAL IntervalStyle = 'postgres';
SET LOCAL xmloption = 'content';
";

/// What every script of statements begins with.
pub const BEGIN_STATEMENTS: &str = "\\set ON_ERROR_STOP on
BEGIN;
SET LOCAL client_encoding = 'UTF8';
SET LOCAL search_path = '';
SET LOCAL standard_conforming_strings = on;
";

/// What ends the rows of a COPY. No row can be equal to it: COPY doubles backslashes.
pub const END_OF_ROWS: &str = "\\.\n";

/// What every chunk ends with.
pub const COMMIT: &str = "COMMIT;\n";

/// PostgreSQL cuts longer names off.
const NAME_BYTES: usize = 63;

/// The line before the rows of `part`, which go into `into`.
pub fn copy_header(into: &TableName, part: &Part) -> String {
    let columns = quote::idents(part.columns.iter().map(|c| c.name.as_str()));
    let table = quote::table(into);
    // COPY takes no empty column list; without one it takes the columns that can be written.
    if columns.is_empty() {
        format!("COPY {table} FROM stdin;\n")
    } else {
        format!("COPY {table} ({columns}) FROM stdin;\n")
    }
}

/// How many rows `rows`, whole ones, are.
#[expect(
    clippy::naive_bytecount,
    reason = "a crate for one line; hashing costs far more"
)]
pub fn count_rows(rows: &[u8]) -> u64 {
    rows.iter().filter(|b| **b == b'\n').count() as u64
}

/// The statements that make the staging table `staging` for `part`, wherever it is missing.
pub fn make_staging(staging: &TableName, part: &Part) -> String {
    let columns: Vec<String> = part
        .columns
        .iter()
        .map(|c| format!("{} {}", quote::ident(&c.name), c.type_name))
        .collect();
    format!(
        "CREATE SCHEMA IF NOT EXISTS {};\nCREATE TABLE IF NOT EXISTS {} ({});\n",
        quote::ident(STAGING_SCHEMA),
        quote::table(staging),
        columns.join(", "),
    )
}

/// The staging table of `part`: named after table and role, unlike any for which `taken` is true.
pub fn staging_table(part: &Part, taken: impl Fn(&TableName) -> bool) -> TableName {
    let table = &part.table;
    let full = format!("{}.{}.{}", table.schema, table.name, part.role.as_str());
    let mut name = fitting(&full);
    let mut number = 2;
    while taken(&TableName::new(STAGING_SCHEMA, &name)) {
        name = fitting(&format!("{full}.{number}"));
        number += 1;
    }
    TableName::new(STAGING_SCHEMA, name)
}

/// `name`, or as much of it as a name can hold together with a digest of the whole.
fn fitting(name: &str) -> String {
    if name.len() <= NAME_BYTES {
        return name.to_owned();
    }
    let suffix = format!("~{}", Digest::of(name).short());
    let mut end = NAME_BYTES - suffix.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", &name[..end])
}

/// One `setval` per sequence.
pub fn sequences(states: &[SequenceState]) -> String {
    let mut script = vec!["\\set ON_ERROR_STOP on\nBEGIN;\n".to_owned()];
    script.extend(states.iter().map(|state| {
        let name = quote::literal(&quote::table(&state.name));
        let (value, called) = (state.last_value, state.is_called);
        format!("SELECT pg_catalog.setval({name}::pg_catalog.regclass, {value}, {called});\n")
    }));
    script.push(COMMIT.to_owned());
    script.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::backup::PartColumn;
    use crate::model::backup::PartRole;

    fn part(table: TableName, columns: &[&str]) -> Part {
        let column = |name: &&str| PartColumn {
            name: (*name).to_owned(),
            type_name: "text".to_owned(),
        };
        Part {
            table,
            role: PartRole::Values,
            columns: columns.iter().map(column).collect(),
            key: Vec::new(),
        }
    }

    #[test]
    fn headers_quote_every_name() {
        let part = part(TableName::new("public", "order lines"), &["id", "a\"b"]);
        assert_eq!(
            copy_header(&part.table, &part),
            "COPY \"public\".\"order lines\" (\"id\", \"a\"\"b\") FROM stdin;\n"
        );
        let bare = self::part(TableName::new("s", "t"), &[]);
        assert_eq!(
            copy_header(&bare.table, &bare),
            "COPY \"s\".\"t\" FROM stdin;\n"
        );
    }

    #[test]
    fn staging_names_fit_and_differ() {
        let long = part(TableName::new("s", "ä".repeat(31)), &[]);
        let first = staging_table(&long, |_| false);
        assert!(first.name.len() <= NAME_BYTES);
        let second = staging_table(&long, |name| *name == first);
        assert_ne!(first, second);
        assert!(second.name.len() <= NAME_BYTES);
    }
}
