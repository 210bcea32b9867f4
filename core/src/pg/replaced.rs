//! Tables that a script replaces by another one of the same name: copy, drop, rename. No trigger
//! sees that, so the rows are remembered before, and compared with those of the new table.

use tokio_postgres::Client;

use crate::error::Result;
use crate::model::relation::{Column, Oid, Relation};
use crate::pg::as_user;
use crate::pg::error::PgContext as _;
use crate::pg::layout::Layout;
use crate::pg::net::{self, Net};
use crate::pg::value;
use crate::sql::quote;

fn was(oid: Oid) -> String {
    format!("pg_temp.{}", quote::ident(&format!("pgbelay was {oid}")))
}

fn written(relation: &Relation) -> impl Iterator<Item = &Column> {
    relation.columns.iter().filter(|c| !c.generated)
}

/// How the rows of `relation` are remembered.
fn layout(relation: &Relation) -> Layout {
    let numbers: Vec<i16> = written(relation).map(|c| c.number).collect();
    Layout::of(&numbers)
}

/// Remembers all rows of `relation`, as text.
pub async fn remember(client: &Client, relation: &Relation) -> Result<()> {
    let columns: Vec<&Column> = written(relation).collect();
    let value = |number| {
        let column = columns.iter().find(|c| c.number == number)?;
        Some(value::text("t", column))
    };
    let values = layout(relation).lay_out('v', value).into_iter();
    let values: Vec<String> = values
        .map(|(name, value)| format!("{value} AS {name}"))
        .collect();
    let sql = format!(
        "CREATE TEMP TABLE {} AS SELECT {} FROM ONLY {} AS t",
        was(relation.oid),
        values.join(", "),
        quote::table(&relation.name)
    );
    as_user::batch(client, &sql)
        .await
        .pg(format!("could not remember the rows of {}", relation.name))
}

/// The column of `new` that stands for `column` of the table it replaced.
pub fn counterpart<'a>(column: &Column, new: &'a Relation) -> Option<&'a Column> {
    let same = new.column(&column.name)?;
    (same.generated == column.generated).then_some(same)
}

/// How the rows of `new` differ from those that were remembered of `old`, as the net effect on
/// `old`, by `key` (numbers of columns of `old`).
pub async fn net(client: &Client, old: &Relation, new: &Relation, key: &[i16]) -> Result<Net> {
    let common: Vec<(&Column, &Column)> = written(old)
        .filter_map(|c| Some((c, counterpart(c, new)?)))
        .collect();
    let numbers: Vec<i16> = common.iter().map(|pair| pair.0.number).collect();
    let (remembered, all) = (layout(old), Layout::of(&numbers));
    let half = |half: u8, from: &str, value: &dyn Fn(&(&Column, &Column)) -> String| {
        let value = |number| common.iter().find(|c| c.0.number == number).map(value);
        let values = all.lay_out('v', value).into_iter();
        let values: String = values
            .map(|(name, value)| format!(", {value} AS {name}"))
            .collect();
        format!("SELECT {half} AS seq, {half} AS half{values} FROM {from} AS t")
    };
    let was = remembered.rows(&was(old.oid), "v", &[], &[]);
    let before = half(0, &was, &|pair| remembered.value("t", 'v', pair.0.number));
    let after = half(1, &format!("ONLY {}", quote::table(&new.name)), &|pair| {
        value::text("t", pair.1)
    });
    net::work_out(
        client,
        old.oid,
        &format!("{before} UNION ALL {after}"),
        numbers,
        key,
    )
    .await
}
