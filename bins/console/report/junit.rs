//! The risk report as `JUnit` XML, which CI systems show as tests: one for each migration to take back,
//! and one for what is in no script. What would be refused or lost is a failure.
//!
//! <https://github.com/testmoapp/junitxml> describes the format as it is in use.

use pgbelay_core::model::loss::{Severity, Verdict};

use crate::report::notes::{self, Note};
use crate::report::risk::RiskView;
use crate::text::markup;

/// The name of the test that holds what is in no script.
const WHOLE: &str = "rollback";

/// The report.
pub fn document(view: &RiskView<'_>) -> String {
    let notes = notes::of(view);
    let steps = view.steps.iter().zip(&view.scripts);
    let mut cases: Vec<(String, Vec<&Note<'_>>)> = steps
        .map(|((revision, name), (path, _))| {
            let here = notes.iter().filter(|note| note.path == *path);
            (format!("{revision} {name}"), here.collect())
        })
        .collect();
    let told = |note: &&Note<'_>| cases.iter().any(|(_, notes)| notes.contains(note));
    let rest: Vec<&Note<'_>> = notes.iter().filter(|note| !told(note)).collect();
    cases.push((WHOLE.to_owned(), rest));
    let failed = |notes: &[&Note<'_>]| notes.iter().any(|n| n.severity == Severity::Block);
    // A verdict that no note tells must not look like success.
    let untold = view.verdict > Verdict::NoLoss && !cases.iter().any(|(_, notes)| failed(notes));
    let failures = cases.iter().filter(|(_, notes)| failed(notes)).count() + usize::from(untold);
    let numbers = format!("tests=\"{}\" failures=\"{failures}\"", cases.len());
    let verdict = view.verdict.as_str();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"pgbelay\" {numbers}>\n  \
         <testsuite name=\"rollback: {verdict}\" {numbers}>\n"
    );
    for (name, notes) in &cases {
        let name = markup(name);
        text += &format!("    <testcase classname=\"rollback\" name=\"{name}\">\n");
        for note in notes.iter().filter(|n| n.severity == Severity::Block) {
            text += &format!(
                "      <failure type=\"{}\" message=\"{}\">{}</failure>\n",
                markup(note.rule),
                markup(&note.text),
                markup(&told_with_place(note))
            );
        }
        if untold && name == WHOLE {
            text += &format!("      <failure type=\"verdict\" message=\"{verdict}\"/>\n");
        }
        let others = notes.iter().filter(|n| n.severity != Severity::Block);
        let others: Vec<String> = others.map(|n| markup(&told_with_place(n))).collect();
        if !others.is_empty() {
            text += &format!("      <system-out>{}</system-out>\n", others.join("\n"));
        }
        text += "    </testcase>\n";
    }
    text + "  </testsuite>\n</testsuites>\n"
}

fn told_with_place(note: &Note<'_>) -> String {
    match (note.path, note.line) {
        ("", _) => format!("{}: {}", note.rule, note.text),
        (path, 0) => format!("{path}: {}: {}", note.rule, note.text),
        (path, line) => format!("{path}:{line}: {}: {}", note.rule, note.text),
    }
}
