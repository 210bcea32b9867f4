//! The risk report as one page for people: it stands alone, runs no code and asks no network.
//!
//! Everything in it that comes from a database or a file is escaped, wherever it stands.

use pgbelay_core::model::loss::{Finding, Loss, Severity, Verdict};

use crate::report::findings;
use crate::report::risk::{self, RefusalView, RiskView};
use crate::text::{markup, size};

const STYLE: &str = include_str!("html/style.css");

/// Should a name slip through unescaped all the same, it finds a page that loads and runs nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The lock modes, weakest first, and what each keeps others from (PostgreSQL's manual, "Explicit
/// Locking").
const MODES: [(&str, &str); 8] = [
    ("ACCESS SHARE", "nothing but what needs the table alone"),
    ("ROW SHARE", "exclusive locks"),
    ("ROW EXCLUSIVE", "building indexes, and stronger locks"),
    ("SHARE UPDATE EXCLUSIVE", "VACUUM and changes of definition"),
    ("SHARE", "writing"),
    ("SHARE ROW EXCLUSIVE", "writing"),
    ("EXCLUSIVE", "writing, and locking rows"),
    ("ACCESS EXCLUSIVE", "writing and reading"),
];

/// The page.
pub fn document(view: &RiskView<'_>) -> String {
    let base = |revision: &Option<String>| revision.as_deref().map_or("base".to_owned(), markup);
    let (from, to) = (base(&view.from), base(&view.to));
    let (tone, sign) = match view.verdict {
        Verdict::NoLoss => ("good", "✓"),
        Verdict::LossRecoverable => ("warn", "!"),
        _ => ("bad", "✗"),
    };
    let verdict = view.verdict.as_str();
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <title>{verdict}: rollback from {from} to {to}</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<header class=\"verdict {tone}\">\n<p class=\"word\">{sign} {verdict}</p>\n\
         <h1>Rollback from {from} to {to}</h1>\n<p>{}</p>\n<p>{}</p>\n</header>\n",
        markup(risk::meaning(view.verdict)),
        markup(&view.target.words())
    );
    let mut section = |title: &str, body: String| {
        if !body.is_empty() {
            page += &format!("<section>\n<h2>{title}</h2>\n{body}</section>\n");
        }
    };
    section("Revisions", chain(view, &to));
    section("What goes", losses(view));
    section("In the way", list(view.refusals.iter().map(refusal)));
    section("Findings", list(view.untold().map(|f| finding(view, f))));
    let dropped = view.definitions.iter().map(|name| markup(name));
    section("Dropped along with it", list(dropped));
    section("Locks", locks(view));
    let unknown = view.not_evaluated.iter().map(|what| markup(what));
    section("Not evaluated", list(unknown));
    section("Scripts", scripts(view));
    if let Some(hash) = &view.plan_hash {
        page += &format!("<footer>plan: {}</footer>\n", code(hash));
    }
    page + "</body>\n</html>\n"
}

/// What is taken back, in that order, and what stays.
fn chain(view: &RiskView<'_>, to: &str) -> String {
    if view.steps.is_empty() {
        return String::new();
    }
    let goes = |(revision, name): &(String, String)| {
        let (revision, name) = (markup(revision), markup(name));
        format!("<li class=\"goes bad\"><b>{revision}</b> {name}</li>\n")
    };
    let steps: String = view.steps.iter().map(goes).collect();
    format!(
        "<ol class=\"chain\">\n{steps}<li class=\"stays good\"><b>{to}</b> is kept</li>\n</ol>\n"
    )
}

fn losses(view: &RiskView<'_>) -> String {
    let most = |f: fn(&Loss) -> u64| view.losses.iter().map(f).max().unwrap_or(0);
    let (rows, bytes) = (most(|l| l.rows), most(|l| l.bytes));
    let line = |loss: &Loss| {
        let columns: Vec<String> = loss.columns.iter().map(|c| code(c)).collect();
        [
            cell(&code(&loss.table.to_string())),
            cell(&if columns.is_empty() {
                "all".to_owned()
            } else {
                columns.join(", ")
            }),
            number(&risk::rows(loss), loss.rows, rows),
            cell(loss.certainty.as_str()),
            number(&size(loss.bytes), loss.bytes, bytes),
            cell(&markup(&loss.why)),
            cell(&place(view, &loss.path, loss.line)),
        ]
    };
    let head = [
        "table",
        "columns",
        "rows",
        "certainty",
        "table size",
        "why",
        "where",
    ];
    table(head, view.losses.iter().map(line))
}

fn locks(view: &RiskView<'_>) -> String {
    let line = |(name, mode): &(pgbelay_core::ident::TableName, String)| {
        let strength = MODES
            .iter()
            .position(|m| m.0 == mode)
            .map_or(MODES.len(), |i| i + 1);
        let keeps = MODES.get(strength - 1).map_or("", |m| m.1);
        [
            cell(&code(&name.to_string())),
            number(&markup(mode), strength as u64, MODES.len() as u64),
            cell(keeps),
        ]
    };
    let head = ["table", "lock, until the end", "keeps others from"];
    table(head, view.locks.iter().map(line))
}

