//! Rows, chunk by chunk: each in a transaction of its own, with a note that it is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Context as _, Error, Result};
use crate::ident::TableName;
use crate::model::event::{Event, Phase};
use crate::ops::backup::details::Details;
use crate::ops::gang::{Hand, Task};
use crate::ops::loading::{Loader, Meter};
use crate::pg::error::sqlstate;
use crate::pg::feed::Feed;
use crate::pg::{binary, restore, resume, transaction};
use crate::sql::quote;
use crate::store::{ChunkFacts, Loading, StoredPart};

/// What the notes of partitioned tables begin with through which rows were counts.
const ROUTED: &str = "routed ";

/// The partitioned tables through which rows were counts, by what was noted.
pub fn routed(done: &[String]) -> BTreeSet<String> {
    let names = done.iter().filter_map(|step| step.strip_prefix(ROUTED));
    names.map(ToOwned::to_owned).collect()
}

/// What those who load chunks share.
pub struct Loads {
    loader: Loader,
    meter: Meter,
    counts: BTreeMap<usize, AtomicU64>,
    roots: Roots,
}

/// What is given once the rows of `table` are there: those of all tables that it is a part of, too.
pub fn rows_of(details: &Details, table: &TableName) -> Vec<String> {
    let names = details.names(table);
    names.iter().map(|name| format!("rows of {name}")).collect()
}

/// A task for each chunk, those of the largest tables first.
pub fn tasks(loader: &Loader, details: &Details) -> Result<(Vec<Task<ChunkFacts>>, Loads)> {
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
    let mut counts: BTreeMap<usize, AtomicU64> = BTreeMap::new();
    for (number, rows) in there.iter().flat_map(|c| &c.parts) {
        let count = counts.entry(*number).or_default();
        count.fetch_add(*rows, Ordering::Relaxed);
    }
    for (number, _) in wanted.iter().flat_map(|c| &c.parts) {
        counts.entry(*number).or_default();
    }
    let task = |chunk: ChunkFacts| {
        let named = (chunk.parts.iter()).filter_map(|(n, _)| parts.get(*n));
        let gives: BTreeSet<String> =
            (named.flat_map(|p| rows_of(details, &p.part.table))).collect();
        Task {
            weight: chunk.parts.iter().map(|(_, rows)| rows).sum(),
            gives: gives.into_iter().collect(),
            ..Task::new(chunk)
        }
    };
    let loads = Loads {
        loader: loader.clone(),
        meter,
        counts,
        roots: Roots::of(loader, details),
    };
    Ok((wanted.into_iter().map(task).collect(), loads))
}

impl Loads {
    /// Loads the rows of `chunk`.
    pub fn load(&self, hand: &Hand, chunk: &ChunkFacts) -> Result<()> {
        let (loader, roots) = (&self.loader, &self.roots);
        loop {
            let known = roots.roots().len();
            let error = match one(loader, hand, chunk, &self.meter, &self.counts, roots) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            hand.wait(transaction::abandon(hand.client()));
            // A row that doesn't belong into its partition any more.
            let misplaced = sqlstate(&error).as_deref() == Some("23514");
            if misplaced {
                roots.add(loader, hand, chunk)?;
            }
            if roots.roots().len() == known || !misplaced {
                return Err(error);
            }
        }
    }
}

fn one(
    loader: &Loader,
    hand: &Hand,
    chunk: &ChunkFacts,
    meter: &Meter,
    counts: &BTreeMap<usize, AtomicU64>,
    roots: &Roots,
) -> Result<()> {
    let client = hand.client();
    let parts = loader.verified.parts();
    let known = hand.wait(async {
        restore::begin(client, loader.settings()).await?;
        resume::lazily(client).await?;
        resume::note(client, &chunk.name).await?;
        let numbers = chunk.parts.iter().map(|(number, _)| *number);
        let tables: Vec<String> = (numbers.clone())
            .map(|number| Ok(quote::table(&part(parts, number)?.part.table)))
            .collect::<Result<_>>()?;
        let known = binary::forms(client, &tables).await?;
        Ok::<BTreeMap<usize, binary::Forms>, Error>(numbers.zip(known).collect())
    })?;
    let mut current: Option<(usize, Feed)> = None;
    let mut noted: BTreeSet<String> = BTreeSet::new();
    let mut take = |piece: Loading<'_>| match piece {
        Loading::Part(number) => {
            let part = part(parts, number)?;
            let root = roots.of_part(number);
            let into = root.as_ref().unwrap_or(&part.part.table);
            let known = known.get(&number);
            let known = known.ok_or_else(|| Error::failed("rows belong to no table"))?;
            let feed = hand.wait(Feed::start(client, into, &part.part, known));
            current = Some((number, feed.context(name(part))?));
            noted.extend(root.map(|root| format!("{ROUTED}{root}")));
            Ok(())
        }
        Loading::Rows(rows) => {
            hand.go_on()?;
            let Some((number, feed)) = &mut current else {
                return Err(Error::failed("rows belong to no table"));
            };
            let part = part(parts, *number)?;
            let sent = hand.wait(feed.send(client, rows));
            sent.context(name(part))?;
            let more = memchr::memchr_iter(b'\n', rows).count() as u64;
            let count = counts.get(number);
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
            let Some((number, feed)) = current.take() else {
                return Err(Error::failed("rows belong to no table"));
            };
            let part = part(parts, number)?;
            let arrived = hand.wait(feed.finish()).context(name(part))?;
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
    read?;
    hand.wait(async {
        for step in &noted {
            resume::note_also(client, step).await?;
        }
        restore::commit(client).await
    })
}

/// Partitioned tables through which rows are counts.
///
/// Which partition a row belongs to may hang on what is no part of a backup: the hash of an enum
/// value is that of its number in the catalog, and collations differ from system to system.
struct Roots {
    /// By part, the partitioned tables that it is under, and itself.
    names: Vec<Vec<TableName>>,
    roots: Mutex<BTreeSet<TableName>>,
}

impl Roots {
    fn of(loader: &Loader, details: &Details) -> Self {
        let parts = loader.verified.parts().iter();
        let names: Vec<_> = parts.map(|p| details.names(&p.part.table)).collect();
        let earlier = |name: &&TableName| loader.is_done(&format!("{ROUTED}{name}"));
        let roots = names.iter().flatten().filter(earlier).cloned().collect();
        Self {
            names,
            roots: Mutex::new(roots),
        }
    }

    fn roots(&self) -> MutexGuard<'_, BTreeSet<TableName>> {
        self.roots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The table that the rows of a part go to, when it isn't its own.
    fn of_part(&self, number: usize) -> Option<TableName> {
        let roots = self.roots();
        let mut names = self.names.get(number)?.iter();
        names.find(|name| roots.contains(name)).cloned()
    }

    /// Has the rows of the parts in `chunk` counts through their roots, where they have one.
    fn add(&self, loader: &Loader, hand: &Hand, chunk: &ChunkFacts) -> Result<()> {
        let parts = loader.verified.parts();
        for (number, _) in &chunk.parts {
            let table = &part(parts, *number)?.part.table;
            if let Some(root) = hand.wait(restore::root(hand.client(), table))? {
                self.roots().insert(root);
            }
        }
        Ok(())
    }
}

fn part(parts: &[StoredPart], number: usize) -> Result<&StoredPart> {
    let part = parts.get(number);
    part.ok_or_else(|| Error::failed("the backup has no such part"))
}

fn name(part: &StoredPart) -> String {
    format!("could not load {}", part.part.table)
}
