//! `backup restore`: a whole backup into an empty database, or what is missing into a live one.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::ident::TableName;
use crate::model::backup::{BackupFacts, BackupKind, PartRole, VerifyLevel, Voucher};
use crate::model::consent::Consent;
use crate::model::event::{Event, Phase};
use crate::ops::backup::details::Details;
use crate::ops::backup::merge;
use crate::ops::backup::open;
use crate::ops::backup::vouch;
use crate::ops::backup::whole;
use crate::ops::context::Context;
use crate::ops::patterns;
use crate::ops::task::Task;
use crate::pg::ledger;
use crate::pg::lock;
use crate::pg::session::Client;
use crate::pg::{connect, restore as loading, resume, snapshot, transaction};
use crate::store::{StoredPart, Verified};

/// What to restore into the database of the context.
#[derive(Debug, Clone, Default)]
pub struct Restore {
    /// Id, the beginning of one, `latest`, or a path.
    pub backup: String,
    /// Patterns of tables; empty: everything.
    pub tables: Vec<String>,
    /// How many connections load; `None`: as many as the machine has use for.
    pub jobs: Option<usize>,
    /// Read every table again, and compare it with what was saved. Without it, what is known is
    /// that each chunk held what was written into it, and that the server took as many rows.
    pub compare: bool,
}

/// How the rows get back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Definitions and rows, into a database that holds nothing.
    Whole,
    /// Rows alone, into tables that are there and hold none.
    Rows,
    /// Rows that are missing, into tables in use. Rows that are there stay as they are.
    Missing,
}

/// What will be restored.
#[derive(Debug)]
pub struct RestorePlan {
    /// The database that will change.
    pub database: String,
    /// The backup.
    pub backup: BackupFacts,
    /// How.
    pub how: How,
    /// The tables, in the backup's order.
    pub tables: Vec<TableName>,
    /// Their rows in the backup.
    pub rows: u64,
    /// What vouches for it from outside the store.
    pub voucher: Option<Voucher>,
    /// Numbers of their parts.
    pub(super) parts: Vec<usize>,
    /// True when the database exists for this one look only.
    pub(super) scratch: bool,
    /// True when its definitions run under a role that may do nothing else.
    pub(super) humble: bool,
    /// As in [`Restore`].
    pub(super) compare: bool,
    pub(super) verified: Arc<Verified>,
    pub(super) details: Details,
    pub(super) jobs: Option<usize>,
}

/// What became of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The table.
    pub table: TableName,
    /// Rows that came back.
    pub added: u64,
    /// Rows that were there already, as they were saved.
    pub present: u64,
    /// Rows that were there with other values, or whose place another row has taken: left alone.
    pub differing: u64,
}

/// What it amounted to.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// By table.
    pub tables: Vec<Restored>,
    /// Sequences that were set.
    pub sequences: u64,
    /// Foreign keys that were made without looking at the rows, or not made, since the rows they
    /// refer to are not in the backup.
    pub not_validated: Vec<String>,
    /// Materialized views that could not be filled.
    pub not_filled: Vec<TableName>,
}

/// Reads and checks the whole backup, and looks whether the database can take it.
pub fn plan(ctx: &Context, options: Restore) -> Task<'_, RestorePlan> {
    Box::pin(async move {
        ctx.observer.observe(Event::Phase(Phase::Verify));
        let backup = open::find(ctx, &options.backup)?;
        if options.tables.is_empty() && backup.facts().kind == BackupKind::Prerollback {
            return Err(only_parts(backup.facts()));
        }
        // Into an empty database each chunk is checked when it is loaded, and each table after that.
        let mut verified = None;
        let voucher = vouch::voucher(ctx, backup.facts()).await?;
        if options.tables.is_empty() {
            let opened = open::for_loading(ctx, backup).await?;
            verified = opened.has_schema()?.then_some(opened);
        }
        if let Some(opened) = &verified {
            vouch::permit(ctx, opened.facts(), voucher)?;
        }
        let verified = if let Some(opened) = verified {
            opened
        } else {
            let backup = open::find(ctx, &options.backup)?;
            open::verified(ctx, backup, VerifyLevel::Decrypted).await?
        };
        let session = connect::connect(&ctx.database, "pgbelay restore").await?;
        let mut plan = of(verified, session.database(), &options.tables, options.jobs)?;
        plan.compare = options.compare;
        plan.voucher = voucher;
        snapshot::begin_reading(session.client(), ctx.lock_timeout).await?;
        check(session.client(), &plan).await?;
        transaction::abandon(session.client()).await;
        Ok(plan)
    })
}

