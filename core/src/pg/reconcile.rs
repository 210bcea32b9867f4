//! Putting kept rows back.
//!
//! For each table that an undo concerns, a temporary table of *wanted* rows is worked out
//! ([`wanted`]) from what was there before the scripts ran again ([`before`]), then all
//! differences of all tables are applied in one statement ([`apply`]): foreign keys are checked
//! at its end, so neither the order of tables nor cycles between them matter.
//!
//! Values are compared as text: `json` has no equality, and some types call different texts equal.

use crate::ident::TableName;
use crate::model::relation::{Column, Oid, Relation};
use crate::pg::net::Net;
use crate::pg::record::{Saved, TableRecord};
use crate::pg::value;
use crate::sql::quote;

pub mod absent;
pub mod apply;
pub mod before;
pub mod clashes;
pub mod conflicts;
pub mod derived;
pub mod fillings;
pub mod keyless;
pub mod moved;
pub mod others;
pub mod references;
pub mod renumbered;
pub mod room;
pub mod sample;
pub mod touched;
pub mod unmet;
pub mod values;
pub mod wanted;

/// Marks a wanted row that is to go. A blank keeps it apart from sensible column names.
pub const GONE: &str = "\"pgbelay gone\"";

/// How rows that are there get other values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By UPDATE. Uniqueness is checked row by row.
    Update,
    /// By DELETE and INSERT in one statement: rows may exchange unique values.
    Replace,
}

/// One table of an undo.
#[derive(Debug, Clone)]
pub struct Target<'a> {
    /// Its number within the undo: names its temporary tables.
    pub index: usize,
    /// What the rollback recorded; `None`: only the scripts that run again touch it.
    pub record: Option<&'a TableRecord>,
    /// The table as it is after the scripts ran again.
    pub live: &'a Relation,
    /// The table as it was before; `None`: the scripts made it.
    pub earlier: Option<&'a Relation>,
    /// It surely held no row before.
    pub was_empty: bool,
    /// Saved rows are staged.
    pub saved: bool,
    /// How many rows were inserted since the rollback, where some were written since: their keys are
    /// staged. `None` within: that can't be told.
    pub inserted: Option<Option<i64>>,
    /// What the scripts that ran again did to its rows.
    pub up: Net,
    /// The columns that identify a row; empty: rows are compared whole.
    pub key: Vec<String>,
}

impl Target<'_> {
    /// The temporary table called `what` of this table.
    pub fn stage(&self, what: &str) -> String {
        stage(what, self.index)
    }

    /// The wanted rows.
    pub fn wanted(&self) -> String {
        self.stage("wanted")
    }

    /// The quoted name of the live table.
    pub fn table(&self) -> String {
        quote::table(&self.live.name)
    }

    /// Its name, for messages.
    pub const fn name(&self) -> &TableName {
        &self.live.name
    }

    /// The columns that can be written.
    pub fn written(&self) -> impl Iterator<Item = &Column> {
        self.live.columns.iter().filter(|c| !c.generated)
    }

    /// True when the table was dropped by the rollback and made again by the scripts: it must
    /// hold exactly what was saved.
    pub const fn remade(&self) -> bool {
        self.earlier.is_none()
    }

    /// `a.k = b.k AND …` over the key: as text, like everywhere, where `=` may call different texts equal,
    /// else by the server's own operators, which indexes know.
    pub fn same_key(&self, a: &str, b: &str) -> String {
        pairs(&self.key, |k| {
            if self.live.column(k).is_some_and(|c| c.coarse) {
                return format!("{} = {}", self.text(a, k), self.text(b, k));
            }
            let k = quote::ident(k);
            format!("{a}.{k} OPERATOR(pg_catalog.=) {b}.{k}")
        })
    }

    /// True when two rows that the key tells apart may be in each other's way all the same.
    pub fn key_is_coarse(&self) -> bool {
        let mut columns = self.key.iter().filter_map(|k| self.live.column(k));
        columns.any(|c| c.coarse)
    }

    /// The live column that had `number` before the scripts ran again and still is the same.
    pub fn kept_column(&self, number: i16) -> Option<&Column> {
        let earlier = self.earlier?.columns.iter().find(|c| c.number == number)?;
        let live = self.live.columns.iter().find(|c| c.number == number)?;
        (earlier.same_type(live) && !live.generated).then_some(live)
    }

    /// The value in column `name` of `alias`, a row of the live table or one staged for it, as text.
    pub fn text(&self, alias: &str, name: &str) -> String {
        value::named(alias, name, &self.live.columns)
    }

    /// The number of live column `name`.
    pub fn number(&self, name: &str) -> Option<i16> {
        self.live.column(name).map(|c| c.number)
    }
}

