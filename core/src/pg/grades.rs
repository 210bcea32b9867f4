//! What round trips have found out about scripts, beside the ledger.
//!
//! A grade is about texts: it is kept with their checksums, and says nothing about others.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::error::Result;
use crate::ident::{Digest, Revision};
use crate::model::trip::Grade;

use super::error::PgContext as _;
use super::ledger;

/// The grade of a migration's scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graded {
    /// The migration.
    pub revision: Revision,
    /// Checksum of its way forward.
    pub up: Digest,
    /// Checksum of its way back, if there is one.
    pub down: Option<Digest>,
    /// What they are worth.
    pub grade: Grade,
}

/// All that are kept; `None`: the role may not read them. Only reads.
pub async fn read(client: &Client) -> Result<Option<Vec<Graded>>> {
    if !ledger::table_exists(client, "grades").await? {
        return Ok(Some(Vec::new()));
    }
    let sql = "SELECT pg_catalog.has_table_privilege('pgbelay.grades', 'SELECT')";
    let row = client.query_one(sql, &[]).await;
    if !row.pg("could not ask for a right")?.get::<_, bool>(0) {
        return Ok(None);
    }
    let sql = "SELECT revision, up_checksum, down_checksum, grade FROM pgbelay.grades";
    let rows = client.query_typed(sql, &[]).await;
    let rows = rows.pg("could not read the grades of round trips")?;
    let mut kept = Vec::new();
    for row in &rows {
        // A word of a later version is no grade that is known here.
        let Some(grade) = Grade::of(row.get(3)) else {
            continue;
        };
        kept.push(Graded {
            revision: row.get::<_, &str>(0).parse()?,
            up: row.get::<_, &str>(1).parse()?,
            down: row.get::<_, Option<&str>>(2).map(str::parse).transpose()?,
            grade,
        });
    }
    Ok(Some(kept))
}

/// Keeps `graded` in place of what was known of their migrations.
pub async fn keep(client: &Client, graded: &[Graded], by: &str) -> Result<()> {
    client
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS pgbelay.grades ( \
               revision text PRIMARY KEY, up_checksum text NOT NULL, down_checksum text, \
               grade text NOT NULL, at timestamptz NOT NULL, by text NOT NULL)",
        )
        .await
        .pg("could not create the list of grades")?;
    let column = |of: &dyn Fn(&Graded) -> Option<String>| -> Vec<Option<String>> {
        graded.iter().map(of).collect()
    };
    client
        .query_typed(
            "INSERT INTO pgbelay.grades (revision, up_checksum, down_checksum, grade, at, by) \
             SELECT g.revision, g.up, g.down, g.grade, pg_catalog.clock_timestamp(), $5 \
             FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), \
                             pg_catalog.unnest($3), pg_catalog.unnest($4)) \
                  AS g (revision, up, down, grade) \
             ON CONFLICT (revision) DO UPDATE SET up_checksum = excluded.up_checksum, \
               down_checksum = excluded.down_checksum, grade = excluded.grade, \
               at = excluded.at, by = excluded.by",
            &[
                (&column(&|g| Some(g.revision.to_string())), Type::TEXT_ARRAY),
                (&column(&|g| Some(g.up.to_string())), Type::TEXT_ARRAY),
                (
                    &column(&|g| g.down.map(|d| d.to_string())),
                    Type::TEXT_ARRAY,
                ),
                (
                    &column(&|g| Some(g.grade.as_str().to_owned())),
                    Type::TEXT_ARRAY,
                ),
                (&by, Type::TEXT),
            ],
        )
        .await
        .pg("could not keep the grades")?;
    Ok(())
}
