//! From a plan to the risk report that shows it.

use pgbelay_core::model::plan::RollbackPlan;

use crate::report::risk::{RefusalView, RiskView};
use crate::target::Target;

/// The risk report of `plan` for the database `target`.
pub fn view(plan: &RollbackPlan, target: Target) -> RiskView<'_> {
    let steps = plan.steps.iter();
    let refusals = plan.refusals.iter().map(|refusal| RefusalView {
        rule: refusal.rule.to_owned(),
        path: refusal.path.clone(),
        line: refusal.line,
        reason: refusal.reason.clone(),
        forceable: refusal.forceable,
    });
    let locks = plan.locks.iter();
    RiskView {
        target,
        from: plan.from.as_ref().map(ToString::to_string),
        to: plan.to.as_ref().map(ToString::to_string),
        steps: steps
            .map(|step| (step.revision.to_string(), step.name.clone()))
            .collect(),
        scripts: (plan.steps.iter())
            .map(|step| (step.script.path.as_str(), step.script.text.as_str()))
            .collect(),
        losses: &plan.losses,
        findings: &plan.findings,
        refusals: refusals.collect(),
        verdict: plan.verdict,
        definitions: plan.cascades.clone(),
        locks: locks
            .map(|lock| (lock.table.clone(), lock.mode.as_str().to_owned()))
            .collect(),
        not_evaluated: plan.not_evaluated.clone(),
        plan_hash: Some(plan.hash.to_string()),
    }
}
