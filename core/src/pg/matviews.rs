//! Materialized views: nobody can write rows into one, so what a dropped one held is computed
//! again.

use tokio_postgres::Client;

use crate::error::Result;
use crate::ident::TableName;
use crate::model::relation::Oid;
use crate::pg::as_user;
use crate::pg::error::PgContext as _;
use crate::pg::stage::Stage;
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

impl Populated {
    fn is(&self, (schema, name): &(String, String)) -> bool {
        self.name.schema == *schema && self.name.name == *name
    }
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

/// The oids of those of `populated` that are among `some`.
pub fn holding(populated: &[Populated], some: &[Oid]) -> Vec<Oid> {
    let oids = populated.iter().map(|view| view.oid);
    oids.filter(|oid| some.contains(oid)).collect()
}

/// Those of `earlier` that were filled or emptied since and still have their name.
pub async fn refilled(client: &Client, earlier: &[Populated]) -> Result<Vec<(String, String)>> {
    let now = all(client).await?;
    let other = |e: &&Populated| now.iter().any(|n| n.oid == e.oid && n.file != e.file);
    let refilled = earlier.iter().filter(other);
    Ok(refilled
        .map(|view| (view.name.schema.clone(), view.name.name.clone()))
        .collect())
}

/// True where `view` doesn't hold just the rows of `stage`, whose columns are called alike.
pub async fn differs(client: &Client, view: &TableName, stage: &Stage) -> Result<bool> {
    // As text: not every type has an equality.
    let hashes = |table: &str| {
        format!(
            "SELECT pg_catalog.count(*) AS rows, coalesce(pg_catalog.sum( \
               pg_catalog.hashtextextended(pg_catalog.format('%s', r), 0)::pg_catalog.numeric), 0) AS hash \
             FROM {table} AS r"
        )
    };
    let sql = format!(
        "SELECT EXISTS ({} EXCEPT {})",
        hashes(&stage.table),
        hashes(&quote::table(view))
    );
    let row = as_user::query_one(client, &sql).await;
    let row = row.pg(format!("could not compare the rows of {view}"))?;
    Ok(row.get(0))
}

/// Fills again what was filled, made or emptied since `earlier` was read, and `refilled`: while scripts run, the
/// tables don't hold yet what they will in the end. Only those in `wanted` get rows. Their queries
/// run under the settings that the scripts had which made them: ours would forbid reading views.
pub async fn refresh(
    client: &Client,
    earlier: &[Populated],
    wanted: &[(String, String)],
    refilled: &[(String, String)],
) -> Result<()> {
    let now = all(client).await?;
    let again = |view: &Populated| refilled.iter().any(|r| view.is(r));
    let due = now
        .iter()
        .filter(|view| !earlier.contains(view) || again(view));
    let due: Vec<&Populated> = due.collect();
    if due.is_empty() {
        return Ok(());
    }
    transaction::script(client).await?;
    for view in due {
        let rows = if wanted.iter().any(|w| view.is(w)) {
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
