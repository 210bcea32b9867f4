//! What server and which database this is.

use tokio_postgres::Client;

use crate::error::Result;
use crate::pg::error::PgContext as _;

/// Facts about the server, for manifests and reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The database's name.
    pub database: String,
    /// `server_version`.
    pub version: String,
    /// `server_version_num`.
    pub version_num: i32,
    /// The cluster's system identifier; empty when the role may not read it.
    pub system_identifier: String,
    /// Server encoding.
    pub encoding: String,
    /// The database's collation.
    pub collation: String,
    /// The database's size in bytes.
    pub database_bytes: i64,
    /// A standby.
    pub standby: bool,
    /// Extensions and their versions.
    pub extensions: Vec<(String, String)>,
}

/// Asks the server.
pub async fn read(client: &Client) -> Result<Server> {
    let row = client
        .query_one(
            "SELECT pg_catalog.current_database()::text, \
             pg_catalog.current_setting('server_version'), \
             pg_catalog.current_setting('server_version_num')::int4, \
             CASE WHEN pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') \
             THEN (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) ELSE '' END, \
             pg_catalog.current_setting('server_encoding'), d.datcollate::text, \
             pg_catalog.pg_database_size(d.oid), pg_catalog.pg_is_in_recovery(), \
             COALESCE((SELECT pg_catalog.array_agg(extname || ' ' || extversion ORDER BY extname) \
             FROM pg_catalog.pg_extension), '{}')::text[] \
             FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()",
            &[],
        )
        .await
        .pg("could not read what server this is")?;
    let extensions: Vec<String> = row.get(8);
    Ok(Server {
        database: row.get(0),
        version: row.get(1),
        version_num: row.get(2),
        system_identifier: row.get(3),
        encoding: row.get(4),
        collation: row.get(5),
        database_bytes: row.get(6),
        standby: row.get(7),
        extensions: extensions
            .iter()
            .filter_map(|e| e.split_once(' '))
            .map(|(name, version)| (name.to_owned(), version.to_owned()))
            .collect(),
    })
}
