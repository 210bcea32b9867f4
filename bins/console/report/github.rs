//! A report as workflow commands of GitHub Actions, which it shows beside the lines.
//!
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>

use pgbelay_core::model::loss::Severity;

use crate::report::notes::{Note, Notes};
use crate::text::safe;

/// The report, a line for each note, the verdict at the end.
pub fn document(notes: &Notes<'_>) -> String {
    let mut lines: Vec<String> = notes.all().map(annotation).collect();
    if !notes.place.is_empty() {
        lines.push(data(&notes.place));
    }
    lines.push(format!("verdict: {}", data(&notes.verdict)));
    lines.join("\n") + "\n"
}

fn annotation(note: &Note<'_>) -> String {
    let command = match note.severity {
        Severity::Block => "error",
        Severity::Warn => "warning",
        Severity::Info => "notice",
    };
    let mut properties = Vec::new();
    if !note.path.is_empty() {
        properties.push(format!("file={}", property(note.path)));
        if note.line > 0 {
            properties.push(format!("line={}", note.line));
        }
    }
    properties.push(format!("title={}", property(note.rule)));
    format!("::{command} {}::{}", properties.join(","), data(&note.text))
}

/// `text` as the data of a command. Line breaks are escaped twice: none is left by `safe`.
fn data(text: &str) -> String {
    safe(text).replace('%', "%25")
}

/// `text` as the value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_one_line_and_ends_nothing() {
        let note = |severity, text: &str, path, line| Note {
            rule: "RB-X",
            severity,
            text: text.to_owned(),
            path,
            line,
        };
        let cases = [
            (
                note(Severity::Block, "50% of a,b\n::error::x", "db/a,b:c.sql", 3),
                "::error file=db/a%2Cb%3Ac.sql,line=3,title=RB-X::50%25 of a,b\\n::error::x",
            ),
            (
                note(Severity::Warn, "w", "a.sql", 0),
                "::warning file=a.sql,title=RB-X::w",
            ),
            (note(Severity::Info, "i", "", 0), "::notice title=RB-X::i"),
        ];
        for (note, line) in cases {
            assert_eq!(annotation(&note), line);
        }
    }
}
