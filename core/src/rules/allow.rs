//! Findings that somebody has looked at: a comment in the script says so, and why.
//!
//! `-- pgbelay allow RB-DROP-COLUMN: nobody has used it since May` is about the statement that
//! follows, or that begins on the same line. Without a reason nothing is allowed.

use crate::model::loss::Finding;
use crate::sql::statement::Statement;

/// What a comment begins with.
const WORDS: &str = "pgbelay allow ";

/// One such comment.
struct Allowed<'a> {
    /// The line that it is on.
    line: u32,
    /// The rule that it is about.
    rule: &'a str,
}

/// Takes out of `found` what comments in `text` allow. `statements` are those of the script.
pub(super) fn leave_out(text: &str, statements: &[Statement], found: &mut Vec<Finding>) {
    for allowed in comments(text) {
        let mut lines = statements.iter().map(|s| s.line);
        let about = lines.find(|line| *line >= allowed.line);
        found.retain(|f| {
            let same = f.rule.eq_ignore_ascii_case(allowed.rule);
            !(same && Some(f.line) == about)
        });
    }
}

fn comments(text: &str) -> impl Iterator<Item = Allowed<'_>> {
    (1..).zip(text.lines()).filter_map(|(line, text)| {
        let (_, comment) = text.split_once("--")?;
        let (rule, reason) = comment.trim_start().strip_prefix(WORDS)?.split_once(':')?;
        (!reason.trim().is_empty()).then(|| Allowed {
            line,
            rule: rule.trim(),
        })
    })
}
