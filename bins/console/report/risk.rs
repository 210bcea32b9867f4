//! The risk report of a rollback: what goes, what is kept, what stands in the way.

use pgbelay_core::ident::TableName;
use pgbelay_core::model::loss::{Certainty, Finding, Loss, Verdict};
use serde::Serialize;

use crate::paint::Paint;
use crate::report::findings;
use crate::table::Table;
use crate::target::Target;
use crate::text::{count, safe, size};

/// Something that stands in the way.
#[derive(Debug, Clone, Serialize)]
pub struct RefusalView {
    /// The rule.
    pub rule: String,
    /// The script.
    pub path: String,
    /// One-based line; 0 for the whole script.
    pub line: u32,
    /// What and why.
    pub reason: String,
    /// True when `--force` may skip it.
    pub forceable: bool,
}

/// What a risk report shows.
#[derive(Debug)]
pub struct RiskView<'a> {
    /// The database.
    pub target: Target,
    /// Head of the ledger now.
    pub from: Option<String>,
    /// Head of the ledger afterwards; `None`: nothing applied.
    pub to: Option<String>,
    /// The migrations to take back (revision, name), in that order.
    pub steps: Vec<(String, String)>,
    /// The scripts that take them back (path, text).
    pub scripts: Vec<(&'a str, &'a str)>,
    /// What is discarded.
    pub losses: &'a [Loss],
    /// What rules and catalog say.
    pub findings: &'a [Finding],
    /// What stands in the way.
    pub refusals: Vec<RefusalView>,
    /// The first thing a reviewer needs.
    pub verdict: Verdict,
    /// Objects that are dropped without being named in a script.
    pub definitions: Vec<String>,
    /// Locks that the scripts take.
    pub locks: Vec<(TableName, String)>,
    /// What could not be evaluated, and why.
    pub not_evaluated: Vec<String>,
    /// Digest of what was reviewed.
    pub plan_hash: Option<String>,
}

impl RiskView<'_> {
    /// The findings that no loss tells already, with numbers.
    pub fn untold(&self) -> impl Iterator<Item = &Finding> {
        let told = |f: &Finding| {
            let mut losses = self.losses.iter();
            losses.any(|l| (l.rule, &l.path, l.line) == (f.rule, &f.path, f.line))
        };
        self.findings.iter().filter(move |f| !told(f))
    }
}

#[derive(Serialize)]
struct Wire<'a> {
    verdict: &'static str,
    from: Option<&'a str>,
    to: Option<&'a str>,
    steps: Vec<StepWire<'a>>,
    losses: Vec<LossWire<'a>>,
    findings: Vec<findings::FindingWire<'a>>,
    refusals: &'a [RefusalView],
    definitions: &'a [String],
    locks: Vec<LockWire<'a>>,
    not_evaluated: &'a [String],
    plan_hash: Option<&'a str>,
}

#[derive(Serialize)]
struct StepWire<'a> {
    revision: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct LossWire<'a> {
    rule: &'static str,
    path: &'a str,
    line: u32,
    table: String,
    columns: &'a [String],
    rows: Option<u64>,
    certainty: &'static str,
    bytes: u64,
    why: &'a str,
}

#[derive(Serialize)]
struct LockWire<'a> {
    table: String,
    mode: &'a str,
}

/// The report for machines.
pub fn wire<'a>(view: &'a RiskView<'_>) -> impl Serialize + 'a {
    let loss = |loss: &'a Loss| LossWire {
        rule: loss.rule,
        path: &loss.path,
        line: loss.line,
        table: loss.table.to_string(),
        columns: &loss.columns,
        rows: (loss.certainty != Certainty::Unknown).then_some(loss.rows),
        certainty: loss.certainty.as_str(),
        bytes: loss.bytes,
        why: &loss.why,
    };
    let steps = view.steps.iter();
    let locks = view.locks.iter();
    Wire {
        verdict: view.verdict.as_str(),
        from: view.from.as_deref(),
        to: view.to.as_deref(),
        steps: steps
            .map(|(revision, name)| StepWire { revision, name })
            .collect(),
        losses: view.losses.iter().map(loss).collect(),
        findings: findings::wire(view.findings),
        refusals: &view.refusals,
        definitions: &view.definitions,
        locks: (locks.map(|(table, mode)| LockWire {
            table: table.to_string(),
            mode,
        }))
        .collect(),
        not_evaluated: &view.not_evaluated,
        plan_hash: view.plan_hash.as_deref(),
    }
}

