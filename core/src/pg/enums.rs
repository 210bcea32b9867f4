//! Enum types made anew with other labels: one that is added can't be used in the transaction that adds it.

use tokio_postgres::Client;

use crate::error::Result;
use crate::ident::TableName;
use crate::pg::as_user;
use crate::pg::error::PgContext as _;
use crate::pg::transaction;
use crate::sql::quote;

/// What the old one is called meanwhile.
const OLD: &str = "pgbelay old labels";

// Those that children inherit are altered with their parents'.
const COLUMNS: &str = "
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), pg_catalog.quote_ident(a.attname),
       pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.atttypid <> t.oid
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_attribute a ON a.atttypid IN (t.oid, t.typarray) AND NOT a.attisdropped
                              AND a.attinhcount = 0
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.attgenerated = ''
WHERE t.oid = pg_catalog.to_regtype($1) AND t.typtype = 'e'
ORDER BY a.attrelid, a.attnum";

/// Puts an enum type with `labels` (a list of literals) in the place of `name`, whose columns it takes
/// over. Fails where anything else depends on that.
pub async fn replace(client: &Client, name: &TableName, labels: &str) -> Result<()> {
    let full = quote::table(name);
    let owner = "SELECT pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(typowner)) \
                 FROM pg_catalog.pg_type WHERE oid = pg_catalog.to_regtype($1)";
    let context = "could not make an enum type anew";
    let owner = client.query_one(owner, &[&full]).await.pg(context)?;
    let owner: String = owner.get(0);
    let columns = client.query(COLUMNS, &[&full]).await.pg(context)?;
    let old = quote::table(&TableName::new(&name.schema, OLD));
    let mut sql = String::new();
    for row in &columns {
        let (table, column): (&str, &str) = (row.get(0), row.get(1));
        if row.get::<_, Option<&str>>(2).is_some() {
            sql += &format!("ALTER TABLE {table} ALTER COLUMN {column} DROP DEFAULT;");
        }
    }
    sql += &format!(
        "ALTER TYPE {full} RENAME TO {};CREATE TYPE {full} AS ENUM ({labels});\
         ALTER TYPE {full} OWNER TO {owner};",
        quote::ident(OLD)
    );
    for row in &columns {
        let (table, column): (&str, &str) = (row.get(0), row.get(1));
        let array = if row.get(3) { "[]" } else { "" };
        sql += &format!(
            "ALTER TABLE {table} ALTER COLUMN {column} TYPE {full}{array} \
             USING {column}::pg_catalog.text{array}::{full}{array};"
        );
        if let Some(default) = row.get::<_, Option<&str>>(2) {
            sql += &format!("ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {default};");
        }
    }
    sql += &format!("DROP TYPE {old}");
    transaction::savepoint(client).await?;
    let done = as_user::batch(client, &sql).await.pg(context);
    if done.is_err() {
        transaction::back_to_savepoint(client).await;
    }
    done
}
