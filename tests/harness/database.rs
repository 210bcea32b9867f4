//! Talking to PostgreSQL from tests, without `async`.

use std::path::Path;

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

/// A connection. It may hold a transaction open, and with it locks, for as long as it lives.
pub struct Session {
    client: Client,
    runtime: Runtime,
}

impl Session {
    /// Connects through the socket in `folder`.
    pub fn connect(
        folder: &Path,
        database: &str,
        role: &str,
    ) -> Result<Self, tokio_postgres::Error> {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let (client, connection) = Config::new()
                .host_path(folder)
                .dbname(database)
                .user(role)
                .application_name("test")
                .connect(NoTls)
                .await?;
            tokio::spawn(connection);
            Ok(client)
        })?;
        Ok(Self { client, runtime })
    }

    /// Runs statements; panics with them when one fails.
    pub fn run(&self, sql: &str) {
        if let Err(error) = self.try_run(sql) {
            panic!("{error:?}\nin: {sql}");
        }
    }

    /// Runs statements.
    pub fn try_run(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.runtime.block_on(self.client.batch_execute(sql))
    }

    /// The rows of a query, as PostgreSQL writes their values.
    pub fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let messages = self
            .runtime
            .block_on(self.client.simple_query(sql))
            .unwrap_or_else(|error| panic!("{error:?}\nin: {sql}"));
        messages
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(
                    (0..row.len())
                        .map(|i| row.get(i).map(str::to_owned))
                        .collect(),
                ),
                _ => None,
            })
            .collect()
    }

    /// The answer of a query as `psql -At` prints it: `|` between columns, a line per row.
    pub fn text(&self, sql: &str) -> String {
        let rows = self.rows(sql);
        let lines: Vec<String> = rows
            .into_iter()
            .map(|row| {
                let values: Vec<String> = row.into_iter().map(Option::unwrap_or_default).collect();
                values.join("|")
            })
            .collect();
        lines.join("\n")
    }
}
