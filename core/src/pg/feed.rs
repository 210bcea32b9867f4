//! Rows of a backup on their way into a table, in the form that costs the server least.

use bytes::Bytes;
use tokio_postgres::Client;

use crate::error::Result;
use crate::ident::TableName;
use crate::model::backup::Part;
use crate::pg::binary::{self, Form, Forms};
use crate::pg::copy;

/// Rows that are being loaded into a table. Must be finished, else the last ones don't arrive.
pub struct Feed {
    target: String,
    /// As what to send the values; none while rows are sent as text.
    forms: Vec<Form>,
    copy: copy::In,
    /// Rows of COPYs before this one.
    arrived: u64,
}

impl Feed {
    /// Starts loading rows of `part` into `table`, whose columns have these `known` forms.
    pub async fn start(
        client: &Client,
        table: &TableName,
        part: &Part,
        known: &Forms,
    ) -> Result<Self> {
        let names = part.columns.iter().map(|c| &c.name);
        let forms = names.map(|name| known.get(name).copied());
        let forms = forms.collect::<Option<Vec<Form>>>().unwrap_or_default();
        let target = copy::target(table, part);
        let copy = if forms.is_empty() {
            copy::In::start(client, &target).await?
        } else {
            let mut copy = copy::In::start_binary(client, &target).await?;
            copy.send(Bytes::from_static(binary::HEADER)).await?;
            copy
        };
        Ok(Self {
            target,
            forms,
            copy,
            arrived: 0,
        })
    }

    /// Sends rows in COPY text form. Only of a row that is longer than any that can be held at
    /// once may a part come alone.
    pub async fn send(&mut self, client: &Client, text: &[u8]) -> Result<()> {
        let mut text = text;
        if !self.forms.is_empty() {
            let mut rows = Vec::with_capacity(text.len() + text.len() / 2);
            let taken = binary::rows(&self.forms, text, &mut rows);
            self.copy.send(Bytes::from(rows)).await?;
            text = &text[taken..];
            if text.is_empty() {
                return Ok(());
            }
            // The server knows what this row means.
            self.forms.clear();
            self.arrived += end_binary(&mut self.copy).await?;
            self.copy = copy::In::start(client, &self.target).await?;
        }
        self.copy.send(Bytes::copy_from_slice(text)).await
    }

    /// Ends loading and returns how many rows arrived.
    pub async fn finish(mut self) -> Result<u64> {
        let last = if self.forms.is_empty() {
            self.copy.finish().await?
        } else {
            end_binary(&mut self.copy).await?
        };
        Ok(self.arrived + last)
    }
}

async fn end_binary(copy: &mut copy::In) -> Result<u64> {
    copy.send(Bytes::from_static(&binary::TRAILER)).await?;
    copy.finish().await
}
