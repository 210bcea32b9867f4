//! What pending migrations would do, told before they run: locks, what goes, what can't be judged.

use crate::error::Result;
use crate::model::lock::LockMode;
use crate::model::loss::{Finding, Loss};
use crate::ops::analysis;
use crate::ops::context::Context;
use crate::ops::task::Task;
use crate::ops::upgrade::UpgradePlan;
use crate::pg::session::Client;
use crate::pg::{connect, inspect, lookup, retry, snapshot, transaction};
use crate::sql::locks::{self, On};
use crate::sql::parse;

/// A table lock that a statement takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The script.
    pub path: String,
    /// One-based line of the statement.
    pub line: u32,
    /// On what, as it is called there.
    pub table: String,
    /// The mode.
    pub mode: LockMode,
}

/// What an upgrade would do.
#[derive(Debug, Clone, Default)]
pub struct Preview {
    /// The locks, in the order in which they are taken.
    pub locks: Vec<Lock>,
    /// What is discarded.
    pub losses: Vec<Loss>,
    /// Hits of the rules.
    pub findings: Vec<Finding>,
    /// What could not be found out: place and reason.
    pub unclear: Vec<String>,
}

/// Finds out what `plan` would do to what is there now. Only reads.
pub fn of<'a>(ctx: &'a Context, plan: &'a UpgradePlan) -> Task<'a, Preview> {
    Box::pin(async move {
        if plan.pending.is_empty() {
            return Ok(Preview::default());
        }
        let session = connect::connect(&ctx.database, "pgbelay plan").await?;
        let client = session.client();
        snapshot::begin_reading(client, ctx.lock_timeout).await?;
        let preview = read(client, plan).await;
        retry::end_reading(client, preview).await
    })
}

async fn read(client: &Client, plan: &UpgradePlan) -> Result<Preview> {
    let steps = plan.steps();
    let path = lookup::search_path(client).await?;
    transaction::ours(client).await?;
    let world = inspect::world(client, path).await?;
    let analysis = analysis::analyse(client, world, &steps, false, true).await?;
    let mut preview = Preview {
        losses: analysis.losses,
        unclear: analysis.not_evaluated,
        ..Preview::default()
    };
    // An upgrade runs CONCURRENTLY as it is written, and only a rollback refuses.
    let concerns = |finding: &Finding| finding.rule != "RB-NON-TX";
    preview.findings = analysis.findings.into_iter().filter(concerns).collect();
    let not_judged = analysis
        .refusals
        .into_iter()
        .filter(|r| r.rule != "RB-NO-KEY");
    preview
        .unclear
        .extend(not_judged.map(|r| format!("{}:{}: {}", r.path, r.line, r.reason)));
    for step in &steps {
        for statement in parse::script(&step.script.text) {
            let lock = |(on, mode): (On, LockMode)| Lock {
                path: step.script.path.clone(),
                line: statement.line,
                table: on.to_string(),
                mode,
            };
            preview
                .locks
                .extend(locks::of(&statement).into_iter().map(lock));
        }
    }
    Ok(preview)
}
