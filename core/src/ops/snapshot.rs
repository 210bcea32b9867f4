//! Saving what a plan is about to destroy, while everybody goes on working.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::ident::{Revision, TableName};
use crate::model::backup::{BackupFacts, Part, PartColumn, PartRole, SequenceState, VerifyLevel};
use crate::model::event::{Event, Phase};
use crate::model::plan::{Coverage, Extent, Fate};
use crate::model::relation::{Column, Oid, Relation, World};
use crate::ops::context::Context;

use crate::pg::as_user;
use crate::pg::dump;
use crate::pg::server::Server;
use crate::pg::session::Client;
use crate::pg::{copy, inspect, lookup, session, snapshot};
use crate::sql::quote;
use crate::store::{BackupKey, CommitFacts, NewBackup, Scope, Selection, Store, Writer};

/// Progress of a table is told at most this often.
const PACE: Duration = Duration::from_millis(100);

/// What was saved, and the marks by which later changes are found.
#[derive(Debug)]
pub struct Taken {
    /// The backup.
    pub facts: BackupFacts,
    /// What opens it as long as this run lasts.
    pub key: BackupKey,
    /// Rows whose `xmin` is older were seen.
    pub xmin: u64,
    /// The files that held the rows.
    pub files: Vec<(Oid, u32)>,
    /// What was saved of each table.
    pub parts: BTreeMap<Oid, Part>,
    /// How many rows each part holds.
    pub rows: BTreeMap<Oid, u64>,
}

/// What a snapshot is taken for.
#[derive(Debug, Clone)]
pub struct Purpose {
    /// The backup to begin.
    pub new: NewBackup,
    /// Head of the ledger.
    pub from: Option<Revision>,
    /// The revision being returned to.
    pub to: Option<Revision>,
    /// Kept with the data, for whoever has only the backup.
    pub details: serde_json::Value,
}

/// The part that keeps `coverage`, if rows are to be saved at all.
pub fn part(relation: &Relation, coverage: &Coverage) -> Option<Part> {
    let columns: Vec<&Column> = match &coverage.extent {
        Extent::Full | Extent::Matching(_) => written(relation).collect(),
        Extent::Columns(some) if some.is_empty() => return None,
        Extent::Columns(some) => written(relation)
            .filter(|c| coverage.key.contains(&c.name) || some.contains(&c.name))
            .collect(),
    };
    let whole = coverage.extent == Extent::Full && coverage.fate == Fate::Dropped;
    Some(Part {
        table: relation.name.clone(),
        role: if whole {
            PartRole::Rows
        } else {
            PartRole::Values
        },
        columns: columns.into_iter().map(part_column).collect(),
        key: coverage.key.clone(),
    })
}

/// The columns of `relation` that COPY reads and writes.
pub fn written(relation: &Relation) -> impl Iterator<Item = &Column> {
    relation.columns.iter().filter(|c| !c.generated)
}

/// A column of a part, with the type it has.
pub fn part_column(column: &Column) -> PartColumn {
    PartColumn {
        name: column.name.clone(),
        type_name: column.type_name.clone(),
    }
}

/// The query that yields the rows of `part`.
fn queries(part: &Part, coverage: &Coverage) -> Vec<String> {
    let columns = quote::idents(part.columns.iter().map(|c| c.name.as_str()));
    match &coverage.extent {
        Extent::Matching(rows) => rows
            .iter()
            .map(|rows| format!("SELECT {columns} FROM ({rows}\n) AS matching"))
            .collect(),
        _ => vec![format!(
            "SELECT {columns} FROM ONLY {}",
            quote::table(&part.table)
        )],
    }
}

