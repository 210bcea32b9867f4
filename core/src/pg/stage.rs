//! Temporary tables that hold saved rows while they are compared with what is there.

use bytes::Bytes;
use tokio_postgres::Client;

use crate::error::{Context as _, Result};
use crate::ident::TableName;
use crate::model::backup::PartColumn;
use crate::pg::as_user;
use crate::pg::copy;
use crate::pg::error::PgContext as _;
use crate::pg::value;
use crate::sql::quote;

/// A temporary table, by its quoted name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// `pg_temp."…"`.
    pub table: String,
}

impl Stage {
    /// Makes `name` with the columns that `like` has now for those that were saved (`there`: what
    /// they are called), and with text for those that it has no more. Returns their names, too.
    pub async fn following(
        client: &Client,
        name: &str,
        like: &TableName,
        there: &[Option<&str>],
    ) -> Result<(Self, Vec<String>)> {
        let gone = |place| format!("pgbelay gone {place}");
        let columns = there.iter().enumerate();
        let columns: Vec<(String, bool)> = columns
            .map(|(place, now)| now.map_or_else(|| (gone(place), false), |n| (n.to_owned(), true)))
            .collect();
        let selected: Vec<String> = columns
            .iter()
            .map(|(name, there)| {
                let name = quote::ident(name);
                if *there {
                    name
                } else {
                    format!("NULL::pg_catalog.text AS {name}")
                }
            })
            .collect();
        let sql = format!(
            "CREATE TEMP TABLE {} AS SELECT {} FROM ONLY {} WITH NO DATA",
            quote::ident(name),
            selected.join(", "),
            quote::table(like)
        );
        let stage = Self::create(client, name, &sql).await?;
        Ok((stage, columns.into_iter().map(|c| c.0).collect()))
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
            .map(|(c, known)| {
                let type_name = if known.there {
                    c.type_name.as_str()
                } else {
                    "pg_catalog.text"
                };
                format!("{} {type_name}", quote::ident(&c.name))
            })
            .collect();
        Self::with(client, name, &columns).await
    }

    /// Makes `name` with `columns` of type text; those named in `flags` are boolean.
    pub async fn text(
        client: &Client,
        name: &str,
        columns: &[String],
        flags: &[&str],
    ) -> Result<Self> {
        let columns: Vec<String> = columns
            .iter()
            .map(|c| {
                let flag = flags.contains(&c.as_str());
                format!(
                    "{} {}",
                    quote::ident(c),
                    if flag { "boolean" } else { "pg_catalog.text" }
                )
            })
            .collect();
        Self::with(client, name, &columns).await
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
    /// It is still there.
    pub there: bool,
    /// It is one of [`value::READ_BY_CAST`].
    pub read_by_cast: bool,
}

/// What is known of each of `types`, as `format_type` writes them.
pub async fn known_types(client: &Client, types: &[&str]) -> Result<Vec<Known>> {
    let sql = format!(
        "SELECT t.type IS NOT NULL, coalesce(t.type = ANY ({}), false) \
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
