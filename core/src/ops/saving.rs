//! Rows of one instant into one backup, by several connections at once.
//!
//! Tables are cut into slices of pages where the server can read those alone, and the largest are
//! begun first. Each connection has a thread of its own, on which its rows are hashed, compressed,
//! encrypted and written as they arrive, so that none is handed from thread to thread.

mod crew;
pub mod slices;
mod worker;

use std::collections::BTreeMap;

pub use crew::Crew;

use crate::error::Result;
use crate::ident::TableName;
use crate::model::backup::Part;
use crate::model::event::Event;
use crate::model::relation::Oid;
use crate::ops::context::Context;
use crate::pg::error::sqlstate;
use crate::pg::extent;
use crate::pg::options::ConnectOptions;
use crate::pg::session::Client;
use crate::pg::snapshot::{self, ExportedSnapshot};
use crate::store::{Saved, Writer};

/// A part whose rows are to be saved.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Its table.
    pub oid: Oid,
    /// The part.
    pub part: &'a Part,
    /// The condition on its rows (`WHERE …`), or nothing.
    pub condition: &'a str,
}

/// How many connections to read with when nobody says.
pub fn usual_jobs() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get().min(4))
}

/// Gets the connections ready that are to read `tables` of the instant that `client` holds open:
/// each shares it and has its tables locked. They are fewer than `jobs` when the server has no
/// room for so many, or for so many locks.
pub async fn muster(
    ctx: &Context,
    here: &ConnectOptions,
    client: &Client,
    exported: &ExportedSnapshot,
    tables: &[Rows<'_>],
    jobs: usize,
) -> Result<Crew> {
    let oids: Vec<Oid> = tables.iter().map(|t| t.oid).collect();
    let extents = extent::of(client, &oids).await?;
    let instance = snapshot::instance(client).await?;
    let mut jobs = jobs.max(1);
    loop {
        let plan = slices::plan(tables, &extents, jobs);
        let error = match Crew::muster(here, exported, &instance, plan, tables).await {
            Ok(crew) => return Ok(crew),
            Err(error) => error,
        };
        let full = matches!(sqlstate(&error).as_deref(), Some("53200" | "53300"));
        if !full || jobs == 1 {
            return Err(error);
        }
        jobs /= 2;
        let text = format!("{error}: going on with --jobs {jobs}");
        ctx.observer.observe(Event::Warning(text));
    }
}

/// Has the `crew` save `tables`, those that it was mustered for, into `writer`. Returns the number
/// of rows by table.
pub async fn save(
    ctx: &Context,
    crew: Crew,
    tables: &[Rows<'_>],
    writer: &mut Writer,
) -> Result<BTreeMap<TableName, u64>> {
    let mut headings = Vec::with_capacity(tables.len());
    for table in tables {
        headings.push(writer.announce(table.part.clone())?);
    }
    let mut by_table: Vec<Vec<(usize, Saved)>> = vec![Vec::new(); tables.len()];
    for (slice, saved) in crew.save(ctx, tables, &headings, writer).await? {
        if let Some(slices) = by_table.get_mut(slice.table) {
            slices.push((slice.order, saved));
        }
    }
    let mut rows = BTreeMap::new();
    for ((table, heading), mut slices) in tables.iter().zip(&headings).zip(by_table) {
        slices.sort_by_key(|(order, _)| *order);
        let slices: Vec<Saved> = slices.into_iter().map(|(_, saved)| saved).collect();
        rows.insert(
            table.part.table.clone(),
            slices.iter().map(|s| s.rows).sum(),
        );
        writer.saved(heading, slices);
    }
    Ok(rows)
}
