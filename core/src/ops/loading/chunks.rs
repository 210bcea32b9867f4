//! Rows, chunk by chunk: each in a transaction of its own, with a note that it is there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::error::{Context as _, Error, Result};
use crate::model::event::{Event, Phase};
use crate::ops::gang::{self, Hand, Task};
use crate::ops::loading::{Loader, Meter};
use crate::pg::{copy, restore, resume, transaction};
use crate::store::{ChunkFacts, Loading, StoredPart};

/// Loads all chunks, those of the largest tables first.
pub async fn load(loader: &Loader) -> Result<()> {
    let mut chunks = loader.verified.chunks()?;
    let parts = loader.verified.parts();
    let table = |chunk: &ChunkFacts| {
        let rows = chunk.parts.iter().filter_map(|(n, _)| parts.get(*n));
        rows.map(|part| part.rows).sum::<u64>()
    };
    chunks.sort_by_key(|c| (std::cmp::Reverse(table(c)), c.name.clone()));
    let (there, wanted): (Vec<_>, Vec<_>) =
        (chunks.into_iter()).partition(|chunk| loader.is_done(&chunk.name));
    let bytes = |chunks: &[ChunkFacts]| chunks.iter().map(|c| c.bytes).sum();
    let meter = Meter::new(bytes(&wanted), Arc::clone(&loader.observer));
    let mut loaded: BTreeMap<usize, AtomicU64> = BTreeMap::new();
    for (number, rows) in there.iter().flat_map(|c| &c.parts) {
        let count = loaded.entry(*number).or_default();
        count.fetch_add(*rows, Ordering::Relaxed);
    }
    for (number, _) in wanted.iter().flat_map(|c| &c.parts) {
        loaded.entry(*number).or_default();
    }
    let tasks = wanted.into_iter().map(|what| Task {
        what,
        locks: Vec::new(),
    });
    let own = loader.clone();
    let work = move |hand: &Hand, chunk: ChunkFacts| one(&own, hand, &chunk, &meter, &loaded);
    gang::run(&loader.target, loader.jobs, tasks.collect(), work).await?;
    Ok(())
}

fn one(
    loader: &Loader,
    hand: &Hand,
    chunk: &ChunkFacts,
    meter: &Meter,
    loaded: &BTreeMap<usize, AtomicU64>,
) -> Result<()> {
    let client = hand.client();
    hand.wait(async {
        restore::begin(client, loader.settings()).await?;
        resume::lazily(client).await?;
        resume::note(client, &chunk.name).await
    })?;
    let parts = loader.verified.parts();
    let mut current: Option<(usize, copy::In)> = None;
    let mut take = |piece: Loading<'_>| match piece {
        Loading::Part(number) => {
            let part = part(parts, number)?;
            let copy = hand
                .wait(restore::load(client, &part.part))
                .context(name(part))?;
            current = Some((number, copy));
            Ok(())
        }
        Loading::Rows(rows) => {
            hand.go_on()?;
            let Some((number, copy)) = &mut current else {
                return Err(Error::failed("rows belong to no table"));
            };
            let part = part(parts, *number)?;
            let sent = hand.wait(copy.send(Bytes::copy_from_slice(rows)));
            sent.context(name(part))?;
            let more = memchr::memchr_iter(b'\n', rows).count() as u64;
            let count = loaded.get(number);
            let count = count.map_or(0, |n| n.fetch_add(more, Ordering::Relaxed) + more);
            meter.add(more, rows.len() as u64, || Event::Progress {
                phase: Phase::Restore,
                what: part.part.table.to_string(),
                done: count,
                total: part.rows,
            });
            Ok(())
        }
        Loading::End => {
            let Some((number, copy)) = current.take() else {
                return Err(Error::failed("rows belong to no table"));
            };
            let part = part(parts, number)?;
            let arrived = hand.wait(copy.finish()).context(name(part))?;
            let expected = chunk.parts.iter().find(|(n, _)| *n == number);
            if expected.is_some_and(|(_, rows)| *rows == arrived) {
                return Ok(());
            }
            Err(Error::failed(
                "the server took another number of rows than it was given",
            ))
            .context(name(part))
        }
    };
    let read = loader.verified.read_chunk(chunk, &mut take);
    drop(current);
    if let Err(error) = read {
        hand.wait(transaction::abandon(client));
        return Err(error);
    }
    hand.wait(restore::commit(client))
}

fn part(parts: &[StoredPart], number: usize) -> Result<&StoredPart> {
    let part = parts.get(number);
    part.ok_or_else(|| Error::failed("the backup has no such part"))
}

fn name(part: &StoredPart) -> String {
    format!("could not load {}", part.part.table)
}