fn finding(view: &RiskView<'_>, finding: &Finding) -> String {
    format!(
        "{}: {} {}",
        place(view, &finding.path, finding.line),
        said(finding.severity.as_str(), &finding.message),
        code(finding.rule)
    )
}

fn refusal(refusal: &RefusalView) -> String {
    format!(
        "{}: {} ({}; {})",
        code(&findings::place(&refusal.path, refusal.line)),
        markup(&refusal.reason),
        code(&refusal.rule),
        markup(risk::way(refusal.forceable))
    )
}

/// The scripts, what was found beneath the line it was found in.
fn scripts(view: &RiskView<'_>) -> String {
    let script = |(number, (path, text)): (usize, &(&str, &str))| {
        let lines: String = (1..)
            .zip(text.lines())
            .map(|(line, text)| {
                let notes = notes(view, path, line);
                let hit = if notes.is_empty() {
                    ""
                } else {
                    " class=\"hit\""
                };
                let id = anchor(number, line);
                format!("<li id=\"{id}\"{hit}>{}{notes}</li>\n", markup(text))
            })
            .collect();
        let whole = notes(view, path, 0);
        let path = code(path);
        format!(
            "<details open>\n<summary>{path}</summary>\n{whole}<ol class=\"sql\">\n{lines}</ol>\n</details>\n"
        )
    };
    view.scripts.iter().enumerate().map(script).collect()
}

/// What was found in a line.
fn notes(view: &RiskView<'_>, path: &str, line: u32) -> String {
    let note = |tone: &str, text: &str| format!("<span class=\"note {tone}\">{text}</span>");
    let here = |p: &str, l: u32| p == path && l == line;
    let lost = view.losses.iter().filter(|l| here(&l.path, l.line));
    let lost = lost.map(|loss| {
        let text = format!(
            "{} rows of {}: {} {}",
            risk::rows(loss),
            code(&loss.table.to_string()),
            markup(&loss.why),
            code(loss.rule)
        );
        note("block", &text)
    });
    let found = view.untold().filter(|f| here(&f.path, f.line));
    let found = found.map(|f| {
        let text = format!("{} {}", markup(&f.message), code(f.rule));
        note(tone(f.severity), &text)
    });
    let refused = view.refusals.iter().filter(|r| here(&r.path, r.line));
    let refused =
        refused.map(|r| note("block", &format!("{} {}", markup(&r.reason), code(&r.rule))));
    lost.chain(found).chain(refused).collect()
}

const fn tone(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warn => "warn",
        Severity::Block => "block",
    }
}

fn said(severity: &str, message: &str) -> String {
    format!("<b>{severity}</b>: {}", markup(message))
}

/// A place, linked to the line below where the script is shown.
fn place(view: &RiskView<'_>, path: &str, line: u32) -> String {
    let shown = code(&findings::place(path, line));
    match view.scripts.iter().position(|(known, _)| *known == path) {
        Some(number) if line > 0 => format!("<a href=\"#{}\">{shown}</a>", anchor(number, line)),
        _ => shown,
    }
}

fn anchor(script: usize, line: u32) -> String {
    format!("s{script}-{line}")
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: String = items.map(|item| format!("<li>{item}</li>\n")).collect();
    if items.is_empty() {
        return items;
    }
    format!("<ul>\n{items}</ul>\n")
}

/// What stands in a cell of a table.
struct Cell {
    content: String,
    number: bool,
}

/// A table; where there is no room for its columns, each cell stands on a line, named by its column.
fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [Cell; N]>) -> String {
    let cell = |(column, cell): (&&str, Cell)| {
        let class = if cell.number { " class=\"number\"" } else { "" };
        format!("<td{class} data-column=\"{column}\">{}</td>", cell.content)
    };
    let rows: String = rows
        .map(|row| {
            let cells: String = head.iter().zip(row).map(cell).collect();
            format!("<tr>{cells}</tr>\n")
        })
        .collect();
    if rows.is_empty() {
        return rows;
    }
    let head: String = head
        .iter()
        .map(|h| format!("<th scope=\"col\">{h}</th>"))
        .collect();
    format!("<div class=\"wide\"><table>\n<tr>{head}</tr>\n{rows}</table></div>\n")
}

fn cell(content: &str) -> Cell {
    Cell {
        content: content.to_owned(),
        number: false,
    }
}

/// A cell with a bar as long as `value` is of `most`.
fn number(shown: &str, value: u64, most: u64) -> Cell {
    let percent = (value.saturating_mul(100))
        .checked_div(most)
        .unwrap_or(0)
        .min(100);
    Cell {
        content: format!(
            "<span>{shown}</span><span class=\"bar\"><span style=\"width:{percent}%\"></span></span>"
        ),
        number: true,
    }
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", markup(text))
}
