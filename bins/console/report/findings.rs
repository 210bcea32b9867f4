//! Findings of rules.

use pgbelay_core::model::loss::{Finding, Severity};
use serde::Serialize;

use crate::paint::Paint;
use crate::text::{many, safe};

/// A finding for machines.
#[derive(Debug, Serialize)]
pub struct FindingWire<'a> {
    rule: &'a str,
    severity: &'static str,
    path: &'a str,
    line: Option<u32>,
    message: &'a str,
}

/// The findings for machines. The line is null where a whole file is meant.
pub fn wire<'a>(findings: &'a [Finding]) -> Vec<FindingWire<'a>> {
    let wire = |finding: &'a Finding| FindingWire {
        rule: finding.rule,
        severity: finding.severity.as_str(),
        path: &finding.path,
        line: (finding.line > 0).then_some(finding.line),
        message: &finding.message,
    };
    findings.iter().map(wire).collect()
}

/// The findings for people: one a line, as compilers write them, in the order given.
pub fn human(findings: &[Finding], paint: Paint) -> String {
    let mut text = String::new();
    for finding in findings {
        let place = place(&finding.path, finding.line);
        let severity = severity(finding.severity, paint);
        let rule = paint.dim(&format!("[{}]", finding.rule));
        let message = safe(&finding.message);
        text.push_str(&format!("  {place}: {severity}: {message} {rule}\n"));
    }
    text
}

/// A line that counts findings by severity.
pub fn summary(findings: &[Finding]) -> String {
    let counted = [Severity::Block, Severity::Warn, Severity::Info].map(|severity| {
        let number = findings.iter().filter(|f| f.severity == severity).count();
        (number, severity.as_str())
    });
    let parts: Vec<String> = counted
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    if parts.is_empty() {
        return "no findings\n".to_owned();
    }
    let all = many(findings.len() as u64, "finding", "findings");
    format!("{all}: {}\n", parts.join(", "))
}

/// `path:line`, safe for the terminal. What is in no script is of the database.
pub fn place(path: &str, line: u32) -> String {
    if path.is_empty() {
        return "the database".to_owned();
    }
    if line > 0 {
        format!("{}:{line}", safe(path))
    } else {
        safe(path)
    }
}

fn severity(severity: Severity, paint: Paint) -> String {
    let word = severity.as_str();
    match severity {
        Severity::Block => paint.red(word),
        Severity::Warn => paint.yellow(word),
        Severity::Info => paint.dim(word),
    }
}
