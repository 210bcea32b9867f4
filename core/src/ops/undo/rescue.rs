//! What an undo finds no place for, laid aside in tables of our own: columns and tables that are not
//! there any more, and rows that would overwrite something newer.

use crate::error::Result;
use crate::ident::TableName;
use crate::model::relation::{Relation, World};
use crate::ops::undo::rows::Source;
use crate::ops::undo::staging;
use crate::pg::reconcile::{self, conflicts::Conflict};
use crate::pg::record::{ColumnRecord, TableRecord};
use crate::pg::session::Client;
use crate::pg::stage::{self, Known, Stage};
use crate::pg::{rescue, value};
use crate::sql::quote;

/// Rows that were laid aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rescued {
    /// The table that they were in.
    pub table: TableName,
    /// The table that they are in now.
    pub into: TableName,
    /// How many.
    pub rows: u64,
}

/// Saved rows of one table, staged under the names and types that their columns had.
struct Staged {
    /// Where they are; called `s` in expressions.
    stage: Stage,
    /// The rows to be read.
    from: String,
    /// Name and expression of each column.
    columns: Vec<(String, String)>,
    /// Those that tell rows apart: number and expression.
    key: Vec<(i16, String)>,
    /// What is in `key` are texts, and not values.
    texts: bool,
    /// Which rows were there before the rollback.
    among: &'static str,
}

/// Lays what was saved of a table aside: its key and `columns` (numbers; `None`: all). `record` is
/// as the rollback wrote it, and has place `index` there.
pub async fn whole(
    source: Source<'_>,
    client: &Client,
    sequence: i64,
    (index, record): (usize, &TableRecord),
    columns: Option<&[i16]>,
) -> Result<Vec<Rescued>> {
    let mut rescued = Vec::new();
    for staged in staged(source, client, index, record, columns).await? {
        let query = format!("{} WHERE {}", staged.select(), staged.among);
        rescued.extend(keep(client, sequence, record, &query).await?);
        staged.stage.discard(client).await?;
    }
    Ok(rescued)
}

/// Lays aside what was saved of columns that somebody dropped since the rollback.
pub async fn dropped_since(
    source: Source<'_>,
    client: &Client,
    sequence: i64,
    recorded: &[TableRecord],
) -> Result<Vec<Rescued>> {
    let mut rescued = Vec::new();
    for (index, record) in recorded.iter().enumerate() {
        let followed = source.details.tables.get(index);
        let is_gone = |name: &str| followed.is_some_and(|f| f.now(name).is_none());
        let gone = record.columns.iter().filter(|c| is_gone(&c.name));
        let gone: Vec<i16> = gone.map(|c| c.number).collect();
        if !gone.is_empty() {
            let record = (index, record);
            rescued.extend(whole(source, client, sequence, record, Some(&gone)).await?);
        }
    }
    Ok(rescued)
}

/// Lays the rows aside that are not in their table as they were before the rollback, of tables
/// that `conflicts` name.
pub async fn conflicting(
    source: Source<'_>,
    client: &Client,
    sequence: i64,
    recorded: &[TableRecord],
    live: &World,
    conflicts: &[Conflict],
) -> Result<Vec<Rescued>> {
    let mut rescued = Vec::new();
    for (index, record) in recorded.iter().enumerate() {
        let Some(followed) = source.details.tables.get(index) else {
            continue;
        };
        let name = followed.name_before();
        let left_out = |c: &&Conflict| c.table == name && c.rows > 0;
        let relation = live.find(&name.schema, &name.name);
        let Some(relation) = relation.filter(|_| conflicts.iter().any(|c| left_out(&c))) else {
            continue;
        };
        for staged in staged(source, client, index, record, None).await? {
            let query = if record.key.is_empty() {
                staged.surplus(followed, relation)
            } else {
                staged.differing(followed, relation)
            };
            if let Some(query) = query {
                rescued.extend(keep(client, sequence, record, &query).await?);
            }
            staged.stage.discard(client).await?;
        }
    }
    Ok(rescued)
}

async fn keep(
    client: &Client,
    sequence: i64,
    record: &TableRecord,
    query: &str,
) -> Result<Option<Rescued>> {
    let table = record.name_before();
    let kept = rescue::keep(client, sequence, &table, query).await?;
    Ok(kept.map(|(into, rows)| Rescued { table, into, rows }))
}

