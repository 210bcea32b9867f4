//! Applying migrations under the lock: script, fingerprints, ledger and journal as one.

use std::time::Duration;

use futures_util::future::try_join;

use crate::error::{Error, Result};
use crate::ident::{Digest, Revision};
use crate::model::migration::Migration;
use crate::ops::run::{Done, Run};
use crate::pg::catalog::Reading;
use crate::pg::lock;
use crate::pg::lock::Locked;
use crate::pg::progress;
use crate::pg::retry;
use crate::pg::script;
use crate::pg::script::Script;
use crate::pg::session;
use crate::pg::steps;
use crate::pg::steps::Steps;
use crate::schema::Delta;
use crate::sql::parse;
use crate::sql::statement::Statement;

/// A migration that was applied.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The revision.
    pub revision: Revision,
    /// Its name.
    pub name: String,
    /// How long its script ran.
    pub took: Duration,
    /// Fingerprint of the schema after it.
    pub fingerprint: Digest,
}

/// The up script of a migration, cut into statements.
struct Forward<'a> {
    migration: &'a Migration,
    statements: Vec<Statement>,
}

impl<'a> Forward<'a> {
    fn new(migration: &'a Migration) -> Self {
        Self {
            migration,
            statements: parse::script(&migration.up.text),
        }
    }

    /// The script; inside a transaction of ours, without its own BEGIN and COMMIT.
    fn script(&self) -> Script<'_> {
        let own = parse::own_transaction(&self.statements)
            .filter(|_| self.migration.transactional)
            .unwrap_or(&self.statements);
        Script {
            revision: &self.migration.revision,
            path: &self.migration.up.path,
            text: &self.migration.up.text,
            statements: own,
        }
    }
}

/// Refuses a migration that could not run as it is marked, before anything runs.
pub fn check(migration: &Migration) -> Result<()> {
    let forward = Forward::new(migration);
    let script = forward.script();
    if migration.transactional {
        return script::check(&script);
    }
    script
        .statements
        .iter()
        .try_for_each(|statement| script::check_copy(&script, statement))
}

/// Applies `migrations` in this order, each in a transaction of its own. A failure says which
/// were applied before it, and stay.
pub async fn one_by_one(
    locked: &mut Locked,
    run: &Run<'_>,
    migrations: &[&Migration],
    mut head: Option<Revision>,
) -> Result<Vec<Applied>> {
    let mut applied: Vec<Applied> = Vec::new();
    // The schema after one migration is that before the next: under our lock, nobody who goes through
    // us comes in between.
    let mut schema = None;
    for (place, migration) in migrations.iter().enumerate() {
        let from = head.replace(migration.revision.clone());
        let result = if migration.transactional {
            let ends = place + 1 == migrations.len();
            transactional(locked, run, &[*migration], from, &mut schema, ends).await
        } else {
            step_by_step(locked, run, migration, from, &mut schema).await
        };
        match result {
            Ok(more) => applied.extend(more),
            Err(error) => {
                let sure = schema.filter(|schema| !schema.is_provisional());
                if let Some(schema) = sure.filter(|_| !applied.is_empty()) {
                    // Where that fails too, the failure before says more.
                    let _ = run.verify_apart(locked, &schema).await;
                }
                return Err(applied.iter().fold(error, |e, a| e.done(said(a))));
            }
        }
    }
    Ok(applied)
}

/// What a failure after it says of it.
pub fn said(applied: &Applied) -> String {
    format!("{} {} was applied", applied.revision, applied.name)
}

/// Applies `migrations` in one transaction: all or none.
pub async fn together(
    locked: &mut Locked,
    run: &Run<'_>,
    migrations: &[&Migration],
    head: Option<Revision>,
) -> Result<Vec<Applied>> {
    match migrations.iter().find(|m| !m.transactional) {
        Some(outside) => Err(Error::usage(format!(
            "{} runs outside a transaction, so it can't be part of a single one",
            outside.up.path
        ))
        .hint("leave out --single-transaction, or upgrade up to the migration before it")),
        None if migrations.is_empty() => Ok(Vec::new()),
        None => transactional(locked, run, migrations, head, &mut None, true).await,
    }
}

/// Tries one transaction, again when a table lock was not had in time. `schema` is what is known of
/// the schema before, and then after; `ends` says that the run ends with it.
async fn transactional(
    locked: &mut Locked,
    run: &Run<'_>,
    migrations: &[&Migration],
    head: Option<Revision>,
    schema: &mut Option<Reading>,
    ends: bool,
) -> Result<Vec<Applied>> {
    let mut attempt = 1;
    loop {
        match attempt_once(locked, run, migrations, head.clone(), schema, ends).await {
            Err(error) if retry::again(&error, attempt) => {
                retry::pause(&error, attempt, run.ctx.observer.as_ref()).await;
                attempt += 1;
            }
            result => return result.map_err(|error| retry::give_up(error, attempt)),
        }
    }
}