/// Takes a snapshot of everything in `coverage` into a new backup. `reader` is a connection of
/// its own; its transaction is over when this returns.
pub async fn take(
    ctx: &Context,
    reader: &Client,
    server: &Server,
    world: &World,
    coverage: &BTreeMap<Oid, Coverage>,
    purpose: Purpose,
) -> Result<Taken> {
    ctx.observer.observe(Event::Phase(Phase::Snapshot));
    let mut writer = Store::open(&ctx.backups)?.begin(purpose.new.clone())?;
    let saved: Vec<(&Relation, &Coverage, Part)> = coverage
        .iter()
        .filter_map(|(oid, coverage)| {
            let relation = world.relations.get(oid)?;
            Some((relation, coverage, part(relation, coverage)?))
        })
        .collect();
    let names: Vec<TableName> = saved.iter().map(|s| s.0.name.clone()).collect();
    let exported = snapshot::begin(reader, &names, ctx.lock_timeout).await?;
    session::pin(reader).await?;
    unchanged(reader, world, &saved).await?;
    let dump = dump::schema(
        &ctx.database,
        &ctx.pg_bin,
        server.version_num,
        Some(&exported.id),
    )
    .await?;
    writer.schema(&dump.pre, &dump.post)?;
    if copy::is_raw(reader).await? {
        writer.raw_rows();
    }
    let mut parts = BTreeMap::new();
    let mut rows = BTreeMap::new();
    as_user::prepare(reader).await?;
    for (relation, coverage, part) in saved {
        let matching = matches!(coverage.extent, Extent::Matching(_));
        if matching {
            lookup::set_path(reader, &world.search_path).await?;
        } else {
            as_user::begin(reader).await?;
        }
        let expected = relation.estimated_rows.max(0).unsigned_abs();
        let queries = queries(&part, coverage);
        let count = save(ctx, reader, &mut writer, &part, &queries, expected).await?;
        as_user::end(reader).await?;
        rows.insert(relation.oid, count);
        parts.insert(relation.oid, part);
    }
    let sequences = inspect::sequences(reader).await?;
    let sequences: Vec<SequenceState> = sequences.into_iter().map(|s| s.state).collect();
    writer.sequences(&sequences)?;
    let oids: Vec<Oid> = parts.keys().copied().collect();
    let files = snapshot::files(reader, &oids).await?;
    snapshot::end(reader).await?;
    ctx.observer.observe(Event::Phase(Phase::Verify));
    let key = writer.key();
    let facts = writer.commit(commit_facts(server, &purpose, Some(dump.version)))?;
    // The commit has read every object back and compared its digest.
    let backup = Store::open(&ctx.backups)?.find(facts.id.as_str(), Some(&facts.database))?;
    let version = Some(server.version.as_str());
    backup.record_verification(VerifyLevel::Hashed, true, &ctx.actor, version)?;
    ctx.observer.observe(Event::BackupComplete {
        id: facts.id.clone(),
        rows: rows.values().sum(),
        bytes: facts.bytes,
    });
    Ok(Taken {
        facts,
        key,
        xmin: exported.xmin,
        files,
        parts,
        rows,
    })
}

/// Facts for the manifest.
pub fn commit_facts(server: &Server, purpose: &Purpose, pg_dump: Option<String>) -> CommitFacts {
    CommitFacts {
        revision: purpose.from.clone(),
        target: purpose.to.clone(),
        continues: None,
        server_version: server.version.clone(),
        system_identifier: server.system_identifier.clone(),
        encoding: server.encoding.clone(),
        collation: server.collation.clone(),
        database_bytes: server.database_bytes,
        standby: server.standby,
        scope: Scope {
            selection: Selection::Full,
            schema_only: false,
            data_only: false,
        },
        skipped: Vec::new(),
        settings: Vec::new(),
        pg_dump_version: pg_dump,
        extensions: server.extensions.clone(),
        details: json!({ "purpose": purpose.details }),
    }
}

/// Streams the rows of `queries` into a part of `writer`.
pub async fn save(
    ctx: &Context,
    client: &Client,
    writer: &mut Writer,
    part: &Part,
    queries: &[String],
    expected: u64,
) -> Result<u64> {
    let what = part.table.to_string();
    let mut told: Option<Instant> = None;
    let mut out = writer.part(part.clone())?;
    for query in queries {
        let mut sink = |rows: &[u8]| {
            out.rows(rows)?;
            if told.is_none_or(|told| told.elapsed() >= PACE) {
                told = Some(Instant::now());
                ctx.observer.observe(Event::Progress {
                    phase: Phase::Snapshot,
                    what: what.clone(),
                    done: out.count(),
                    total: expected,
                });
            }
            Ok(())
        };
        copy::out(client, query, &mut sink)
            .await
            .map_err(|e| e.wrap(format!("could not save {what}")))?;
    }
    out.finish()
}

/// The tables must still be what the plan saw: they are locked only now.
async fn unchanged(
    client: &Client,
    world: &World,
    saved: &[(&Relation, &Coverage, Part)],
) -> Result<()> {
    let now = inspect::world(client, world.search_path.clone()).await?;
    let changed = saved.iter().find(|(relation, ..)| {
        let known = now.relations.get(&relation.oid);
        known.is_none_or(|r| r.name != relation.name || r.columns != relation.columns)
    });
    match changed {
        None => Ok(()),
        Some((relation, ..)) => Err(Error::refused(format!(
            "{} was changed while the rollback was being planned",
            relation.name
        ))
        .hint("nothing was changed by this run; run the command again to see the new plan")),
    }
}
