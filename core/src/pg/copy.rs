//! COPY, out of and into the server.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, pin_mut};
use tokio_postgres::Client;

use crate::error::Result;
use crate::ident::TableName;
use crate::model::backup::Part;
use crate::pg::error::PgContext as _;
use crate::sql::quote;

/// Rows are handed on in pieces of about this size: one row at a time would cost more than the
/// row itself.
const PIECE: usize = 256 * 1024;

/// Takes whole rows of COPY text.
pub type Sink<'a> = &'a mut (dyn FnMut(&[u8]) -> Result<()> + Send);

/// Streams the rows of `query` as COPY text into `sink`, whole rows at a time. Returns how many.
///
/// If `sink` fails, the query is cancelled rather than drained.
pub async fn out(client: &Client, query: &str, sink: Sink<'_>) -> Result<u64> {
    let raw = as_they_are(client).await?;
    let outcome = stream_out(client, query, sink).await;
    if raw {
        let back = client
            .batch_execute("SET LOCAL client_encoding = 'UTF8'")
            .await;
        if outcome.is_ok() {
            back.pg("could not fix the encoding for reading")?;
        }
    }
    outcome
}

/// Has the rows of a database whose encoding is `SQL_ASCII`, which is none, go to and fro as the
/// bytes that they are: not all of them are UTF-8. True when that changed something, for the rest of
/// the transaction.
async fn as_they_are(client: &Client) -> Result<bool> {
    let sql = "SELECT pg_catalog.set_config('client_encoding', 'SQL_ASCII', true) \
               WHERE pg_catalog.current_setting('server_encoding') = 'SQL_ASCII' \
                 AND pg_catalog.current_setting('client_encoding') <> 'SQL_ASCII'";
    let changed = client.query_opt(sql, &[]).await;
    let changed = changed.pg("could not fix the encoding of rows")?;
    Ok(changed.is_some())
}

/// True for a database whose rows are bytes in no known encoding.
pub async fn is_raw(client: &Client) -> Result<bool> {
    let sql = "SELECT pg_catalog.current_setting('server_encoding')";
    let row = client.query_one(sql, &[]).await;
    let encoding: String = row.pg("could not read the encoding")?.get(0);
    Ok(encoding == "SQL_ASCII")
}

async fn stream_out(client: &Client, query: &str, sink: Sink<'_>) -> Result<u64> {
    let sql = format!("COPY ({query}) TO STDOUT");
    let stream = client
        .copy_out(&sql)
        .await
        .pg("could not start reading rows")?;
    pin_mut!(stream);
    let mut rows = 0;
    let mut piece = Vec::with_capacity(PIECE + 8 * 1024);
    let mut outcome = Ok(());
    while let Some(row) = stream.next().await {
        let row = row.pg("could not read rows")?;
        rows += 1;
        piece.extend_from_slice(&row);
        if piece.len() >= PIECE {
            outcome = sink(&piece);
            piece.clear();
            if outcome.is_err() {
                break;
            }
        }
    }
    if outcome.is_ok() && !piece.is_empty() {
        outcome = sink(&piece);
    }
    if outcome.is_err() {
        let token = client.cancel_token();
        // The failure of the sink is what matters; a failed cancel only costs time.
        drop(token.cancel_query(tokio_postgres::NoTls).await);
    }
    outcome.map(|()| rows)
}

/// A COPY into the server that is under way. Must be finished, else nothing arrives.
pub struct In {
    sink: std::pin::Pin<Box<tokio_postgres::CopyInSink<Bytes>>>,
}

impl In {
    /// Starts a COPY of rows in text form into `target`, a quoted table with its column list.
    pub async fn start(client: &Client, target: &str) -> Result<Self> {
        Self::with(client, &format!("COPY {target} FROM STDIN")).await
    }

    /// Starts a COPY of rows in binary form.
    pub async fn start_binary(client: &Client, target: &str) -> Result<Self> {
        Self::with(
            client,
            &format!("COPY {target} FROM STDIN WITH (FORMAT binary)"),
        )
        .await
    }

    async fn with(client: &Client, sql: &str) -> Result<Self> {
        as_they_are(client).await?;
        let sink = client
            .copy_in(sql)
            .await
            .pg("could not start loading rows")?;
        Ok(Self {
            sink: Box::pin(sink),
        })
    }

    /// Sends whole rows.
    pub async fn send(&mut self, rows: Bytes) -> Result<()> {
        self.sink.send(rows).await.pg("could not load rows")
    }

    /// Ends the COPY and returns how many rows arrived.
    pub async fn finish(&mut self) -> Result<u64> {
        self.sink.as_mut().finish().await.pg("could not load rows")
    }
}

/// What the rows of `part` are copied into: `table` and its columns, quoted.
pub fn target(table: &TableName, part: &Part) -> String {
    let table = quote::table(table);
    let columns = quote::idents(part.columns.iter().map(|c| c.name.as_str()));
    // COPY takes no empty column list.
    if columns.is_empty() {
        table
    } else {
        format!("{table} ({columns})")
    }
}
