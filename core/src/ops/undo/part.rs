//! An undo of a part: the rows of some tables come back, while schema and ledger stay where they
//! are. What has no place in that schema is laid aside.

use crate::error::{Error, Result};
use crate::ident::{Revision, TableName};
use crate::model::consent::Consent;
use crate::model::event::{Event, Phase};
use crate::model::ledger::{Record, Verb};
use crate::model::lock::LockMode;
use crate::model::relation::World;
use crate::ops::attempts::{self, Attempted, TakenBack};
use crate::ops::context::Context;
use crate::ops::patterns;
use crate::ops::provisional;
use crate::ops::task::Task;
use crate::ops::undo::apply::{Changed, Options, Outcome};
use crate::ops::undo::follow;
use crate::ops::undo::kept;
use crate::ops::undo::plan::choose;
use crate::ops::undo::rescue::{self, Rescued};
use crate::ops::undo::rows::{self, PutBack, Source};
use crate::ops::undo::staging::Backups;
use crate::pg::as_user;
use crate::pg::capture::Captured;
use crate::pg::journal::{self, NewRecord};
use crate::pg::reconcile::conflicts::Conflict;
use crate::pg::reconcile::unmet;
use crate::pg::record::{Details, PartRecord, PartTableRecord, SequenceRecord, TableRecord};
use crate::pg::session::{Client, Session};
use crate::pg::{
    connect, extent, inspect, ledger, lock, lookup, retry, sequences, session, snapshot,
    transaction,
};

/// What an undo of some tables will do.
#[derive(Debug, Clone)]
pub struct PartPlan {
    /// The database.
    pub database: String,
    /// The rollback that is reversed in part.
    pub record: Record,
    /// Head of the ledger, which stays.
    pub at: Option<Revision>,
    /// The tables, in the order of the rollback's record.
    pub tables: Vec<PartTable>,
    /// The schema.
    world: World,
    /// The transaction of the rollback and what else its record holds.
    details: Details,
}

/// What happens to one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartTable {
    /// Its name before the rollback.
    pub table: TableName,
    /// Its rows are compared with what is there, and put back.
    pub back: bool,
    /// What has no place: columns by name, or all that was saved.
    pub aside: Option<Aside>,
    /// The place in the journal of the undo that put its rows back before: they are left out.
    pub before: Option<i64>,
    /// Its place in the rollback's record.
    index: usize,
    /// The record for rows that go back.
    followed: Option<TableRecord>,
}

/// What is laid aside of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aside {
    /// Everything: the table is not there, or not the same.
    Table,
    /// These columns, with the key of each row.
    Columns(Vec<String>),
}

/// Plans to put back the rows of those tables that match one of `patterns`. Only reads.
pub fn plan<'a>(
    ctx: &'a Context,
    selector: Option<&'a str>,
    patterns: &'a [String],
) -> Task<'a, PartPlan> {
    Box::pin(async move {
        ctx.observer.observe(Event::Phase(Phase::Plan));
        let session = connect::connect(&ctx.database, "pgbelay plan").await?;
        on(ctx, &session, selector, patterns).await
    })
}

async fn on(
    ctx: &Context,
    session: &Session,
    selector: Option<&str>,
    patterns: &[String],
) -> Result<PartPlan> {
    let client = session.client();
    snapshot::begin_reading(client, ctx.lock_timeout).await?;
    let planned = read(session, selector, patterns).await;
    retry::end_reading(client, planned).await
}

async fn read(session: &Session, selector: Option<&str>, patterns: &[String]) -> Result<PartPlan> {
    let client = session.client();
    let path = lookup::search_path(client).await?;
    transaction::ours(client).await?;
    let records = journal::read(client).await?;
    let record = choose(&records, selector)?;
    let details = Details::of_rollback(&records, &record)?;
    let world = inspect::world(client, path).await?;
    for pattern in patterns {
        let mut names = details.tables.iter().flat_map(names);
        if !names.any(|name| patterns::matches(pattern, &name)) {
            let tables: Vec<String> = details
                .tables
                .iter()
                .map(|t| t.name_before().to_string())
                .collect();
            return Err(patterns::unmatched(pattern).hint(if tables.is_empty() {
                "the rollback touched the rows of no table".to_owned()
            } else {
                format!("the rollback touched {}", tables.join(", "))
            }));
        }
    }
    let asked = |record: &TableRecord| {
        let mut names = names(record);
        names.any(|name| patterns.iter().any(|p| patterns::matches(p, &name)))
    };
    let tables = details.tables.iter().enumerate();
    let tables = tables
        .filter(|(_, record)| asked(record))
        .map(|(index, record)| table(index, record, &world))
        .collect();
    Ok(PartPlan {
        database: session.database().to_owned(),
        at: ledger::head(client).await?,
        record,
        tables,
        world,
        details,
    })
}

