//! Rows that don't belong into the partition they come from any more.
//!
//! Which partition a row belongs to may hang on what is no part of a backup: the hash of an enum
//! value is that of its number in the catalog, and collations differ from system to system. Such
//! rows are loaded through the partitioned table, and counted and hashed over all its partitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::ident::TableName;
use crate::ops::backup::restore::RestorePlan;
use crate::ops::stream;
use crate::pg::error::sqlstate;
use crate::pg::restore::{self, Settings};
use crate::pg::session::Client;
use crate::pg::{copy, transaction};
use crate::sql::quote;
use crate::store::{RowHash, StoredPart};

/// The parts that were loaded through a partitioned table, by that.
#[derive(Debug, Default)]
pub struct Routed(BTreeMap<TableName, Vec<usize>>);

impl Routed {
    /// The partitioned table through which `part` has to be loaded, since other partitions of it
    /// were: their rows may lie in this one already.
    pub fn root_of(&self, plan: &RestorePlan, part: &StoredPart) -> Option<TableName> {
        let mut names = plan.details.names(&part.part.table).into_iter();
        names.find(|name| self.0.contains_key(name))
    }

    /// Loads the part numbered `number` through the root of its partitions, after `error` said
    /// that a row doesn't belong into its own; any other error is returned. Whatever transaction
    /// is open is given up, and another one left open.
    pub async fn load_again(
        &mut self,
        client: &Client,
        plan: &RestorePlan,
        settings: Settings<'_>,
        number: usize,
        error: Error,
    ) -> Result<u64> {
        let stored = plan.verified.parts().get(number);
        let (Some(stored), true) = (stored, sqlstate(&error).as_deref() == Some("23514")) else {
            return Err(error);
        };
        transaction::abandon(client).await;
        let Some(root) = restore::root(client, &stored.part.table).await? else {
            return Err(error);
        };
        restore::begin(client, settings).await?;
        self.load(client, plan, number, root).await
    }

    /// Loads the part numbered `number` through `root`.
    pub async fn load(
        &mut self,
        client: &Client,
        plan: &RestorePlan,
        number: usize,
        root: TableName,
    ) -> Result<u64> {
        let stored = plan.verified.parts().get(number);
        let stored = stored.ok_or_else(|| Error::failed("the backup has no such part"))?;
        let (pieces, reading) = stream::rows(Arc::clone(&plan.verified), number);
        let copy = restore::load_into(client, &root, &stored.part).await?;
        let loaded = restore::fill(copy, pieces, |_| {}).await;
        let ended = reading.end().await;
        let loaded = loaded?;
        ended?;
        self.0.entry(root).or_default().push(number);
        Ok(loaded)
    }

    /// Compares all rows of the partitioned tables with what was saved of all their partitions.
    pub async fn compare(
        &self,
        client: &Client,
        plan: &RestorePlan,
        settings: Settings<'_>,
    ) -> Result<()> {
        for (root, numbers) in &self.0 {
            let parts = plan.verified.parts();
            let Some(model) = numbers.first().and_then(|n| parts.get(*n)) else {
                continue;
            };
            let mut rows = 0;
            let mut expected: u128 = 0;
            for (number, stored) in parts.iter().enumerate() {
                if plan.details.names(&stored.part.table).contains(root) {
                    rows += stored.rows;
                    let hash = saved(plan, number, stored, model).await?;
                    expected = expected.wrapping_add(hash);
                }
            }
            let columns = quote::idents(model.part.columns.iter().map(|c| c.name.as_str()));
            let query = format!("SELECT {columns} FROM {}", quote::table(root));
            restore::begin(client, settings).await?;
            let mut hash = RowHash::default();
            let mut sink = |block: &[u8]| {
                add(&mut hash, block, None);
                Ok(())
            };
            let found = copy::out(client, &query, &mut sink).await?;
            restore::commit(client).await?;
            if (found, hash.value()) != (rows, expected) {
                return Err(Error::failed(format!(
                    "the partitions of {root} hold other rows than were saved"
                )));
            }
        }
        Ok(())
    }
}

/// The hash of the saved rows of a part, with its columns in the order that `model` has.
async fn saved(
    plan: &RestorePlan,
    number: usize,
    stored: &StoredPart,
    model: &StoredPart,
) -> Result<u128> {
    if stored.part.columns == model.part.columns {
        return Ok(stored.row_hash);
    }
    let place = |name: &str| stored.part.columns.iter().position(|c| c.name == name);
    let order: Option<Vec<usize>> = (model.part.columns.iter())
        .map(|c| place(&c.name))
        .collect();
    let order = order.ok_or_else(|| Error::failed("partitions have different columns"))?;
    let (mut pieces, reading) = stream::rows(Arc::clone(&plan.verified), number);
    let mut hash = RowHash::default();
    while let Some(piece) = pieces.recv().await {
        add(&mut hash, &piece?, Some(&order));
    }
    reading.end().await?;
    Ok(hash.value())
}

/// Adds whole rows of COPY text, the fields of each in `order`.
fn add(hash: &mut RowHash, block: &[u8], order: Option<&[usize]>) {
    let lines = block.strip_suffix(b"\n").unwrap_or(block);
    for line in lines.split(|b| *b == b'\n') {
        match order {
            None => hash.add(line),
            // COPY writes a tab within a value as \t.
            Some(order) => {
                let fields: Vec<&[u8]> = line.split(|b| *b == b'\t').collect();
                let ordered: Vec<&[u8]> = (order.iter())
                    .map(|place| fields.get(*place).copied().unwrap_or_default())
                    .collect();
                hash.add(&ordered.join(&b'\t'));
            }
        }
    }
}
