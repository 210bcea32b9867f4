//! `migrate seed`, and the repeatable scripts at the end of an upgrade: each in a transaction of
//! its own, recorded with its checksum.

use serde_json::json;

use crate::error::{Error, Result};
use crate::ident::Revision;
use crate::model::consent::Consent;
use crate::model::event::{Event, Phase};
use crate::model::ledger::Verb;
use crate::model::seed::Seed;
use crate::ops::context::Context;
use crate::ops::stored_catalog;
use crate::ops::task::Task;
use crate::pg::catalog;
use crate::pg::connect;
use crate::pg::journal;
use crate::pg::journal::NewRecord;
use crate::pg::ledger;
use crate::pg::lock;
use crate::pg::lock::Locked;
use crate::pg::retry;
use crate::pg::script;
use crate::pg::script::Script;
use crate::pg::seeds;
use crate::pg::seeds::Ran;
use crate::pg::session;
use crate::schema::Delta;
use crate::source;
use crate::sql::parse;

/// The kind of scripts of a folder of seeds.
pub const SEED: &str = "seed";
/// The kind of scripts that belong to a folder of migrations.
pub const REPEATABLE: &str = "repeatable";

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The names of seeds; empty for all.
    pub names: Vec<String>,
    /// Run them whether they ran before or not.
    pub again: bool,
}

/// What would run.
#[derive(Debug, Clone)]
pub struct SeedPlan {
    /// The database, as the server names it.
    pub database: String,
    /// The seeds to run, in this order.
    pub pending: Vec<Seed>,
    /// Seeds that ran and were edited since; they only run again when that is asked for.
    pub edited: Vec<String>,
}

/// Finds out which seeds have to run. Only reads.
pub fn plan<'a>(ctx: &'a Context, request: &'a Request) -> Task<'a, SeedPlan> {
    Box::pin(async move {
        let mut all = source::seeds(&ctx.seeds)?;
        if !request.names.is_empty() {
            let is = |seed: &Seed, name: &String| {
                seed.name == *name
                    || seed
                        .name
                        .split_once('_')
                        .is_some_and(|(_, rest)| rest == name)
            };
            for name in &request.names {
                if !all.iter().any(|seed| is(seed, name)) {
                    let known: Vec<&str> = all.iter().map(|seed| seed.name.as_str()).collect();
                    return Err(Error::usage(format!("there is no seed '{name}'"))
                        .hint(format!("known: {}", known.join(", "))));
                }
            }
            all.retain(|seed| request.names.iter().any(|name| is(seed, name)));
        }
        let session = connect::connect(&ctx.database, "pgbelay seed").await?;
        let ran = seeds::newest(session.client(), SEED).await?;
        let (pending, edited) = due(all, &ran, request.again);
        for seed in &pending {
            script::check(&cut(seed, &revision()?, &parse::script(&seed.script.text)))?;
        }
        Ok(SeedPlan {
            database: session.database().to_owned(),
            pending,
            edited,
        })
    })
}

/// What has to run of `all`, and what was edited and doesn't.
fn due(all: Vec<Seed>, ran: &[Ran], again: bool) -> (Vec<Seed>, Vec<String>) {
    let mut edited = Vec::new();
    let mut pending = all;
    pending.retain(|seed| {
        let before = ran.iter().find(|r| r.name == seed.name);
        let changed = before.is_none_or(|r| r.checksum != seed.script.checksum());
        if changed && before.is_some() && !seed.repeatable && !again {
            edited.push(seed.script.path.clone());
        }
        again || before.is_none() || changed && seed.repeatable
    });
    (pending, edited)
}

/// Runs the seeds of `plan` under the migration lock. A failure says which ran before it, and stay.
pub fn apply<'a>(
    ctx: &'a Context,
    plan: SeedPlan,
    consent: Option<Consent>,
    reason: Option<&'a str>,
) -> Task<'a, Vec<String>> {
    Box::pin(async move {
        match &consent {
            Some(consent) => consent.check(&plan.database)?,
            None if ctx.production => {
                return Err(
                    Error::refused("this database is production, and nobody confirmed")
                        .hint(format!("pass --confirm {}", plan.database)),
                );
            }
            None => {}
        }
        let observer = ctx.observer.as_ref();
        let mut locked = lock::connect(&ctx.database, "pgbelay seed", ctx.wait, observer).await?;
        observer.observe(Event::Phase(Phase::Scripts));
        let by = consent.as_ref().map_or("", Consent::by);
        let run = Run {
            ctx,
            kind: SEED,
            reason,
            consent: by,
        };
        let done = run.all(&mut locked, &plan.pending).await?;
        locked.release().await?;
        Ok(done)
    })
}