/// What a table is called: before the rollback, and after it.
fn names(record: &TableRecord) -> impl Iterator<Item = TableName> + use<> {
    [Some(record.name_before()), record.name_after()]
        .into_iter()
        .flatten()
}

fn table(index: usize, record: &TableRecord, world: &World) -> PartTable {
    let name = record.name_before();
    let before = record.put_back.as_ref().map(|before| before.by);
    // A number means the same column only in the very same table.
    let same = world.relations.get(&record.oid).filter(|r| r.name == name);
    let followed = same.and_then(|now| follow::in_place(record, now));
    let Some(followed) = followed else {
        return PartTable {
            table: name,
            back: false,
            aside: Some(Aside::Table),
            before,
            index,
            followed: None,
        };
    };
    let gone = record
        .columns
        .iter()
        .filter(|c| followed.now(&c.name).is_none());
    let gone: Vec<String> = gone.map(|c| c.name.clone()).collect();
    PartTable {
        table: name,
        back: followed.truncated || !followed.effects.is_empty(),
        aside: (!gone.is_empty()).then_some(Aside::Columns(gone)),
        before,
        index,
        followed: Some(followed),
    }
}

/// Carries `plan` out. A failure is noted in the journal.
pub fn apply<'a>(
    ctx: &'a Context,
    plan: PartPlan,
    patterns: &'a [String],
    consent: Consent,
    options: Options,
) -> Task<'a, Outcome> {
    Box::pin(async move {
        let taken_back = TakenBack::default();
        let attempted = Attempted {
            verb: Verb::Undo,
            from: plan.at.clone(),
            to: plan.at.clone(),
            reason: options.reason.clone(),
            consent: consent.by().to_owned(),
            inserted: taken_back.clone(),
        };
        attempts::noting(
            ctx,
            attempted,
            Box::pin(carry_out(
                ctx,
                plan,
                patterns,
                &consent,
                options,
                &taken_back,
            )),
        )
        .await
    })
}

async fn carry_out(
    ctx: &Context,
    plan: PartPlan,
    patterns: &[String],
    consent: &Consent,
    mut options: Options,
    taken_back: &TakenBack,
) -> Result<Outcome> {
    consent.check(&plan.database)?;
    consent.by().clone_into(&mut options.consent);
    let backups = kept::open(ctx, &plan.record).map_err(|e| e.hint("nothing was changed"))?;
    let observer = ctx.observer.as_ref();
    let mut locked = lock::connect(&ctx.database, "pgbelay undo", ctx.wait, observer).await?;
    let mut number = 1;
    let outcome = loop {
        locked.check_held().await?;
        let selector = plan.record.backups.first().map(ToString::to_string);
        let now = on(ctx, locked.session(), selector.as_deref(), patterns).await?;
        if now.record.sequence != plan.record.sequence || now.tables != plan.tables {
            return Err(
                Error::refused("the database changed since it was looked at")
                    .hint("nothing was changed; run the command again"),
            );
        }
        let client = locked.session().client();
        match inside(ctx, client, &now, &backups, &options).await {
            Ok(outcome) => break outcome,
            Err(error) => {
                taken_back.add(client).await;
                transaction::abandon(client).await;
                let tables: Vec<TableName> = now.tables.iter().map(|t| t.table.clone()).collect();
                let error = retry::name_blockers(client, error, &tables).await;
                if transaction::may_have_committed(&error) {
                    return Err(error);
                }
                if !retry::again(&error, number) {
                    return Err(retry::give_up(error, number).hint("nothing was changed"));
                }
                retry::pause(&error, number, observer).await;
                number += 1;
            }
        }
    };
    // It goes with the connection anyway; what is committed is no failure.
    drop(locked.release().await);
    Ok(outcome)
}