/// How many objects the temporary tables lock that an undo makes for one table. Each stands for four:
/// the table, its row type (15.20 and the other minors of that date), and a table and an index for long
/// values.
pub fn locks(record: &TableRecord) -> u64 {
    const EACH: u64 = 4;
    let mut locks = EACH + 2; // wanted, and derived, which has no long values
    if !matches!(record.saved, Saved::Nothing) {
        locks += EACH; // saved
    }
    if record.after.is_none() {
        return locks;
    }
    locks += EACH; // newer ones
    if !record.effects.is_empty() {
        locks += 4 * EACH; // effects, seen; what triggers record, and its net effect
    }
    if !record.retyped.is_empty() {
        locks += 2 * EACH; // left, unchanged
    }
    if record.finds_rows() {
        locks += 2 * EACH; // looks, touched
    }
    if record.truncated {
        locks += EACH; // there
    }
    locks
}

/// The temporary table called `what` of table number `index`.
pub fn stage(what: &str, index: usize) -> String {
    format!("pg_temp.{}", quote::ident(&stage_name(what, index)))
}

/// Its plain name.
pub fn stage_name(what: &str, index: usize) -> String {
    format!("pgbelay {what} {index}")
}

/// The temporary table with the keys of rows of `oid` that were written since the rollback.
pub fn since_table(oid: Oid) -> String {
    format!("pg_temp.{}", quote::ident(&format!("pgbelay since {oid}")))
}

/// `f` of each name, joined by AND; true when there is none.
pub fn pairs(names: &[String], f: impl Fn(&str) -> String) -> String {
    if names.is_empty() {
        return "true".to_owned();
    }
    let parts: Vec<String> = names.iter().map(|n| f(n)).collect();
    parts.join(" AND ")
}

/// A statement that sets columns (name, expression) of the rows `w` of `target` that `from` and
/// `condition` select. As many rows are affected as are changed.
pub fn change(
    target: &Target<'_>,
    way: Way,
    set: &[(&str, String)],
    from: &str,
    condition: &str,
) -> String {
    let table = target.table();
    if way == Way::Update {
        let set: Vec<String> = set
            .iter()
            .map(|(name, value)| format!("{} = {value}", quote::ident(name)))
            .collect();
        let set = set.join(", ");
        return format!("UPDATE ONLY {table} AS w SET {set} FROM {from} WHERE {condition}");
    }
    let written: Vec<&str> = target.written().map(|c| c.name.as_str()).collect();
    let values: Vec<String> = written
        .iter()
        .enumerate()
        .map(|(place, name)| {
            let new = set.iter().find(|s| s.0 == *name);
            let value = new.map_or_else(|| format!("w.{}", quote::ident(name)), |s| s.1.clone());
            format!("{value} AS c{place}")
        })
        .collect();
    let again: Vec<String> = (0..written.len())
        .map(|place| format!("c{place}"))
        .collect();
    format!(
        "WITH gone AS (DELETE FROM ONLY {table} AS w USING {from} WHERE {condition} \
         RETURNING {values}) \
         INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT {again} FROM gone \
         WHERE (SELECT pg_catalog.count(*) FROM gone) >= 0",
        values = values.join(", "),
        names = quote::idents(written.iter().copied()),
        again = again.join(", "),
    )
}

/// A digest of the columns of `alias` called `names`, as text: the identity of a row without a key.
/// They are of the types of `columns`.
pub fn whole_row<'a>(
    alias: &str,
    names: impl Iterator<Item = &'a str>,
    columns: &[Column],
) -> String {
    let columns: Vec<String> = names.map(|c| value::named(alias, c, columns)).collect();
    digest(&columns)
}

/// A digest of values, each an expression.
pub fn digest(values: &[String]) -> String {
    format!(
        "pg_catalog.md5(ROW({})::pg_catalog.text)",
        values.join(", ")
    )
}
