//! Large objects: into a backup of the whole database, and back under the same numbers.

use std::sync::Arc;

use tokio::sync::mpsc::channel;

use crate::error::{Context as _, Error, Result};
use crate::model::event::{Event, Phase};
use crate::model::relation::Oid;
use crate::ops::backup::create::Create;
use crate::ops::backup::humble;
use crate::ops::context::Context;
use crate::ops::loading::fence;
use crate::pg::large_objects;
use crate::pg::restore::{self, Settings};
use crate::pg::session::Client;
use crate::store::{LargeObjectFacts, RowHash, Verified, Writer};

/// Statements run together up to this size.
const PACKET: usize = 1 << 20;

/// Saves all of them, if the whole database is saved: which of them belong to which table is
/// known to nobody but the application.
pub async fn save(client: &Client, writer: &mut Writer, options: &Create) -> Result<()> {
    if options.schema_only || !options.tables.is_empty() || options.only.is_some() {
        return Ok(());
    }
    let all = large_objects::all(client).await?;
    if all.is_empty() {
        return Ok(());
    }
    let mut out = writer.large_objects();
    let mut hash = RowHash::default();
    let mut bytes = 0;
    for object in &all {
        out.object(&object.make)?;
        let mut sink = |piece: large_objects::Piece<'_>| {
            bytes += piece.bytes.len() as u64;
            hash.add(&line(piece));
            if piece.bytes.is_empty() {
                return Ok(());
            }
            out.statement(&piece.statement())
        };
        large_objects::read(client, &[object.oid], &mut sink).await?;
    }
    out.finish(LargeObjectFacts {
        count: all.len() as u64,
        bytes,
        hash: hash.value(),
    })
}

/// What is hashed of a piece.
fn line(piece: large_objects::Piece<'_>) -> Vec<u8> {
    format!("{}\t{}\t{}", piece.oid, piece.offset, piece.hex()).into_bytes()
}

/// Makes those of a backup, and reads them again.
pub async fn load(
    ctx: &Context,
    client: &Client,
    verified: &Arc<Verified>,
    settings: Settings<'_>,
    humble: bool,
) -> Result<()> {
    let Some(saved) = verified.large_objects()? else {
        return Ok(());
    };
    ctx.observer.observe(Event::Progress {
        phase: Phase::Restore,
        what: "large objects".to_owned(),
        done: 0,
        total: saved.count,
    });
    let (send, mut statements) = channel::<Result<String>>(4);
    let source = Arc::clone(verified);
    let reading = tokio::task::spawn_blocking(move || {
        let mut sink = |lines: &str| {
            send.blocking_send(Ok(lines.to_owned()))
                .map_err(|_| Error::failed("loading stopped"))
        };
        if let Err(error) = source.large_object_statements(&mut sink) {
            drop(send.blocking_send(Err(error)));
        }
    });
    let mut packet = String::new();
    while let Some(lines) = statements.recv().await {
        let lines = lines.context("could not read saved large objects")?;
        fence::check_large_objects(&lines, settings.standard_strings)?;
        if humble {
            packet.extend(
                lines
                    .split_inclusive('\n')
                    .filter(|line| !humble::is_of_others(line)),
            );
        } else {
            packet.push_str(&lines);
        }
        if packet.len() >= PACKET {
            run(client, &packet, settings).await?;
            packet.clear();
        }
    }
    run(client, &packet, settings).await?;
    let ended = reading.await;
    ended.map_err(|e| Error::failed("reading the backup stopped").caused_by(e))?;
    compare(client, saved).await
}

async fn run(client: &Client, packet: &str, settings: Settings<'_>) -> Result<()> {
    // A transaction each: every large object that is made holds a lock until its end.
    restore::begin(client, settings).await?;
    restore::run(client, "large objects", packet).await?;
    restore::commit(client).await
}

async fn compare(client: &Client, saved: LargeObjectFacts) -> Result<()> {
    let all: Vec<Oid> = (large_objects::all(client).await?.iter())
        .map(|object| object.oid)
        .collect();
    let mut hash = RowHash::default();
    let mut bytes = 0;
    let mut sink = |piece: large_objects::Piece<'_>| {
        bytes += piece.bytes.len() as u64;
        hash.add(&line(piece));
        Ok(())
    };
    large_objects::read(client, &all, &mut sink).await?;
    let found = LargeObjectFacts {
        count: all.len() as u64,
        bytes,
        hash: hash.value(),
    };
    if found == saved {
        Ok(())
    } else {
        Err(Error::failed(
            "large objects read otherwise than they were saved",
        ))
    }
}
