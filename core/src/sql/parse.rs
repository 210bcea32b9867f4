//! Cuts a script into statements and says what each does.
//!
//! Built on the syntax tree alone, and failing closed: a statement with anything in it that the
//! grammar doesn't know is [`Kind::Unknown`], never something harmless.

use std::ops::Range;

use squawk_syntax::SourceFile;
use squawk_syntax::SyntaxKind;
use squawk_syntax::SyntaxNode;

use crate::sql::classify;
use crate::sql::deep;
use crate::sql::position::Lines;
use crate::sql::promise;
use crate::sql::segment;
use crate::sql::segment::Segment;
use crate::sql::statement::Kind;
use crate::sql::statement::Statement;
use crate::sql::tree;
use crate::sql::uses;

/// The statements of a script, in order. Empty ones are left out, as are the `\restrict` and
/// `\unrestrict` lines of dumps; what can't be understood is [`Kind::Unknown`].
pub fn script(text: &str) -> Vec<Statement> {
    deep::run(text, statements).unwrap_or_else(|| {
        let why = "the script is nested too deeply to be understood";
        vec![unknown(&Lines::of(text), text, 0..text.len(), why)]
    })
}

/// True for a refused statement, `what` for the reason `why`, that changes more than its database:
/// roles, files and programs of the server, foreign servers.
pub fn is_beyond_the_database(what: &str, why: &str) -> bool {
    [classify::CLUSTER, classify::FOREIGN].contains(&why) || ["COPY", "LOAD"].contains(&what)
}

/// The statements inside a script's own transaction: those between a first `BEGIN` and a last
/// `COMMIT`, when there is no other transaction control. `None` when the script isn't of that
/// form. A `BEGIN` with modes that matter (an isolation level, READ ONLY) isn't taken.
pub fn own_transaction(script: &[Statement]) -> Option<&[Statement]> {
    let (first, rest) = script.split_first()?;
    let (last, inner) = rest.split_last()?;
    let opens = matches!(first.kind, Kind::Transaction { opens: true, .. });
    let closes = matches!(last.kind, Kind::Transaction { closes: true, .. });
    let control = |s: &Statement| matches!(s.kind, Kind::Transaction { .. });
    (opens && closes && !inner.iter().any(control)).then_some(inner)
}

fn statements(text: &str) -> Vec<Statement> {
    let lines = Lines::of(text);
    let mut found = Vec::new();
    let mut from = Some(0);
    while let Some(start) = from {
        from = part(&lines, text, start, &mut found);
    }
    found
}

/// Adds the statements from byte `from` on, and returns where to go on when something that only
/// psql understands came in between.
fn part(lines: &Lines<'_>, text: &str, from: usize, found: &mut Vec<Statement>) -> Option<usize> {
    let rest = &text[from..];
    let parse = SourceFile::parse(rest);
    let errors: Vec<Range<usize>> = parse
        .errors()
        .iter()
        .map(|e| e.range().start().into()..e.range().end().into())
        .collect();
    let segments = segment::of(&parse.syntax_node());
    for (index, segment) in segments.iter().enumerate() {
        let range = from + segment.start..from + segment.end;
        if segment.is_psql_command() {
            let end = line_end(text, range.start);
            let line = &text[range.start..end];
            if !(line.starts_with("\\restrict ") || line.starts_with("\\unrestrict ")) {
                let why = "a command of psql, which only psql can run";
                found.push(unknown(lines, text, range.start..end, why));
            }
            return Some(end);
        }
        if segment.copies_from_stdin() {
            let rest = &text[from + segment.next..];
            let alone = index + 1 == segments.len();
            match rows_behind(rest) {
                Rows::Marked { rows, end } => {
                    let mut statement = match segment.judge(&errors) {
                        Ok(Some(node)) => known(lines, text, range, &node),
                        _ => unknown(lines, text, range, "a COPY that can't be understood"),
                    };
                    statement.data = Some(rest[rows].to_owned());
                    found.push(statement);
                    return Some(from + segment.next + end);
                }
                // For psql all that follows would be rows.
                Rows::Unmarked if !alone => {
                    let why = "rows of COPY without the line \\. that ends them";
                    found.push(unknown(lines, text, range.start..text.len(), why));
                    return None;
                }
                Rows::Unmarked => {}
            }
        }
        found.push(match segment.judge(&errors) {
            Ok(Some(node)) => known(lines, text, range, &node),
            Ok(None) => continue,
            Err(fault) => {
                let place = lines.position(from + fault.offset);
                let why = format!(
                    "{} at line {}, column {}",
                    fault.what, place.line, place.column
                );
                unknown(lines, text, range, &why)
            }
        });
    }
    // An unterminated comment at the end hides whatever it was meant to leave out.
    let last = segments.last().map_or(0, |s| s.next);
    if errors.iter().any(|e| e.end > last) {
        let tail = &rest[last..];
        let start = from + last + (tail.len() - tail.trim_start().len());
        let why = "a syntax error after the last statement";
        found.push(unknown(lines, text, start..text.len(), why));
    }
    None
}

fn known(lines: &Lines<'_>, text: &str, range: Range<usize>, node: &SyntaxNode) -> Statement {
    Statement {
        line: lines.position(range.start).line,
        text: text[range.clone()].to_owned(),
        range,
        kind: classify::kind(node),
        functions: uses::functions(node),
        reads: uses::reads(node),
        promises: promise::promises(node),
        data: None,
    }
}

fn unknown(lines: &Lines<'_>, text: &str, range: Range<usize>, why: &str) -> Statement {
    let code = text[range.clone()].trim_end();
    Statement {
        line: lines.position(range.start).line,
        range: range.start..range.start + code.len(),
        text: code.to_owned(),
        kind: Kind::Unknown {
            why: why.to_owned(),
        },
        functions: Vec::new(),
        reads: Vec::new(),
        promises: Vec::new(),
        data: None,
    }
}

/// The end of the line that holds byte `from`.
fn line_end(text: &str, from: usize) -> usize {
    text[from..].find('\n').map_or(text.len(), |i| from + i)
}

/// The rows behind a `COPY … FROM STDIN`, as psql takes them.
enum Rows {
    /// Where they lie in what follows, and where that goes on.
    Marked { rows: Range<usize>, end: usize },
    /// No line `\.` ends them.
    Unmarked,
}

/// Looks for rows in `text`, which begins behind the statement's semicolon: they begin on the next
/// line.
fn rows_behind(text: &str) -> Rows {
    let mut end = 0;
    let mut begin = None;
    for line in text.split_inclusive('\n') {
        let start = end;
        end += line.len();
        match begin {
            None if line.trim().is_empty() => begin = Some(end),
            None => break,
            Some(begin) if line.trim_end() == "\\." => {
                return Rows::Marked {
                    rows: begin..start,
                    end,
                };
            }
            Some(_) => {}
        }
    }
    Rows::Unmarked
}

impl Segment {
    /// Whether this is the start of a line for psql, such as `\connect`.
    fn is_psql_command(&self) -> bool {
        let first = self.nodes.first().and_then(|n| tree::tokens(n).next());
        first.is_some_and(|t| t.text() == "\\")
    }

    /// Whether this is `COPY … FROM STDIN`, which psql feeds from the lines that follow.
    fn copies_from_stdin(&self) -> bool {
        self.nodes.first().is_some_and(|n| {
            n.kind() == SyntaxKind::COPY
                && tree::contains(n, &[SyntaxKind::COPY_FROM])
                && tree::contains(n, &[SyntaxKind::COPY_STDIN, SyntaxKind::COPY_STDOUT])
        })
    }
}