async fn attempt_once(
    locked: &mut Locked,
    run: &Run<'_>,
    migrations: &[&Migration],
    mut head: Option<Revision>,
    schema: &mut Option<Reading>,
    ends: bool,
) -> Result<Vec<Applied>> {
    let pid = locked.session().pid();
    let known = match schema.take().filter(|schema| !schema.is_provisional()) {
        Some(known) => known,
        None => run.schema(locked).await?,
    };
    let schema = schema.insert(known);
    // What doesn't depend on one another is sent at once, here and below: each wait for the server
    // costs more than most of what it has to do.
    let client = locked.session().client();
    try_join(session::refresh(client), lock::check_held(client, pid)).await?;
    let transaction = session::begin(locked.client()).await?;
    let client = transaction.client();
    let mut applied = Vec::new();
    for migration in migrations {
        let limits = try_join(session::reset(&transaction), run.limit(&transaction));
        let (tally, _) = try_join(schema.tally(client), limits).await?;
        let forward = Forward::new(migration);
        let began = run.started(migration);
        let observer = run.ctx.observer.as_ref();
        script::run(&transaction, &forward.script(), observer, run.ctx.echo_sql).await?;
        session::settle(&transaction)
            .await
            .map_err(|error| error.wrap(format!("could not finish {}", migration.up.path)))?;
        let took = began.elapsed();
        let before = schema.fingerprint();
        let change = schema.follow(client, &tally).await?;
        let done = Done {
            migration,
            from: head.replace(migration.revision.clone()),
            took,
            before,
            after: schema.fingerprint(),
            change,
        };
        run.record(&transaction, &done).await?;
        applied.push(Applied::from(&done));
    }
    if ends {
        run.verify(&transaction, schema.catalog()).await?;
    }
    // Without the lock somebody else may be writing: better to roll back than to commit.
    lock::check_held(&transaction, pid).await?;
    session::commit(transaction).await.map_err(|error| {
        error.hint(
            "whether it was committed is not known: look at migrate status; running the same \
             command again is safe",
        )
    })?;
    schema.confirm();
    for (migration, applied) in migrations.iter().zip(&applied) {
        run.committed(migration, applied.took);
    }
    Ok(applied)
}

/// Runs a script outside a transaction, then records it.
async fn step_by_step(
    locked: &mut Locked,
    run: &Run<'_>,
    migration: &Migration,
    from: Option<Revision>,
    schema: &mut Option<Reading>,
) -> Result<Vec<Applied>> {
    let before = match schema.take() {
        // What it does is told by a look at everything, and that is not to show what others did.
        Some(before) if run.verify_apart(locked, &before).await? => before,
        _ => run.schema(locked).await?,
    };
    let ctx = run.ctx;
    session::refresh(locked.client()).await?;
    session::set_statement_timeout(locked.client(), ctx.statement_timeout, false).await?;
    let forward = Forward::new(migration);
    let began = run.started(migration);
    let script = Steps {
        script: forward.script(),
        back: false,
        lock_timeout: ctx.lock_timeout,
        observer: ctx.observer.as_ref(),
        echo: ctx.echo_sql,
    };
    steps::run(locked, &script).await?;
    let took = began.elapsed();
    let record = async {
        session::refresh(locked.client()).await?;
        let after = run.schema(locked).await?;
        let done = Done {
            migration,
            from,
            took,
            before: before.fingerprint(),
            after: after.fingerprint(),
            change: Delta::between(before.catalog(), after.catalog()),
        };
        locked.check_held().await?;
        let transaction = session::begin(locked.client()).await?;
        run.limit(&transaction).await?;
        run.record(&transaction, &done).await?;
        progress::clear(&transaction, &migration.revision, false).await?;
        session::commit(transaction).await?;
        let applied = vec![Applied::from(&done)];
        *schema = Some(after);
        Ok(applied)
    };
    let applied = record.await.map_err(|error: Error| {
        error
            .done(format!("every statement of {} ran", migration.up.path))
            .hint("run the same command again: it only records the migration")
    })?;
    run.committed(migration, took);
    Ok(applied)
}

impl From<&Done<'_>> for Applied {
    fn from(done: &Done<'_>) -> Self {
        Self {
            revision: done.migration.revision.clone(),
            name: done.migration.name.clone(),
            took: done.took,
            fingerprint: done.after,
        }
    }
}