async fn inside(
    ctx: &Context,
    client: &Client,
    plan: &PartPlan,
    backups: &Backups,
    options: &Options,
) -> Result<Outcome> {
    let observer = ctx.observer.as_ref();
    transaction::begin(client, ctx.lock_timeout, ctx.statement_timeout).await?;
    transaction::ours(client).await?;
    as_user::prepare(client).await?;
    observer.observe(Event::Phase(Phase::TableLocks));
    let mut back = plan.details.clone();
    back.tables = plan
        .tables
        .iter()
        .filter(|t| t.back)
        .filter_map(|t| t.followed.clone())
        .collect();
    let mut names: Vec<TableName> = back.tables.iter().map(TableRecord::name_before).collect();
    names.sort();
    transaction::lock(client, &names, LockMode::ShareRowExclusive).await?;
    let world = inspect::world(client, plan.world.search_path.clone()).await?;
    let oids: Vec<_> = back.tables.iter().map(|t| t.oid).collect();
    let empty = extent::empty(client, &oids).await?;

    observer.observe(Event::Phase(Phase::Reconcile));
    let source = Source {
        ctx,
        details: &back,
        backups,
    };
    let inserts = rows::look(source, client, &world, &empty).await?;
    let lifted = unmet::lift(client, &oids).await?;
    transaction::defer(client).await?;
    let nothing = Captured::default();
    let targets =
        rows::targets(source, client, &world, &world, &nothing, (&empty, &inserts)).await?;
    let PutBack {
        changed, conflicts, ..
    } = rows::put_back(source, client, &world, &world, &targets, &empty, (&[], &[])).await?;
    // Rows that came back may have numbers that their sequences would give again.
    let stood: Vec<_> = plan
        .details
        .sequences_before
        .iter()
        .map(SequenceRecord::state)
        .collect();
    sequences::raise(client, &stood, &oids).await?;
    let mut rescued = lay_aside(source, client, plan).await?;
    let recorded: Vec<TableRecord> = plan
        .tables
        .iter()
        .filter(|t| t.back)
        .filter_map(|t| plan.details.tables.get(t.index).cloned())
        .collect();
    let sequence = plan.record.sequence;
    let beside =
        rescue::conflicting(source, client, sequence, &recorded, &world, &conflicts).await?;
    lifted.make_again(client).await?;
    let done = plan.tables.iter().filter(|t| t.back);
    let done = done.filter_map(|table| put_back(table, &changed, &conflicts, &beside));
    let done = done.collect();
    rescued.extend(beside);
    write(ctx, client, plan, done, &rescued, options).await?;
    let id = transaction::id(client).await?;
    observer.observe(Event::Phase(Phase::Commit));
    provisional::commit(ctx, client, &id, Vec::new()).await?;
    Ok(Outcome {
        to: plan.at.clone(),
        applied: Vec::new(),
        changed,
        conflicts,
        rescued,
        made: Vec::new(),
        reordered: Vec::new(),
        drift: None,
        backups: Vec::new(),
    })
}

async fn lay_aside(source: Source<'_>, client: &Client, plan: &PartPlan) -> Result<Vec<Rescued>> {
    let mut rescued = Vec::new();
    for table in &plan.tables {
        let Some(record) = plan.details.tables.get(table.index) else {
            continue;
        };
        let gone: Option<Vec<i16>> = match &table.aside {
            None => continue,
            Some(Aside::Table) => None,
            Some(Aside::Columns(names)) => {
                let gone = record.columns.iter().filter(|c| names.contains(&c.name));
                Some(gone.map(|c| c.number).collect())
            }
        };
        let record = (table.index, record);
        let sequence = plan.record.sequence;
        rescued.extend(rescue::whole(source, client, sequence, record, gone.as_deref()).await?);
    }
    Ok(rescued)
}

/// For the journal: the rows of `table` are done with, and no later undo puts them back again.
/// Where rows are told apart by a key, those that something stood in the way of may come back
/// later, and so may all of a table that nothing came back of.
fn put_back(
    table: &PartTable,
    changed: &[Changed],
    conflicts: &[Conflict],
    beside: &[Rescued],
) -> Option<PartTableRecord> {
    let of = |name: &TableName| *name == table.table;
    let keyless = table.followed.as_ref().is_some_and(|r| r.key.is_empty());
    let complete = !conflicts.iter().any(|c| of(&c.table) && c.rows > 0);
    let anything = changed.iter().any(|c| of(&c.table));
    (complete || keyless && anything).then(|| PartTableRecord {
        place: table.index,
        aside: beside.iter().filter(|r| of(&r.table)).map(|r| r.rows).sum(),
    })
}

/// Notes in the journal which tables were put back; the rollback counts as not undone.
async fn write(
    ctx: &Context,
    client: &Client,
    plan: &PartPlan,
    put_back: Vec<PartTableRecord>,
    rescued: &[Rescued],
    options: &Options,
) -> Result<()> {
    ledger::ensure(client).await?;
    let tables: Vec<String> = plan.tables.iter().map(|t| t.table.to_string()).collect();
    let aside: Vec<String> = rescued.iter().map(|r| r.into.to_string()).collect();
    let details = PartRecord {
        part_of: plan.record.sequence,
        tables,
        rescued: aside,
        put_back,
    };
    let record = NewRecord {
        verb: Verb::Undo,
        from: plan.at.clone(),
        to: plan.at.clone(),
        by: format!("{} ({})", session::role(client).await?, ctx.actor),
        reason: options.reason.clone(),
        consent: options.consent.clone(),
        backups: Vec::new(),
        manifests: Vec::new(),
        reverses: None,
        details: details.to_json()?,
    };
    journal::append(client, record).await?;
    Ok(())
}
