//! Rows that don't belong into the partition they come from any more.
//!
//! Which partition a row belongs to may hang on what is no part of a backup: the hash of an enum
//! value is that of its number in the catalog, and collations differ from system to system. Such
//! rows are loaded through the partitioned table, and counted and hashed over all its partitions.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::ops::backup::restore::RestorePlan;
use crate::ops::stream;
use crate::pg::copy;
use crate::pg::restore::{self, Settings};
use crate::pg::session::Client;
use crate::sql::quote;
use crate::store::{RowHash, StoredPart};

/// Compares all rows of the partitioned tables called `routed`, through which rows were loaded,
/// with what was saved of all their partitions.
pub async fn compare(
    client: &Client,
    plan: &RestorePlan,
    settings: Settings<'_>,
    routed: &BTreeSet<String>,
) -> Result<()> {
    for root in routed {
        let parts = plan.verified.parts();
        let under = |p: &&StoredPart| {
            let names = plan.details.names(&p.part.table);
            names.into_iter().find(|name| name.to_string() == *root)
        };
        let mut models = parts.iter().filter_map(|p| Some((under(&p)?, p)));
        let Some((root, model)) = models.next() else {
            continue;
        };
        let mut rows = 0;
        let mut expected: u128 = 0;
        for (number, stored) in parts.iter().enumerate() {
            if plan.details.names(&stored.part.table).contains(&root) {
                rows += stored.rows;
                let hash = saved(plan, number, stored, model).await?;
                expected = expected.wrapping_add(hash);
            }
        }
        let columns = quote::idents(model.part.columns.iter().map(|c| c.name.as_str()));
        let query = format!("SELECT {columns} FROM {}", quote::table(&root));
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
