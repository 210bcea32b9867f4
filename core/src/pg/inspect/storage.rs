//! How relations are stored, as far as a backup must know.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Client;

use crate::error::Result;
use crate::ident::TableName;
use crate::model::relation::Oid;
use crate::pg::query;

use super::{Reach, within};

const MEMBERS: &str = "
SELECT d.objid, u.config IS NOT NULL, coalesce(u.condition, '')
FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
LEFT JOIN LATERAL ROWS FROM (pg_catalog.unnest(e.extconfig), pg_catalog.unnest(e.extcondition))
     AS u (config, condition)
  ON u.config = d.objid
WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid = 0
  AND d.deptype = 'e' AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass";

const STORED: &str = "
SELECT c.oid, n.nspname::text, c.relname::text, c.relkind = 'm' AND c.relispopulated,
       c.relpersistence = 'u'
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE (c.relkind = 'm' AND c.relispopulated OR c.relpersistence = 'u') AND {user_schema}
ORDER BY 2, 3";

const SETTINGS: &str = "
SELECT name, CASE name WHEN 'search_path' THEN reset_val ELSE setting END
FROM pg_catalog.pg_settings WHERE name IN ('lc_monetary', 'search_path', 'TimeZone')
ORDER BY name";

/// How relations are stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Storage {
    /// Tables and sequences that belong to extensions: for the configuration of one, the
    /// condition (`WHERE …` or nothing) on the rows that are the user's.
    pub extensions: BTreeMap<Oid, Option<String>>,
    /// Materialized views that hold rows.
    pub populated: Vec<TableName>,
    /// Relations that a standby doesn't have.
    pub unlogged: BTreeSet<Oid>,
    /// The settings on which the text of values depends, and the path that functions are
    /// written for.
    pub settings: Vec<(String, String)>,
}

/// Reads it.
pub async fn storage(client: &Client) -> Result<Storage> {
    let members = query::rows(client, "the extensions", MEMBERS, &[]).await?;
    let sql = within(STORED, Reach::Everything);
    let stored = query::rows(client, "how tables are stored", &sql, &[]).await?;
    let settings = query::rows(client, "the settings", SETTINGS, &[]).await?;
    let mut storage = Storage {
        settings: settings.iter().map(|r| (r.get(0), r.get(1))).collect(),
        ..Storage::default()
    };
    for row in &members {
        let condition = row.get::<_, bool>(1).then(|| row.get::<_, String>(2));
        storage.extensions.insert(row.get(0), condition);
    }
    for row in &stored {
        if row.get(3) {
            let name = TableName::new(row.get::<_, String>(1), row.get::<_, String>(2));
            storage.populated.push(name);
        }
        if row.get(4) {
            storage.unlogged.insert(row.get(0));
        }
    }
    Ok(storage)
}
