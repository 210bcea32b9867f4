//! An undo that is carried out in the transaction of the rollback itself, just to see that it can be:
//! whoever asks for it takes it back.

use std::collections::BTreeSet;

use crate::error::{self, Result};
use crate::ident::TableName;
use crate::model::backup::{BackupFacts, VerifyLevel};
use crate::model::relation::Oid;
use crate::ops::context::Context;
use crate::ops::trial;
use crate::ops::undo::apply::{Options, Outcome};
use crate::ops::undo::inside::{self, Attempt};
use crate::ops::undo::plan::{self, UndoPlan};
use crate::ops::undo::staging::Backups;
use crate::pg::inspect::SequenceFacts;
use crate::pg::record::{SequenceRecord, TableRecord};
use crate::pg::session::Client;
use crate::pg::{enums, retry, sequences, transaction};
use crate::schema::{Diff, ObjectKey, ObjectKind};
use crate::sql::concurrently;
use crate::sql::statement::Kind;
use crate::sql::words::Words;
use crate::store::{BackupKey, Identities, Store};

/// What it takes.
pub struct Trial<'a> {
    /// The surroundings.
    pub ctx: &'a Context,
    /// The database.
    pub database: &'a str,
    /// The search path that scripts have.
    pub path: Vec<String>,
    /// The backups of the rollback, and what opens them.
    pub backups: &'a [(BackupFacts, BackupKey)],
    /// The sequences as they are.
    pub sequences: &'a [SequenceFacts],
    /// What the schema is, compared with what it was before the rollback.
    pub difference: &'a Diff,
    /// A schema that ends other than it was before is accepted.
    pub accept_drift: bool,
    /// How many rows of each part of the backups are put back; `None`: all.
    pub sample: Option<u64>,
}

/// What became of it.
pub enum Tried {
    /// It was carried out. Of the tables that are named here not all rows were put back.
    Done(Box<Outcome>, BTreeSet<TableName>),
    /// It can't be tried here, for this reason.
    NotHere(String),
}

/// Carries out the undo of the newest rollback in the journal, which the open transaction has written
/// there.
pub async fn carry_out(client: &Client, trial: &Trial<'_>) -> Result<Tried> {
    let ctx = trial.ctx;
    let read = || plan::read(client, trial.database, trial.path.clone(), None, false);
    let mut plan = read().await?;
    if let Some(why) = obstacle(client, &plan).await? {
        return Ok(Tried::NotHere(why));
    }
    match labels(client, &plan, trial.difference).await? {
        Labels::AsTheyAre => {}
        Labels::Added => plan = read().await?,
        Labels::NotHere(why) => return Ok(Tried::NotHere(why)),
    }
    hold_sequences(client, trial.sequences, &plan).await?;
    // Whoever undoes it has a session of its own.
    transaction::discard_temporary(client).await?;
    let backups = open(trial)?;
    let attempt = Attempt {
        ctx,
        unchanged: true,
        plan: &plan,
        backups: &backups,
        options: &Options {
            accept_drift: trial.accept_drift,
            ..Options::default()
        },
        own: None,
        provisional: None,
        taken_back: None,
    };
    let (outcome, _) = inside::reverse(client, &attempt).await?;
    Ok(Tried::Done(Box::new(outcome), backups.cut_short()))
}

/// Opens the very objects that were written, as an undo will.
fn open(trial: &Trial<'_>) -> Result<Backups> {
    let ctx = trial.ctx;
    let store = Store::open(&ctx.backups)?;
    let keys = trial.backups.iter().map(|(_, key)| key.clone()).collect();
    let identities = Identities::of_this_run(keys);
    let mut all = Vec::new();
    for (facts, _) in trial.backups {
        let backup = store.find_made(&facts.id, facts.manifest, &ctx.database.database)?;
        let observer = ctx.observer.as_ref();
        all.push(if trial.sample.is_some() {
            backup.open_just_written(&identities, observer)?
        } else {
            backup.verify(VerifyLevel::Decrypted, &identities, observer)?
        });
    }
    let all = Backups::new(all);
    Ok(match trial.sample {
        Some(rows) => all.sample(rows),
        None => all,
    })
}