/// The report for people.
pub fn human(view: &RiskView<'_>, paint: Paint) -> String {
    let base = |revision: &Option<String>| revision.as_deref().map_or("base".to_owned(), safe);
    let title = format!("rollback from {} to {}", base(&view.from), base(&view.to));
    let mut text = format!("{}\n", paint.bold(&title));
    let target = view.target.words();
    if !target.is_empty() {
        text.push_str(&format!("{target}\n"));
    }
    let mut section = |title: &str, body: String| {
        if !body.is_empty() {
            text.push_str(&format!("\n{}\n{body}", paint.bold(title)));
        }
    };
    section("taken back, in this order", steps(&view.steps));
    section("what goes", losses(view.losses));
    section("dropped along with it", list(&view.definitions));
    let others: Vec<Finding> = view.untold().cloned().collect();
    section("findings", findings::human(&others, paint));
    section("in the way", refusals(&view.refusals));
    section("locks", locks(&view.locks));
    section("not evaluated", list(&view.not_evaluated));
    text.push_str(&format!("\nverdict: {}\n", verdict(view.verdict, paint)));
    if let Some(hash) = &view.plan_hash {
        text.push_str(&paint.dim(&format!("plan: {}", safe(hash))));
        text.push('\n');
    }
    text
}

fn verdict(verdict: Verdict, paint: Paint) -> String {
    let word = verdict.as_str();
    let word = match verdict {
        Verdict::NoLoss => paint.green(word),
        Verdict::LossRecoverable => paint.yellow(word),
        _ => paint.red(word),
    };
    format!("{word}: {}", meaning(verdict))
}

/// What a verdict says, in words.
pub(super) const fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::NoLoss => "nothing is destroyed",
        Verdict::LossRecoverable => "data goes; all of it can be kept and put back",
        Verdict::LossUnrecoverable => "data goes that can't be kept",
        Verdict::Unknown => "what it does can't be judged",
        Verdict::WillFail => "the script would fail",
        Verdict::Missing => "there is no script for the way back",
    }
}

fn steps(steps: &[(String, String)]) -> String {
    let line =
        |(revision, name): &(String, String)| format!("  {} {}\n", safe(revision), safe(name));
    steps.iter().map(line).collect()
}

fn losses(losses: &[Loss]) -> String {
    if losses.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["table", "columns", ">rows", ">size", "why", "where"]);
    for loss in losses {
        let columns = loss.columns.join(", ");
        table.row([
            loss.table.to_string(),
            if columns.is_empty() {
                "all".to_owned()
            } else {
                columns
            },
            rows(loss),
            size(loss.bytes),
            loss.why.clone(),
            findings::place(file_name(&loss.path), loss.line),
        ]);
    }
    table.render()
}

/// The last part of `path`: the folder is the same for all.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// How many rows lose something, and how sure that is.
pub(super) fn rows(loss: &Loss) -> String {
    let number = count(loss.rows);
    match loss.certainty {
        Certainty::Exact => number,
        Certainty::Estimate => format!("about {number}"),
        Certainty::UpperBound => format!("up to {number}"),
        Certainty::Unknown => "unknown".to_owned(),
    }
}

fn refusals(refusals: &[RefusalView]) -> String {
    let line = |refusal: &RefusalView| {
        let place = findings::place(&refusal.path, refusal.line);
        let way = way(refusal.forceable);
        format!(
            "  {place}: {} [{}] ({way})\n",
            safe(&refusal.reason),
            safe(&refusal.rule)
        )
    };
    refusals.iter().map(line).collect()
}

/// What `--force` does with a refusal.
pub(super) const fn way(forceable: bool) -> &'static str {
    if forceable {
        "--force skips it"
    } else {
        "--force does not skip it"
    }
}

fn locks(locks: &[(TableName, String)]) -> String {
    if locks.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["table", "lock"]);
    for (name, mode) in locks {
        table.row([&name.to_string(), mode]);
    }
    table.render()
}

fn list(items: &[String]) -> String {
    items
        .iter()
        .map(|item| format!("  {}\n", safe(item)))
        .collect()
}

#[cfg(test)]
#[path = "risk_tests.rs"]
mod tests;