/// What the backups hold of the rows: as they were saved, and as they were before the scripts
/// changed them. The second only where the first lacks a column that is asked for.
async fn staged(
    source: Source<'_>,
    client: &Client,
    index: usize,
    record: &TableRecord,
    columns: Option<&[i16]>,
) -> Result<Vec<Staged>> {
    let Source { ctx, backups, .. } = source;
    let asked = |number: i16| {
        record.key.contains(&number) || columns.is_none_or(|some| some.contains(&number))
    };
    let asked: Vec<_> = record.written().filter(|c| asked(c.number)).collect();
    let goes = |number: i16| columns.is_some_and(|some| some.contains(&number));
    let mut all = Vec::new();
    let table = record.name_before();
    let saved = staging::as_saved(ctx, client, backups, index, &table).await?;
    let mut lacking: Vec<i16> = asked.iter().map(|c| c.number).collect();
    if let Some((stage, names)) = saved {
        let there: Vec<_> = asked.iter().filter(|c| names.contains(&c.name)).collect();
        lacking.retain(|n| !there.iter().any(|c| c.number == *n));
        if columns.is_none() || there.iter().any(|c| goes(c.number)) {
            let value = |name: &str| format!("s.{}", quote::ident(name));
            let keyed = |n: &i16| {
                let column = there.iter().find(|c| c.number == *n)?;
                Some((*n, value(&column.name)))
            };
            all.push(Staged {
                from: stage.table.clone(),
                stage,
                columns: there
                    .iter()
                    .map(|c| (c.name.clone(), value(&c.name)))
                    .collect(),
                key: record.key.iter().filter_map(keyed).collect(),
                texts: false,
                among: "true",
            });
        }
    }
    let changed = |number: &i16| record.effects.contains(number) && lacking.contains(number);
    let wanted = asked
        .iter()
        .map(|c| c.number)
        .any(|n| changed(&n) && (columns.is_none() || goes(n)));
    if wanted {
        let numbers = &record.effects;
        let (stage, layout) =
            staging::effects_again(ctx, client, backups, index, record, numbers).await?;
        let there: Vec<_> = asked
            .iter()
            .filter(|c| record.effects.contains(&c.number))
            .collect();
        let types: Vec<&str> = there.iter().map(|c| c.type_name.as_str()).collect();
        let known = stage::known_types(client, &types).await?;
        let value = |(c, known): (&&&ColumnRecord, Known)| {
            let text = layout.value("s", 'b', c.number);
            let value = if known.there {
                value::read_as(&text, &c.type_name, known.read_by_cast)
            } else {
                text
            };
            (c.name.clone(), value)
        };
        all.push(Staged {
            from: layout.rows(&stage.table, "b", &[], &["had"]),
            stage,
            columns: there.iter().zip(known).map(value).collect(),
            key: record
                .key
                .iter()
                .map(|n| (*n, layout.value("s", 'b', *n)))
                .collect(),
            texts: true,
            among: "s.had",
        });
    }
    Ok(all)
}

impl Staged {
    fn select(&self) -> String {
        let columns = self.columns.iter();
        let columns = columns.map(|(name, value)| format!("{value} AS {}", quote::ident(name)));
        let columns: Vec<String> = columns.collect();
        format!("SELECT {} FROM {} AS s", columns.join(", "), self.from)
    }

    /// The rows that `live` doesn't hold as they were. `None`: they can't be told apart.
    fn differing(&self, followed: &TableRecord, live: &Relation) -> Option<String> {
        let name = |number: i16| followed.column(number).map(|c| c.name.as_str());
        let mut same = Vec::new();
        for (number, key) in &self.key {
            let column = live.column(name(*number)?)?;
            let is = value::text("t", column);
            let was = if self.texts {
                key.clone()
            } else {
                value::of(key, column)
            };
            same.push(format!("{is} = {was}"));
        }
        if same.is_empty() {
            return None;
        }
        let differs: Vec<String> = self
            .columns
            .iter()
            .filter_map(|(before, value)| {
                let column = live.column(followed.now(before)?)?;
                let is = value::text("t", column);
                let was = value::of(&format!("({value})"), column);
                Some(format!("{is} IS DISTINCT FROM {was}"))
            })
            .chain(["t.ctid IS NULL".to_owned()])
            .collect();
        Some(format!(
            "{} LEFT JOIN ONLY {} AS t ON {} WHERE {} AND ({})",
            self.select(),
            quote::table(&live.name),
            same.join(" AND "),
            self.among,
            differs.join(" OR ")
        ))
    }

    /// The rows of a table without a key that `live` doesn't hold as often as there were. `None`:
    /// none of their columns is there.
    fn surplus(&self, followed: &TableRecord, live: &Relation) -> Option<String> {
        let both: Vec<(String, String)> = self
            .columns
            .iter()
            .filter_map(|(before, expression)| {
                let column = live.column(followed.now(before)?)?;
                let was = value::of(&format!("({expression})"), column);
                Some((was, value::text("t", column)))
            })
            .collect();
        if both.is_empty() {
            return None;
        }
        let (was, is): (Vec<String>, Vec<String>) = both.into_iter().unzip();
        let numbered = |row: &[String]| {
            let row = reconcile::digest(row);
            format!(
                "{row} AS \"pgbelay row\", pg_catalog.row_number() OVER (PARTITION BY {row}) \
                 AS \"pgbelay nth\""
            )
        };
        let names = self.columns.iter().map(|(name, _)| name.as_str());
        let columns = self.columns.iter();
        let columns: Vec<String> = columns
            .map(|(name, value)| format!("{value} AS {}", quote::ident(name)))
            .collect();
        Some(format!(
            "SELECT {names} FROM (SELECT {columns}, {saved} FROM {stage} AS s WHERE {among}) AS s \
             LEFT JOIN (SELECT true AS \"pgbelay there\", {there} FROM ONLY {table} AS t) AS t \
             USING (\"pgbelay row\", \"pgbelay nth\") WHERE t.\"pgbelay there\" IS NULL",
            names = quote::idents(names),
            columns = columns.join(", "),
            saved = numbered(&was),
            stage = self.from,
            among = self.among,
            there = numbered(&is),
            table = quote::table(&live.name),
        ))
    }
}
