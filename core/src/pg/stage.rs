//! Temporary tables that hold saved rows while they are compared with what is there.

use bytes::Bytes;
use tokio_postgres::Client;

use crate::error::{Context as _, Result};
use crate::ident::TableName;
use crate::model::backup::PartColumn;
use crate::pg::as_user;
use crate::pg::copy;
use crate::pg::error::PgContext as _;
use crate::pg::layout::{FEW, Layout};
use crate::pg::value;
use crate::sql::quote;

/// A temporary table, by its quoted name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// `pg_temp."…"`.
    pub table: String,
}

impl Stage {
    /// Makes `name` with the columns that `like` has now for those that were `saved` (`there`: what
    /// they are called), and with text for those that it has no more. Returns their names, too.
    pub async fn following(
        client: &Client,
        name: &str,
        like: &TableName,
        saved: &[PartColumn],
        there: &[Option<&str>],
    ) -> Result<(Self, Vec<String>)> {
        let types: Vec<&str> = saved.iter().map(|c| c.type_name.as_str()).collect();
        let mut known = known_types(client, &types).await?;
        if saved.len() <= FEW {
            // Text takes whatever the type did; of many columns it would need too much room.
            for known in &mut known {
                known.there = false;
            }
        }
        let columns = saved.iter().zip(known).zip(there).enumerate();
        let (columns, selected): (Vec<String>, Vec<String>) = columns
            .map(|(place, ((saved, known), now))| {
                if let Some(now) = now {
                    return ((*now).to_owned(), quote::ident(now));
                }
                let name = format!("pgbelay gone {place}");
                let selected = format!("NULL::{} AS {}", known.of(saved), quote::ident(&name));
                (name, selected)
            })
            .unzip();
        let sql = format!(
            "CREATE TEMP TABLE {} AS SELECT {} FROM ONLY {} WITH NO DATA",
            quote::ident(name),
            selected.join(", "),
            quote::table(like)
        );
        let stage = Self::create(client, name, &sql).await?;
        Ok((stage, columns))
    }

    /// Makes `name` with `columns` of the types that they have in `like`.
    pub async fn like(
        client: &Client,
        name: &str,
        like: &TableName,
        columns: &[String],
    ) -> Result<Self> {
        let sql = format!(
            "CREATE TEMP TABLE {} AS SELECT {} FROM ONLY {} WITH NO DATA",
            quote::ident(name),
            quote::idents(columns.iter().map(String::as_str)),
            quote::table(like)
        );
        Self::create(client, name, &sql).await
    }

    /// Makes `name` with `columns` of the types that they had, or text for types that are gone.
    pub async fn as_saved(client: &Client, name: &str, columns: &[PartColumn]) -> Result<Self> {
        let types: Vec<&str> = columns.iter().map(|c| c.type_name.as_str()).collect();
        let known = known_types(client, &types).await?;
        let columns: Vec<String> = columns
            .iter()
            .zip(known)
            .map(|(c, known)| format!("{} {}", quote::ident(&c.name), known.of(c)))
            .collect();
        Self::with(client, name, &columns).await
    }

    /// Makes `name` with `columns` of type text, or flags, or texts in arrays.
    pub async fn text(client: &Client, name: &str, columns: &[PartColumn]) -> Result<Self> {
        let columns: Vec<String> = columns
            .iter()
            .map(|c| {
                let type_name = match c.type_name.as_str() {
                    "boolean" => "pg_catalog.bool",
                    "text[]" => "pg_catalog.text[]",
                    _ => "pg_catalog.text",
                };
                format!("{} {type_name}", quote::ident(&c.name))
            })
            .collect();
        Self::with(client, name, &columns).await
    }

    /// Lays the values of `letters` out in another way: from `is` to `to`, in a table called `name`.
    /// The columns `others` stay as they are.
    pub async fn laid_out(
        self,
        client: &Client,
        name: &str,
        (is, to): (&Layout, &Layout),
        letters: &str,
        others: &[&str],
    ) -> Result<Self> {
        let value = |letter| move |number| Some(is.value("s", letter, number));
        let columns: Vec<String> = letters
            .chars()
            .flat_map(|letter| to.lay_out(letter, value(letter)))
            .map(|(name, value)| format!("{value} AS {name}"))
            .collect();
        let kept: String = others.iter().map(|o| format!("{o}, ")).collect();
        let sql = format!(
            "CREATE TEMP TABLE {} AS SELECT {kept}{} FROM {} AS s",
            quote::ident(name),
            columns.join(", "),
            is.rows(&self.table, letters, &[], others),
        );
        let stage = Self::create(client, name, &sql).await?;
        self.discard(client).await?;
        Ok(stage)
    }

    /// Makes `name` with `columns` (name and type, as SQL).
    async fn with(client: &Client, name: &str, columns: &[String]) -> Result<Self> {
        let columns = columns.join(", ");
        let sql = format!("CREATE TEMP TABLE {} ({columns})", quote::ident(name));
        Self::create(client, name, &sql).await
    }

    async fn create(client: &Client, name: &str, sql: &str) -> Result<Self> {
        as_user::batch(client, sql)
            .await
            .pg("could not make a temporary table for saved rows")?;
        Ok(Self {
            table: format!("pg_temp.{}", quote::ident(name)),
        })
    }

    /// Starts loading rows with `columns`.
    pub async fn load(&self, client: &Client, columns: &[String]) -> Result<copy::In> {
        if columns.is_empty() {
            return copy::In::start(client, &self.table).await;
        }
        let columns = quote::idents(columns.iter().map(String::as_str));
        copy::In::start(client, &format!("{} ({columns})", self.table)).await
    }

