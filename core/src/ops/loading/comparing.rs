//! Reading again what was loaded, and comparing it with what was saved.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Context as _, Error, Result};
use crate::model::backup::Part;
use crate::model::relation::Oid;
use crate::ops::backup::details::Details;
use crate::ops::backup::whole::DIFFERS;
use crate::ops::gang::{self, Hand, Task};
use crate::ops::loading::Loader;
use crate::ops::saving::Rows;
use crate::ops::saving::slices::{self, Load};
use crate::pg::reader::Reader;
use crate::pg::session::Client;
use crate::pg::tap::RowSink;
use crate::pg::{extent, restore};
use crate::store::{RowHash, RowHasher};

/// Reads every table and fails when one holds other rows than were saved.
///
/// Partitions of the tables that are `routed` are left out: any of their rows may lie in any.
pub async fn compare(
    loader: &Loader,
    client: &Client,
    details: &Details,
    routed: &BTreeSet<String>,
) -> Result<()> {
    let parts = loader.verified.parts();
    let through = |part: &Part| {
        let names = details.names(&part.table);
        names.iter().any(|name| routed.contains(&name.to_string()))
    };
    let oids = extent::by_name(client).await?;
    let tables: Vec<Rows<'_>> = (parts.iter())
        .map(|stored| Rows {
            oid: oids.get(&stored.part.table).copied().unwrap_or_default(),
            part: &stored.part,
            condition: details.condition(&stored.part.table),
        })
        .collect();
    let numbers: Vec<Oid> = tables.iter().map(|t| t.oid).collect();
    let extents = extent::of(client, &numbers).await?;
    let plan = slices::plan(&tables, &extents, loader.jobs);
    let loads = plan
        .shared
        .into_iter()
        .chain(plan.own.into_iter().flatten());
    let loads: VecDeque<Load> = loads.collect();
    // A task for each connection: all take from the same loads.
    let tasks = vec![Task::new(Arc::new(Mutex::new(loads))); loader.jobs];
    let own = loader.clone();
    let work = move |hand: &Hand, loads: Loads| read(&own, hand, &loads);
    let found = gang::run(&loader.target, loader.jobs, tasks, work).await?;
    let mut sums: BTreeMap<usize, (u64, RowHash)> = BTreeMap::new();
    for (table, rows, hash) in found.into_iter().flatten() {
        let sum = sums.entry(table).or_default();
        sum.0 += rows;
        sum.1.merge(hash);
    }
    let own = parts.iter().enumerate().filter(|(_, p)| !through(&p.part));
    for (number, stored) in own {
        let (rows, hash) = sums.get(&number).copied().unwrap_or_default();
        if (rows, hash.value()) != (stored.rows, stored.row_hash) {
            let counts = format!("{rows} rows were read, and {} saved", stored.rows);
            return Err(Error::failed(DIFFERS)
                .caused_by(Error::failed(counts))
                .wrap(format!("could not load {}", stored.part.table)));
        }
    }
    Ok(())
}

/// Rows that are only counted and hashed.
#[derive(Default)]
struct Hashing(RowHasher);

impl RowSink for Hashing {
    fn row(&mut self, bytes: &[u8], end: bool) -> Result<()> {
        self.0.add(bytes, end)
    }
}

type Loads = Arc<Mutex<VecDeque<Load>>>;

fn read(loader: &Loader, hand: &Hand, loads: &Loads) -> Result<Vec<(usize, u64, RowHash)>> {
    let next = || {
        let mut loads = loads.lock().unwrap_or_else(PoisonError::into_inner);
        loads.pop_front()
    };
    let parts = loader.verified.parts();
    hand.wait(async {
        let reader = Reader::connect(&loader.target, "pgbelay restore").await?;
        restore::begin(reader.client(), loader.settings()).await?;
        let mut found = Vec::new();
        while let Some(load) = next() {
            let slices = load.slices;
            for slice in slices {
                hand.go_on()?;
                let copied = reader.copy(&slice.source, Hashing::default()).await;
                let name = || parts.get(slice.table).map(|p| p.part.table.to_string());
                let what = format!("could not read {} again", name().unwrap_or_default());
                let (sink, sent) = copied.context(what)?;
                let (rows, hash) = sink.0.finish()?;
                if rows != sent {
                    return Err(Error::failed("fewer rows arrived than the server sent"));
                }
                found.push((slice.table, rows, hash));
            }
        }
        restore::commit(reader.client()).await?;
        Ok(found)
    })
}