/// What became of labels of enum types that the scripts add.
enum Labels {
    /// There are none to be added.
    AsTheyAre,
    /// They are there.
    Added,
    /// They can't be added here, for this reason.
    NotHere(String),
}

/// Adds the labels that an undo adds before its transaction. They couldn't be used in this one: the types
/// are made anew with them.
async fn labels(client: &Client, plan: &UndoPlan, difference: &Diff) -> Result<Labels> {
    let statements = plan.analysis.statements.iter().flatten();
    let adding = statements.filter(|s| concurrently::unless_there(s).is_some());
    let named = |key: &ObjectKey| {
        let mut adding = adding.clone();
        key.kind == ObjectKind::Type
            && adding
                .any(|s| matches!(&s.kind, Kind::AlterType { name, .. } if name.name == key.name))
    };
    if difference.missing.iter().any(named) {
        let why = "a label of an enum type can't be used in the transaction that adds it";
        return Ok(Labels::NotHere(why.to_owned()));
    }
    let mut all = Labels::AsTheyAre;
    for change in difference.changed.iter().filter(|c| named(&c.key)) {
        let Some(labels) = change.before.strip_prefix("enum ") else {
            continue;
        };
        let name = TableName::new(&change.key.schema, &change.key.name);
        if let Err(error) = enums::replace(client, &name, labels).await {
            if client.is_closed() || retry::is_cancelled(&error) || retry::is_lock(&error) {
                return Err(error);
            }
            return Ok(Labels::NotHere(format!(
                "{name} gets labels back that can't be used in the transaction that adds them, and can't be \
                 made anew: {}",
                error.in_full()
            )));
        }
        all = Labels::Added;
    }
    Ok(all)
}

/// Why the scripts can't run here: what they do outside of the transaction would stay.
async fn obstacle(client: &Client, plan: &UndoPlan) -> Result<Option<String>> {
    let statements = plan.analysis.statements.iter().map(Vec::as_slice);
    let scripts = plan.steps.iter().map(|step| &step.script).zip(statements);
    match trial::all_within_database(client, scripts).await {
        Err(error) if error.kind() == error::Kind::Refused => Ok(Some(error.to_string())),
        Err(error) => Err(error),
        Ok(()) => Ok(None),
    }
}

/// Sequences are moved for good, unless they are held.
async fn hold_sequences(client: &Client, now: &[SequenceFacts], plan: &UndoPlan) -> Result<()> {
    let mut words = Words::default();
    for statement in plan.analysis.statements.iter().flatten() {
        words.add(&statement.text);
    }
    let live = &plan.analysis.world;
    let capture = &plan.analysis.covered.capture;
    let watched = capture.watched(&plan.analysis.covered.coverage);
    let everything = capture.everything || !plan.analysis.refusals.is_empty();
    let recorded = plan
        .details
        .tables
        .iter()
        .filter_map(TableRecord::name_after);
    let recorded = recorded.filter_map(|name| Some(live.find(&name.schema, &name.name)?.oid));
    let recorded: BTreeSet<Oid> = recorded.collect();
    let concerned = |oid: Oid| everything || watched.contains(&oid) || recorded.contains(&oid);
    let was = |s: &SequenceFacts| {
        let mut states = plan
            .details
            .sequences_before
            .iter()
            .map(SequenceRecord::state);
        states.find(|state| state.name == s.state.name)
    };
    sequences::hold(client, now, |s| {
        s.owned_by.is_some_and(|(table, _)| concerned(table))
            || was(s).is_some_and(|state| state != s.state)
            || words.all.contains(&s.state.name.name.to_lowercase())
    })
    .await
    .map(drop)
}
