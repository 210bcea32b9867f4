//! A report as `JUnit` XML, which CI systems show as tests: one for each migration, and one for what is
//! in no script.
//!
//! <https://github.com/testmoapp/junitxml> describes the format as it is in use.

use crate::report::notes::{Case, Note, Notes};
use crate::text::markup;

/// The report.
pub fn document(notes: &Notes<'_>) -> String {
    let fails = |note: &&Note<'_>| note.severity >= notes.failure;
    let failed = |case: &&Case<'_>| case.notes.iter().any(|note| fails(&note));
    let mut failures = notes.cases.iter().filter(failed).count();
    // A verdict that no note tells must not look like success: the last case tells it.
    let untold = notes.found && failures == 0;
    failures += usize::from(untold);
    let numbers = format!("tests=\"{}\" failures=\"{failures}\"", notes.cases.len());
    let (what, verdict) = (notes.what, markup(&notes.verdict));
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"pgbelay\" {numbers}>\n  \
         <testsuite name=\"{what}: {verdict}\" {numbers}>\n"
    );
    if !notes.place.is_empty() {
        let place = markup(&notes.place);
        text += &format!(
            "    <properties>\n      <property name=\"database\" value=\"{place}\"></property>\n    \
             </properties>\n"
        );
    }
    for (number, case) in notes.cases.iter().enumerate() {
        let name = markup(&case.name);
        text += &format!("    <testcase classname=\"{what}\" name=\"{name}\">\n");
        for note in case.notes.iter().filter(fails) {
            text += &format!(
                "      <failure type=\"{}\" message=\"{}\">{}</failure>\n",
                markup(note.rule),
                markup(&note.text),
                markup(&told_with_place(note))
            );
        }
        if untold && number + 1 == notes.cases.len() {
            text += &format!("      <failure type=\"verdict\" message=\"{verdict}\"/>\n");
        }
        let others = case.notes.iter().filter(|note| !fails(note));
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
