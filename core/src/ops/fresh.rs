//! `migrate fresh`: drop everything and apply all migrations again. For development.

use crate::error::{Error, Result};
use crate::ident::BackupId;
use crate::model::backup::BackupKind;
use crate::model::consent::Consent;
use crate::model::event::{Event, Phase};
use crate::model::ledger::Verb;
use crate::ops::backup::create;
use crate::ops::backup::create::Create;
use crate::ops::context::Context;
use crate::ops::forward;
use crate::ops::recipients;
use crate::ops::task::Task;
use crate::ops::upgrade;
use crate::ops::upgrade::{Options, Outcome};
use crate::pg::connect;
use crate::pg::journal;
use crate::pg::journal::NewRecord;
use crate::pg::ledger;
use crate::pg::lock;
use crate::pg::session;
use crate::pg::wipe;

/// The name of the database that would be emptied. Production is refused, whatever anybody says,
/// and so is a folder whose migrations could not be applied.
pub fn plan(ctx: &Context) -> Task<'_, String> {
    Box::pin(async move {
        if ctx.production {
            return Err(
                Error::refused("this database is production: nothing there is dropped")
                    .hint("migrate fresh is for development"),
            );
        }
        for migration in ctx.read_migrations()? {
            forward::check(&migration)?;
        }
        let session = connect::connect(&ctx.database, "pgbelay fresh").await?;
        Ok(session.database().to_owned())
    })
}

/// Saves everything, drops it, and applies all migrations.
pub fn apply<'a>(
    ctx: &'a Context,
    database: &'a str,
    consent: Consent,
    reason: Option<String>,
) -> Task<'a, (BackupId, Outcome)> {
    Box::pin(async move {
        consent.check(database)?;
        plan(ctx).await?;
        let options = Create {
            name: Some("fresh".to_owned()),
            ..Create::default()
        };
        let backup = Box::pin(create::of_kind(ctx, BackupKind::Premigrate, options)).await;
        let backup = backup
            .map_err(|error| error.hint("nothing was dropped"))?
            .id;
        let emptied = empty(ctx, &consent, &backup, reason.clone()).await;
        emptied.map_err(|error| error.done(format!("everything was saved as {backup}")))?;
        let request = upgrade::Request::default();
        let plan = upgrade::plan(ctx, &request).await?;
        let options = Options {
            consent: Some(consent),
            single_transaction: false,
            reason,
        };
        let applied = upgrade::apply(ctx, plan, options).await;
        let applied = applied.map_err(|error| {
            error
                .done(format!("everything was saved as {backup}, and dropped"))
                .hint(format!(
                    "to put it back: backup restore {backup} --into a new database"
                ))
        })?;
        Ok((backup, applied))
    })
}

async fn empty(
    ctx: &Context,
    consent: &Consent,
    backup: &BackupId,
    reason: Option<String>,
) -> Result<()> {
    let observer = ctx.observer.as_ref();
    let mut locked = lock::connect(&ctx.database, "pgbelay fresh", ctx.wait, observer).await?;
    consent.check(locked.session().database())?;
    observer.observe(Event::Phase(Phase::TableLocks));
    let transaction = session::begin(locked.client()).await?;
    session::set_lock_timeout(&transaction, ctx.lock_timeout, true).await?;
    ledger::ensure(&transaction).await?;
    let from = ledger::head(&transaction).await?;
    wipe::everything(transaction.client()).await?;
    let role = session::role(&transaction).await?;
    let record = NewRecord {
        verb: Verb::Fresh,
        from,
        to: None,
        by: format!("{role} ({})", ctx.actor),
        reason,
        consent: consent.by().to_owned(),
        backups: vec![backup.clone()],
        manifests: Vec::new(),
        reverses: None,
        details: recipients::noted(ctx, "{}"),
    };
    journal::append(&transaction, record).await?;
    session::commit(transaction).await?;
    locked.release().await?;
    Ok(())
}