    /// Drops it: it has served.
    pub async fn discard(&self, client: &Client) -> Result<()> {
        as_user::batch(client, &format!("DROP TABLE {}", self.table))
            .await
            .pg("could not drop a temporary table")
    }

    /// Gathers statistics: the rows are about to be joined.
    pub async fn analyze(&self, client: &Client) -> Result<()> {
        client
            .batch_execute(&format!("ANALYZE {}", self.table))
            .await
            .pg("could not analyze saved rows")
    }
}

/// A type that saved values were of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// It is still there, and reads what it has written: labels, checks and attributes may have changed since,
    /// so this is not said of enums, domains and rows.
    pub there: bool,
    /// It is one of [`value::READ_BY_CAST`].
    pub read_by_cast: bool,
}

impl Known {
    /// The type that values of `column` are read as: text where its own is gone.
    fn of(self, column: &PartColumn) -> &str {
        if self.there {
            &column.type_name
        } else {
            "pg_catalog.text"
        }
    }
}

/// What is known of each of `types`, as `format_type` writes them.
pub async fn known_types(client: &Client, types: &[&str]) -> Result<Vec<Known>> {
    let sql = format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_type y \
             LEFT JOIN pg_catalog.pg_type e ON e.oid = y.typelem \
             WHERE y.oid = t.type AND (y.oid < 16384 \
               OR y.typtype = 'b' AND (e.oid IS NULL OR e.oid < 16384 OR e.typtype = 'b'))), \
           coalesce(t.type = ANY ({}), false) \
         FROM (SELECT pg_catalog.to_regtype(name)::pg_catalog.oid AS type, place \
               FROM pg_catalog.unnest($1::pg_catalog.text[]) WITH ORDINALITY AS n (name, place)) \
              AS t \
         ORDER BY place",
        value::READ_BY_CAST
    );
    let rows = client.query(&sql, &[&types]).await;
    let rows = rows.pg("could not look for the types of saved rows")?;
    let known = rows.iter().map(|row| Known {
        there: row.get(0),
        read_by_cast: row.get(1),
    });
    Ok(known.collect())
}

/// Loads what arrives on `rows`, whole rows in COPY text form: all of it, or the first `most` rows.
pub async fn fill(
    client: &Client,
    stage: &Stage,
    columns: &[String],
    mut rows: tokio::sync::mpsc::Receiver<Result<Bytes>>,
    most: Option<u64>,
) -> Result<u64> {
    // Domains check values.
    as_user::begin(client).await?;
    let mut copy = stage.load(client, columns).await?;
    let mut left = most.map_or(usize::MAX, |most| {
        usize::try_from(most).unwrap_or(usize::MAX)
    });
    while left > 0
        && let Some(piece) = rows.recv().await
    {
        let mut piece = piece.context("could not read saved rows")?;
        if most.is_some() {
            left = cut(&mut piece, left);
        }
        copy.send(piece).await?;
    }
    let rows = copy.finish().await?;
    as_user::end(client).await?;
    Ok(rows)
}

/// Leaves the first `most` rows in `piece`. Returns how many more it might have held.
fn cut(piece: &mut Bytes, most: usize) -> usize {
    // A line break within a value is written otherwise.
    let ends = piece.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let mut rows = 0;
    let mut end = piece.len();
    for (place, _) in ends.take(most) {
        (rows, end) = (rows + 1, place + 1);
    }
    if rows == most {
        piece.truncate(end);
    }
    most - rows
}

impl Stage {
    /// Rows of `newer` take the place of those with the same `key`.
    pub async fn overlay(
        &self,
        client: &Client,
        newer: &Self,
        key: &[String],
        columns: &[String],
    ) -> Result<()> {
        let names = quote::idents(columns.iter().map(String::as_str));
        let sql = format!(
            "ANALYZE {newer}; DELETE FROM {this} AS s USING {newer} AS n WHERE {same};\
             INSERT INTO {this} ({names}) SELECT {names} FROM {newer}",
            newer = newer.table,
            this = self.table,
            same = same(key, "s", "n"),
        );
        client
            .batch_execute(&sql)
            .await
            .pg("could not bring saved rows up to date")
    }

    /// Only rows stay whose `key` is in `there`.
    pub async fn keep_only(&self, client: &Client, there: &Self, key: &[String]) -> Result<()> {
        let sql = format!(
            "ANALYZE {there}; DELETE FROM {this} AS s \
             WHERE NOT EXISTS (SELECT FROM {there} AS k WHERE {same})",
            there = there.table,
            this = self.table,
            same = same(key, "s", "k"),
        );
        client
            .batch_execute(&sql)
            .await
            .pg("could not bring saved rows up to date")
    }
}

fn same(key: &[String], a: &str, b: &str) -> String {
    let parts: Vec<String> = key
        .iter()
        .map(|k| format!("{a}.{0} = {b}.{0}", quote::ident(k)))
        .collect();
    parts.join(" AND ")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::cut;

    #[test]
    fn the_first_rows_of_a_piece() {
        for (piece, most, left, more) in [
            ("a\nb\nc\n", 2, "a\nb\n", 0),
            ("a\nb\nc\n", 3, "a\nb\nc\n", 0),
            ("a\nb\nc\n", 5, "a\nb\nc\n", 2),
            ("\n\n", 1, "\n", 0),
            ("", 4, "", 4),
        ] {
            let mut bytes = Bytes::from_static(piece.as_bytes());
            assert_eq!(cut(&mut bytes, most), more, "{piece:?} {most}");
            assert_eq!(bytes, left.as_bytes(), "{piece:?} {most}");
        }
    }
}
