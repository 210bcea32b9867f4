//! What a backup is to hold, and the one instant of which it is read.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::error::{Error, Kind, Result};
use crate::ident::TableName;
use crate::model::backup::{Part, PartRole, SequenceState, Skipped};
use crate::model::event::Event;
use crate::model::relation::{Oid, Relation, RelationKind, World};
use crate::ops::backup::create::Create;
use crate::ops::backup::details::{Details, TableDetails};
use crate::ops::context::Context;
use crate::ops::patterns;
use crate::ops::saving::{self, Crew, Rows};
use crate::ops::snapshot::{part_column, written};
use crate::pg::error::sqlstate;
use crate::pg::inspect::Storage;
use crate::pg::ledger;
use crate::pg::session::{Client, Session};
use crate::pg::snapshot::{self, ExportedSnapshot};
use crate::pg::{inspect, retry, session, transaction};

/// The schema that earlier recoveries by hand left rows in.
const SAVED: &str = "pgbelay_saved";

/// How often definitions are read that change meanwhile. Each time takes a moment only, and a
/// migration of many steps takes many.
const TRIES: u32 = 30;

/// How long whoever changes them is let go first; longer each time.
const PAUSE: Duration = Duration::from_millis(5);

/// The rows of one table that are to be saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    oid: Oid,
    /// The part.
    pub part: Part,
    /// The condition on its rows; empty for all.
    condition: String,
    ancestors: Vec<TableName>,
}

impl Wanted {
    /// Its rows, as something to save.
    pub fn rows(&self) -> Rows<'_> {
        Rows {
            oid: self.oid,
            part: &self.part,
            condition: &self.condition,
        }
    }
}

/// What a backup is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Rows, by table.
    pub tables: Vec<Wanted>,
    /// What is left out, and why.
    pub skipped: Vec<Skipped>,
    /// For whoever restores it.
    matviews: Vec<TableName>,
    /// Partitioned tables: they hold no rows, but say what their partitions are.
    parents: Vec<TableName>,
    /// Settings on which the text of values depends.
    pub settings: Vec<(String, String)>,
    public: bool,
    chosen: BTreeSet<Oid>,
    extensions: BTreeSet<Oid>,
}

impl Contents {
    /// The rows, as something to save.
    pub fn rows(&self) -> Vec<Rows<'_>> {
        self.tables.iter().map(Wanted::rows).collect()
    }

    /// What whoever restores it needs to know.
    pub fn details(&self) -> Details {
        let pair = |t: &TableName| (t.schema.clone(), t.name.clone());
        let noted = |w: &&Wanted| !w.condition.is_empty() || !w.ancestors.is_empty();
        Details {
            tables: (self.tables.iter().filter(noted))
                .map(|w| TableDetails {
                    schema: w.part.table.schema.clone(),
                    name: w.part.table.name.clone(),
                    condition: w.condition.clone(),
                    ancestors: w.ancestors.iter().map(pair).collect(),
                })
                .collect(),
            matviews: self.matviews.iter().map(pair).collect(),
            public: Some(self.public),
        }
    }
}

/// An instant held open, what is to be read of it, and who reads.
pub struct Held {
    /// The instant.
    pub exported: ExportedSnapshot,
    /// What is to be read.
    pub contents: Contents,
    /// The connections that share it.
    pub crew: Crew,
}

/// Finds what is to be saved, locks it against redefinition, and only then takes the instant that
/// is read; when definitions changed in between, all of that again.
pub async fn hold(
    ctx: &Context,
    session: &Session,
    options: &Create,
    standby: bool,
) -> Result<Held> {
    let client = session.client();
    let mut attempt = 1;
    loop {
        match once(ctx, session, options, standby).await {
            Ok(Some(held)) => return Ok(held),
            Ok(None) if attempt < TRIES => {
                transaction::abandon(client).await;
                let text = "definitions changed while they were being read; reading them again";
                ctx.observer.observe(Event::Note(text.to_owned()));
                tokio::time::sleep(PAUSE * attempt).await;
            }
            Ok(None) => return Err(restless()),
            Err(error) => {
                transaction::abandon(client).await;
                // A table that was dropped after it had been listed.
                let gone = matches!(sqlstate(&error).as_deref(), Some("42P01" | "3F000"));
                if gone && attempt < TRIES {
                    ctx.observer.observe(Event::Note(error.to_string()));
                } else if gone {
                    return Err(restless().caused_by(error));
                } else if retry::again(&error, attempt) {
                    retry::pause(&error, attempt, ctx.observer.as_ref()).await;
                } else {
                    return Err(retry::give_up(error, attempt));
                }
            }
        }
        attempt += 1;
    }
}

fn restless() -> Error {
    Error::busy("definitions kept changing while they were read")
        .hint("run the command again when no migration is running")
}

