//! All that has to be known to see whether anything is to be done, in two round trips.

use std::time::Duration;

use crate::error::Result;
use crate::ident::TableName;
use crate::model::ledger::Entry;

use super::error::PgContext as _;
use super::foreign::Foreign;
use super::ledger;
use super::session::Session;
use super::settings;

/// What is applied, and beside which other tool.
#[derive(Debug, Default)]
pub struct Glance {
    /// What is applied, oldest application first; without what it changed.
    pub entries: Vec<Entry>,
    /// The other tool's ledger.
    pub beside: Option<Foreign>,
}

/// Begins a read-only transaction on `session`, which goes with it, and looks.
pub async fn look(session: &Session, lock_timeout: Duration) -> Result<Glance> {
    let client = session.client();
    client
        .batch_execute(&format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {}; \
             SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = {}",
            settings::PATH,
            lock_timeout.as_millis().max(1)
        ))
        .await
        .pg("could not begin a read-only transaction")?;
    if !session.had("ledger") {
        return Ok(Glance::default());
    }
    let beside = if session.had("beside") {
        "(SELECT ARRAY[tool, schema, name] FROM pgbelay.beside)"
    } else {
        "NULL::pg_catalog.text[]"
    };
    let columns = ledger::COLUMNS.replace(", change", ", NULL::pg_catalog.text");
    let sql = format!(
        "SELECT l.*, f.layout, f.beside FROM (SELECT (SELECT pg_catalog.max(version) \
           FROM pgbelay.layout) AS layout, {beside} AS beside) AS f \
         LEFT JOIN (SELECT {columns} FROM pgbelay.ledger) AS l ON true ORDER BY l.sequence"
    );
    let rows = client.query_typed(&sql, &[]).await;
    let rows = rows.pg("could not read the ledger")?;
    let mut glance = Glance::default();
    for row in &rows {
        ledger::known(row.get("layout"))?;
        let beside: Option<Vec<String>> = row.get("beside");
        if let Some([tool, schema, name]) = beside.as_deref() {
            glance.beside = Some(Foreign {
                tool: tool.parse()?,
                table: TableName::new(schema, name),
            });
        }
        if row.get::<_, Option<i64>>(0).is_some() {
            glance.entries.push(ledger::entry(row)?);
        }
    }
    Ok(glance)
}