/// The plan for `verified` alone, whatever `database` holds.
pub(super) fn of(
    verified: Arc<Verified>,
    database: &str,
    tables: &[String],
    jobs: Option<usize>,
) -> Result<RestorePlan> {
    let details = Details::from_json(verified.details());
    let how = if !tables.is_empty() {
        How::Missing
    } else if verified.has_schema()? {
        How::Whole
    } else {
        How::Rows
    };
    let parts = choose(&verified, &details, how, tables)?;
    let stored = |n: &usize| verified.parts().get(*n);
    Ok(RestorePlan {
        database: database.to_owned(),
        backup: verified.facts().clone(),
        how,
        tables: (parts.iter().filter_map(stored))
            .map(|p| p.part.table.clone())
            .collect(),
        rows: parts.iter().filter_map(stored).map(|p| p.rows).sum(),
        parts,
        voucher: None,
        scratch: false,
        humble: false,
        compare: false,
        verified,
        details,
        jobs,
    })
}

fn only_parts(facts: &BackupFacts) -> Error {
    Error::refused(format!(
        "{} holds only what a rollback was about to destroy, not the whole database",
        facts.id
    ))
    .hint(format!(
        "`rollback undo {}` reverses that rollback",
        facts.id
    ))
    .hint("--table adds rows of one of its tables that are missing")
}

/// The parts to restore.
fn choose(
    verified: &Verified,
    details: &Details,
    how: How,
    tables: &[String],
) -> Result<Vec<usize>> {
    let parts = verified.parts();
    if how == How::Whole {
        return Ok((0..parts.len()).collect());
    }
    // What is applied says what the definitions are, so it doesn't come with rows alone.
    let rows = |p: &StoredPart| {
        matches!(p.part.role, PartRole::Rows | PartRole::Values)
            && p.part.table.schema != ledger::SCHEMA
    };
    let named = |pattern: &str, part: &StoredPart| {
        let names = details.names(&part.part.table);
        names.iter().any(|name| patterns::matches(pattern, name))
    };
    for pattern in tables {
        if !parts.iter().any(|p| rows(p) && named(pattern, p)) {
            return Err(patterns::unmatched(pattern).hint("`backup show` lists its tables"));
        }
    }
    let all = parts.iter().enumerate();
    Ok(all
        .filter(|(_, p)| rows(p) && (tables.is_empty() || tables.iter().any(|t| named(t, p))))
        .map(|(number, _)| number)
        .collect())
}

/// Refuses what can't go well.
async fn check(client: &Client, plan: &RestorePlan) -> Result<()> {
    if plan.how != How::Whole {
        return Ok(()); // looked at under the locks
    }
    if let Some(begun) = resume::begun(client).await? {
        if begun == whole::restoring(plan) {
            return Ok(());
        }
        return Err(Error::refused(format!(
            "database '{}' holds a part of backup {}: restoring that was interrupted",
            plan.database, begun.backup
        ))
        .hint("go on with that backup, or restore this one into another database"));
    }
    let there = loading::relations(client).await?;
    let Some(first) = there.first() else {
        return Ok(());
    };
    let more = match there.len() {
        1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    Err(Error::refused(format!(
        "database '{}' is not empty: it holds {first}{more}",
        plan.database
    ))
    .hint("create a new database and name it with --into")
    .hint("--table adds rows that are missing to tables in use"))
}

/// Restores.
pub fn apply(ctx: &Context, plan: RestorePlan, consent: Consent) -> Task<'_, Outcome> {
    Box::pin(async move {
        if consent.database() != plan.database {
            return Err(Error::refused(format!(
                "consent was given for database '{}', and this is '{}'",
                consent.database(),
                plan.database
            )));
        }
        let session = connect::connect(&ctx.database, "pgbelay restore").await?;
        if session.database() != plan.database {
            return Err(Error::refused(
                "the connection leads to another database now",
            ));
        }
        let mut locked = lock::acquire(session, ctx.wait, ctx.observer.as_ref()).await?;
        let outcome = match plan.how {
            How::Whole => {
                let client = locked.session().client();
                snapshot::begin_reading(client, ctx.lock_timeout).await?;
                check(client, &plan).await?;
                transaction::abandon(client).await;
                let target = ctx.database.at(locked.session().host());
                whole::load(ctx, client, target, &plan).await?
            }
            How::Rows | How::Missing => merge::merge(ctx, &mut locked, &plan).await?,
        };
        locked.release().await?;
        Ok(outcome)
    })
}