async fn once(
    ctx: &Context,
    session: &Session,
    options: &Create,
    standby: bool,
) -> Result<Option<Held>> {
    let client = session.client();
    snapshot::begin_reading(client, ctx.lock_timeout).await?;
    session::pin_values(client).await?;
    let listed = look(client, options, standby).await?;
    snapshot::end(client).await?;
    let names: Vec<TableName> = (listed.tables.iter())
        .map(|w| w.part.table.clone())
        .chain(listed.parents.iter().cloned())
        .collect();
    let exported = snapshot::begin(client, &names, ctx.lock_timeout).await?;
    session::pin_values(client).await?;
    let contents = look(client, options, standby).await?;
    if contents != listed {
        return Ok(None);
    }
    let here = ctx.database.at(session.host());
    let rows = contents.rows();
    let jobs = options.jobs.unwrap_or_else(saving::usual_jobs);
    let crew = match saving::muster(ctx, &here, client, &exported, &rows, jobs).await {
        // Somebody waits for a lock on a table that is locked here: to wait behind them, while
        // they wait for this, would be for ever. They go first, and all of it begins anew.
        Err(error) if error.kind() == Kind::Busy => return Ok(None),
        outcome => outcome?,
    };
    drop(rows);
    Ok(Some(Held {
        exported,
        contents,
        crew,
    }))
}

/// What `options` ask for, as the open transaction sees it.
async fn look(client: &Client, options: &Create, standby: bool) -> Result<Contents> {
    let world = inspect::whole_world(client, Vec::new()).await?;
    let storage = inspect::storage(client).await?;
    let mut chosen = if options.tables.is_empty() {
        world.relations.keys().copied().collect()
    } else {
        patterns::matching(&world, &options.tables)?
    };
    if let Some(only) = &options.only {
        let named = |oid: &Oid| {
            world
                .relations
                .get(oid)
                .is_some_and(|r| only.contains(&r.name))
        };
        chosen.retain(named);
    }
    for oid in patterns::matching(&world, &options.exclude)? {
        chosen.remove(&oid);
    }
    let mut contents = Contents {
        tables: Vec::new(),
        skipped: Vec::new(),
        matviews: storage.populated.clone(),
        parents: (chosen.iter())
            .filter_map(|oid| world.relations.get(oid))
            .filter(|relation| relation.kind == RelationKind::Partitioned)
            .map(|relation| relation.name.clone())
            .collect(),
        settings: storage.settings.clone(),
        public: world.schemas.contains_key("public"),
        chosen,
        extensions: (storage.extensions.iter())
            .filter(|(_, condition)| condition.is_none())
            .map(|(oid, _)| *oid)
            .collect(),
    };
    if options.schema_only {
        return Ok(contents);
    }
    for oid in &contents.chosen {
        let Some(relation) = world.relations.get(oid) else {
            continue;
        };
        let ours = [ledger::SCHEMA, SAVED].contains(&relation.name.schema.as_str());
        if ours && !options.whole() {
            continue;
        }
        match reason_to_skip(relation, &storage, standby) {
            Some(reason) => contents.skipped.push(Skipped {
                table: relation.name.clone(),
                reason: reason.to_owned(),
            }),
            None if relation.kind == RelationKind::Table => {
                contents.tables.push(wanted(&world, relation, &storage));
            }
            None => {}
        }
    }
    contents
        .tables
        .sort_by(|a, b| a.part.table.cmp(&b.part.table));
    Ok(contents)
}

fn reason_to_skip(relation: &Relation, storage: &Storage, standby: bool) -> Option<&'static str> {
    let member = storage.extensions.get(&relation.oid);
    match relation.kind {
        RelationKind::Foreign => Some("a foreign table: its rows are on another server"),
        RelationKind::Table if member == Some(&None) => {
            Some("belongs to an extension, which fills it when it is created")
        }
        RelationKind::Table if standby && storage.unlogged.contains(&relation.oid) => {
            Some("unlogged: a standby doesn't have its rows")
        }
        _ => None,
    }
}

fn wanted(world: &World, relation: &Relation, storage: &Storage) -> Wanted {
    let condition = storage.extensions.get(&relation.oid).cloned().flatten();
    Wanted {
        oid: relation.oid,
        part: Part {
            table: relation.name.clone(),
            role: PartRole::Rows,
            columns: written(relation).map(part_column).collect(),
            key: relation.keys.first().cloned().unwrap_or_default(),
        },
        condition: condition.unwrap_or_default(),
        ancestors: ancestors(world, relation),
    }
}

fn ancestors(world: &World, relation: &Relation) -> Vec<TableName> {
    let mut oids = relation.parents.clone();
    let mut next = 0;
    while next < oids.len() {
        let parents = world.relations.get(&oids[next]).map(|r| r.parents.clone());
        for parent in parents.unwrap_or_default() {
            if !oids.contains(&parent) {
                oids.push(parent);
            }
        }
        next += 1;
    }
    let names = oids.iter().filter_map(|oid| world.relations.get(oid));
    names.map(|r| r.name.clone()).collect()
}

/// Where the sequences stand that belong to what is saved. To be read after the instant was
/// taken: they belong to none, and must not stand behind the rows.
pub async fn sequences(
    client: &Client,
    contents: &Contents,
    options: &Create,
) -> Result<Vec<SequenceState>> {
    let all = inspect::all_sequences(client).await?;
    let wanted = |s: &&inspect::SequenceFacts| {
        let ours = [ledger::SCHEMA, SAVED].contains(&s.name.schema.as_str());
        let chosen = match s.owned_by {
            Some((table, _)) => contents.chosen.contains(&table),
            None => options.tables.is_empty() && options.only.is_none(),
        };
        chosen && (!ours || options.whole()) && !contents.extensions.contains(&s.oid)
    };
    Ok(all.iter().filter(wanted).map(|s| s.state.clone()).collect())
}
