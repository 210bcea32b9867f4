//! `rollback to` and `migrate downgrade`: take a database back, after showing what that costs.

use pgbelay_core::error::{Error, Result};
use pgbelay_core::model::consent::Consent;
use pgbelay_core::model::loss::Verdict;
use serde::Serialize;

use crate::args::value;
use crate::consent::{self, Stakes};
use crate::pending::rollback::{self, Flags, Options, Outcome, RollbackPlan, Target};
use crate::report::{plan, risk};
use crate::shell::{Ending, Exit, Flow, Shell};
use crate::text::safe;

/// Take the database back to REV, keeping what that destroys
///
/// REV is kept: what was applied after it is undone, newest applied first. What the scripts
/// destroy is saved first, encrypted and verified, and `rollback undo` puts it back.
#[derive(Debug, clap::Args)]
#[expect(clippy::doc_markdown, reason = "help text is shown as it stands")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = "Examples:
  rollback to 0041 --dry-run      show what would go
  rollback to 0041                take back all that was applied after 0041
  rollback --steps 1              take back the newest migration
  rollback to 0041 --confirm shop consent without a terminal")]
pub struct Args {
    /// Revision to keep: a version or unambiguous prefix, version_name, base, or -N
    #[arg(value_name = "REV", value_parser = value::revision, allow_negative_numbers = true)]
    #[arg(required_unless_present_any = ["steps", "name"])]
    revision: Option<String>,

    /// Take back the N migrations applied last
    #[arg(long, value_name = "N", conflicts_with_all = ["revision", "name"])]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    steps: Option<u32>,

    /// Take back this migration, which must be the one applied last
    #[arg(long, value_name = "MIGRATION", conflicts_with = "revision")]
    name: Option<String>,

    /// Show what would happen, and stop
    #[arg(long)]
    dry_run: bool,

    /// Go on only if the plan is the one reviewed, with this hash
    #[arg(long, value_name = "HASH")]
    plan_hash: Option<String>,

    /// Answer yes to every risk, and don't refuse scripts that can't be judged
    #[arg(long)]
    force: bool,

    /// Save nothing of what goes; needs --force
    #[arg(long, requires = "force")]
    without_snapshot: bool,

    /// Accept a schema that ends other than recorded
    #[arg(long)]
    accept_drift: bool,

    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Serialize)]
struct Done {
    revision: Option<String>,
    undone: Vec<String>,
    backup: Option<String>,
    backups: Vec<String>,
}

/// Rolls back.
pub async fn run(shell: &Shell, args: Args) -> Result<Ending> {
    let context = shell.context(Flow::Work)?;
    let flags = Flags {
        force: args.force,
        without_snapshot: args.without_snapshot,
        accept_drift: args.accept_drift,
    };
    let plan = rollback::plan(&context, &args.target()?, &flags).await?;
    args.check_hash(&plan)?;
    if plan.steps.is_empty() {
        return Ok(shell.done(Exit::Done, &(), |_| "nothing to roll back\n".to_owned()));
    }
    let view = plan::view(&plan);
    if args.dry_run {
        shell.part("plan", &risk::wire(&view), |paint| {
            risk::human(&view, paint)
        });
        return Ok(shell.done(Exit::Done, &(), |_| String::new()));
    }
    shell.announce("plan", &risk::wire(&view), |paint| {
        risk::human(&view, paint)
    });
    let consent = if args.force && shell.shared().confirm.is_none() {
        Consent::forced(&plan.database)
    } else {
        let stakes = Stakes::of(plan.verdict != Verdict::NoLoss, context.production);
        consent::obtain(shell, &plan.database, stakes).await?
    };
    let reason = args.reason;
    let outcome = rollback::apply(&context, plan, consent, Options { flags, reason }).await?;
    Ok(shell.done(Exit::Done, &wire(&outcome), |_| human(&outcome)))
}

impl Args {
    fn target(&self) -> Result<Target> {
        match (&self.revision, self.steps, &self.name) {
            (Some(revision), None, None) => Ok(Target::Revision(revision.clone())),
            (None, Some(steps), None) => Ok(Target::Steps(steps)),
            (None, None, Some(name)) => Ok(Target::Name(name.clone())),
            _ => Err(Error::usage("name one of REV, --steps and --name")),
        }
    }

    fn check_hash(&self, plan: &RollbackPlan) -> Result<()> {
        match &self.plan_hash {
            Some(reviewed) if *reviewed != plan.hash.to_string() => Err(Error::refused(
                "this is not the plan that was reviewed",
            )
            .hint(format!(
                "the hash is {} now; review it with --dry-run",
                plan.hash
            ))),
            _ => Ok(()),
        }
    }
}

fn wire(outcome: &Outcome) -> Done {
    let backups: Vec<String> = outcome.backups.iter().map(ToString::to_string).collect();
    Done {
        revision: outcome.head.as_ref().map(ToString::to_string),
        undone: outcome
            .undone
            .iter()
            .map(|(revision, _)| revision.to_string())
            .collect(),
        backup: backups.first().cloned(),
        backups,
    }
}

/// What was done, and the backup's id as the last line.
fn human(outcome: &Outcome) -> String {
    let head = outcome
        .head
        .as_ref()
        .map_or("base".to_owned(), |head| safe(head.as_str()));
    let backup = outcome.backups.first().map(|id| format!("{id}\n"));
    format!(
        "now at {head}; `rollback undo` reverses this\n{}",
        backup.unwrap_or_default()
    )
}
