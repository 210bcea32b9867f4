//! The risk report as notes to lines of the scripts, one after the other: what code hosts and CI show
//! is made of these.

use pgbelay_core::model::loss::{Loss, Severity};
use pgbelay_core::rules;

use crate::report::risk::{self, RiskView};
use crate::text::size;

/// One note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note<'a> {
    /// The rule that it is about.
    pub rule: &'a str,
    /// How bad it is.
    pub severity: Severity,
    /// What there is to say; not yet fit to be shown.
    pub text: String,
    /// The script; empty: in none of them.
    pub path: &'a str,
    /// One-based line; 0 for the whole script.
    pub line: u32,
}

/// All that `view` says of scripts: losses, findings, and what stands in the way.
pub fn of<'a>(view: &'a RiskView<'_>) -> Vec<Note<'a>> {
    let losses = view.losses.iter().map(loss);
    let findings = view.untold().map(|finding| Note {
        rule: finding.rule,
        severity: finding.severity,
        text: finding.message.clone(),
        path: &finding.path,
        line: finding.line,
    });
    let refusals = view.refusals.iter().map(|refusal| Note {
        rule: &refusal.rule,
        severity: Severity::Block,
        text: format!(
            "in the way: {} ({})",
            refusal.reason,
            risk::way(refusal.forceable)
        ),
        path: &refusal.path,
        line: refusal.line,
    });
    losses.chain(findings).chain(refusals).collect()
}

fn loss(loss: &Loss) -> Note<'_> {
    let columns = if loss.columns.is_empty() {
        String::new()
    } else {
        format!(" ({})", loss.columns.join(", "))
    };
    // Counted, and no row loses anything: worth knowing, and no more.
    let severity = match rules::by_id(loss.rule) {
        _ if !loss.is_real() => Severity::Info,
        Some(rule) => rule.severity,
        None => Severity::Warn,
    };
    Note {
        rule: loss.rule,
        severity,
        text: format!(
            "{}{columns}: rows that lose something: {} (table size {}); {}",
            loss.table,
            risk::rows(loss),
            size(loss.bytes),
            loss.why
        ),
        path: &loss.path,
        line: loss.line,
    }
}
