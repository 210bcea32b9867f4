//! Materialized views: nobody can write rows into one, so what a dropped one held is computed
//! again.

use tokio_postgres::Client;

use crate::error::Result;
use crate::ident::TableName;
use crate::model::relation::Oid;
use crate::pg::error::PgContext as _;
use crate::pg::transaction;
use crate::sql::quote;

/// A materialized view that holds rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Populated {
    /// Its name.
    pub name: TableName,
    oid: Oid,
    /// The file that holds the rows.
    file: u32,
}

// Those that read others come after them.
const POPULATED: &str = "\
WITH RECURSIVE d (oid, depth) AS ( \
  SELECT oid, 0 FROM pg_catalog.pg_class WHERE relkind = 'm' \
  UNION \
  SELECT r.ev_class, d.depth + 1 FROM d \
  JOIN pg_catalog.pg_depend p ON p.refobjid = d.oid \
    AND p.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
    AND p.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass \
  JOIN pg_catalog.pg_rewrite r ON r.oid = p.objid WHERE r.ev_class <> d.oid) \
SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text, c.oid, c.relfilenode \
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
WHERE c.relkind = 'm' AND (c.relispopulated OR $1) \
ORDER BY (SELECT pg_catalog.max(d.depth) FROM d WHERE d.oid = c.oid), 1, 2";

async fn read(client: &Client, all: bool) -> Result<Vec<Populated>> {
    let rows = client.query(POPULATED, &[&all]).await;
    let rows = rows.pg("could not read the materialized views")?;
    let one = |row: &tokio_postgres::Row| Populated {
        name: TableName::new(row.get::<_, String>(0), row.get::<_, String>(1)),
        oid: row.get(2),
        file: row.get(3),
    };
    Ok(rows.iter().map(one).collect())
}

/// The materialized views that hold rows, those that read others after them.
pub async fn populated(client: &Client) -> Result<Vec<Populated>> {
    read(client, false).await
}

/// All materialized views.
pub async fn all(client: &Client) -> Result<Vec<Populated>> {
    read(client, true).await
}

/// Fills again what was filled, made or emptied since `earlier` was read: while scripts run, the
/// tables don't hold yet what they will in the end. Only those in `wanted` get rows. Their queries
/// run under the settings that the scripts had which made them: ours would forbid reading views.
pub async fn refresh(
    client: &Client,
    earlier: &[Populated],
    wanted: &[(String, String)],
) -> Result<()> {
    let now = all(client).await?;
    let due: Vec<&Populated> = now.iter().filter(|view| !earlier.contains(view)).collect();
    if due.is_empty() {
        return Ok(());
    }
    transaction::script(client).await?;
    for view in due {
        let was = |w: &(String, String)| w.0 == view.name.schema && w.1 == view.name.name;
        let rows = if wanted.iter().any(was) {
            ""
        } else {
            " WITH NO DATA"
        };
        let table = quote::table(&view.name);
        client
            .batch_execute(&format!("REFRESH MATERIALIZED VIEW {table}{rows}"))
            .await
            .pg(format!(
                "could not fill the materialized view {}",
                view.name
            ))?;
    }
    transaction::ours(client).await
}