/// Runs the repeatable scripts of the folder of migrations that are new or were changed.
pub async fn repeat(ctx: &Context, locked: &mut Locked, consent: &str) -> Result<Vec<String>> {
    let all = source::repeatables(&ctx.migrations, ctx.find_layout()?)?;
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let ran = seeds::newest(locked.client(), REPEATABLE).await?;
    let (pending, _) = due(all, &ran, false);
    let run = Run {
        ctx,
        kind: REPEATABLE,
        reason: None,
        consent,
    };
    run.all(locked, &pending).await
}

/// True when a repeatable script is new or was changed.
pub async fn is_due(ctx: &Context, client: &session::Client) -> Result<bool> {
    let all = source::repeatables(&ctx.migrations, ctx.find_layout()?)?;
    if all.is_empty() {
        return Ok(false);
    }
    let ran = seeds::newest(client, REPEATABLE).await?;
    Ok(!due(all, &ran, false).0.is_empty())
}

struct Run<'a> {
    ctx: &'a Context,
    kind: &'a str,
    reason: Option<&'a str>,
    consent: &'a str,
}

impl Run<'_> {
    async fn all(&self, locked: &mut Locked, pending: &[Seed]) -> Result<Vec<String>> {
        let mut done: Vec<String> = Vec::new();
        for seed in pending {
            let mut attempt = 1;
            let result = loop {
                match self.one(locked, seed).await {
                    Err(error) if retry::again(&error, attempt) => {
                        retry::pause(&error, attempt, self.ctx.observer.as_ref()).await;
                        attempt += 1;
                    }
                    result => break result.map_err(|error| retry::give_up(error, attempt)),
                }
            };
            let told = |error: Error, name: &String| error.done(format!("{name} ran"));
            result.map_err(|error| done.iter().fold(error, told))?;
            done.push(seed.name.clone());
        }
        Ok(done)
    }

    async fn one(&self, locked: &mut Locked, seed: &Seed) -> Result<()> {
        let ctx = self.ctx;
        session::refresh(locked.client()).await?;
        locked.check_held().await?;
        let pid = locked.session().pid();
        let role = session::role(locked.client()).await?;
        let mut transaction = session::begin(locked.client()).await?;
        session::set_lock_timeout(&transaction, ctx.lock_timeout, true).await?;
        ledger::ensure(&transaction).await?;
        let before = schema(&mut transaction).await?;
        session::set_statement_timeout(&transaction, ctx.statement_timeout, true).await?;
        let observer = ctx.observer.as_ref();
        observer.observe(Event::Note(format!("running {}", seed.script.path)));
        let statements = parse::script(&seed.script.text);
        let revision = revision()?;
        let script = cut(seed, &revision, &statements);
        script::run(&transaction, &script, observer, ctx.echo_sql).await?;
        session::settle(&transaction)
            .await
            .map_err(|error| error.wrap(format!("could not finish {}", seed.script.path)))?;
        let after = schema(&mut transaction).await?;
        let delta = Delta::between(&before, &after);
        let ran = Ran {
            name: seed.name.clone(),
            checksum: seed.script.checksum(),
            change: Some(stored_catalog::delta_to_json(&delta)?),
        };
        let by = format!("{role} ({})", ctx.actor);
        seeds::add(transaction.client(), self.kind, &ran, &by).await?;
        let head = ledger::head(&transaction).await?;
        let record = NewRecord {
            verb: Verb::Seed,
            from: head.clone(),
            to: head,
            by,
            reason: self.reason.map(str::to_owned),
            consent: self.consent.to_owned(),
            backups: Vec::new(),
            manifests: Vec::new(),
            reverses: None,
            details:
                json!({"kind": self.kind, "name": seed.name, "checksum": ran.checksum.to_string()})
                    .to_string(),
        };
        journal::append(&transaction, record).await?;
        lock::check_held(&transaction, pid).await?;
        session::commit(transaction).await
    }
}

/// The schema, as the open transaction sees it.
async fn schema(transaction: &mut session::Transaction<'_>) -> Result<crate::schema::Catalog> {
    // Rolled back, so that the pinned settings end with it.
    let inner = session::nested(transaction).await?;
    session::pin(&inner).await?;
    catalog::read(inner.client()).await
}

/// What events of a seed are told under: it has no revision.
fn revision() -> Result<Revision> {
    "0".parse()
}

fn cut<'a>(
    seed: &'a Seed,
    revision: &'a Revision,
    statements: &'a [crate::sql::statement::Statement],
) -> Script<'a> {
    Script {
        revision,
        path: &seed.script.path,
        text: &seed.script.text,
        statements: parse::own_transaction(statements).unwrap_or(statements),
    }
}
