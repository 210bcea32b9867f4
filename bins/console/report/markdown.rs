//! The risk report as Markdown, for a comment on a pull request (GitHub's and GitLab's dialect).
//!
//! Names come from a database that anyone may have named things in: nothing of them is markup.

use pgbelay_core::model::loss::{Finding, Loss, Verdict};

use crate::report::findings;
use crate::report::risk::{self, RefusalView, RiskView};
use crate::text::{many, safe, size};

/// The report.
pub fn document(view: &RiskView<'_>) -> String {
    let base = |revision: &Option<String>| revision.as_deref().map_or("base".to_owned(), code);
    let sign = match view.verdict {
        Verdict::NoLoss => "✅",
        Verdict::LossRecoverable => "⚠️",
        _ => "⛔",
    };
    let mut text = format!(
        "## {sign} {}\n\nRollback from {} to {}: {}.\n",
        code(view.verdict.as_str()),
        base(&view.from),
        base(&view.to),
        risk::meaning(view.verdict)
    );
    let target = view.target.words();
    if !target.is_empty() {
        text.push_str(&format!("\nOf {}.\n", plain(&target)));
    }
    let mut section = |title: &str, body: String| {
        if !body.is_empty() {
            text.push_str(&format!("\n### {title}\n\n{body}"));
        }
    };
    let steps = view.steps.iter();
    let steps = steps.map(|(revision, name)| format!("1. {} {}\n", code(revision), code(name)));
    section("Taken back, in this order", steps.collect());
    section("What goes", losses(view.losses));
    section("Dropped along with it", list(&view.definitions));
    section("Findings", view.untold().map(finding).collect());
    section("In the way", view.refusals.iter().map(refusal).collect());
    let locks: Vec<[String; 2]> = (view.locks.iter())
        .map(|(name, mode)| [code(&name.to_string()), plain(mode)])
        .collect();
    section("Locks", table(["table", "lock"], &locks));
    section("Not evaluated", list(&view.not_evaluated));
    if let Some(hash) = &view.plan_hash {
        text.push_str(&format!("\n<sub>plan: {}</sub>\n", code(hash)));
    }
    text
}

fn losses(losses: &[Loss]) -> String {
    let rows: Vec<[String; 6]> = losses
        .iter()
        .map(|loss| {
            let columns: Vec<String> = loss.columns.iter().map(|c| code(c)).collect();
            [
                code(&loss.table.to_string()),
                if columns.is_empty() {
                    "all".to_owned()
                } else {
                    columns.join(", ")
                },
                risk::rows(loss),
                size(loss.bytes),
                plain(&loss.why),
                code(&findings::place(&loss.path, loss.line)),
            ]
        })
        .collect();
    let table = table(
        ["table", "columns", "rows", "table size", "why", "where"],
        &rows,
    );
    // A comment has a limit, and a screen too: what is many folds away.
    if rows.len() > 20 {
        let summary = many(rows.len() as u64, "entry", "entries");
        return format!("<details><summary>{summary}</summary>\n\n{table}\n</details>\n");
    }
    table
}

fn finding(finding: &Finding) -> String {
    format!(
        "- {}: {}: {} ({})\n",
        code(&findings::place(&finding.path, finding.line)),
        finding.severity.as_str(),
        plain(&finding.message),
        code(finding.rule)
    )
}

fn refusal(refusal: &RefusalView) -> String {
    format!(
        "- {}: {} ({}; {})\n",
        code(&findings::place(&refusal.path, refusal.line)),
        plain(&refusal.reason),
        code(&refusal.rule),
        plain(risk::way(refusal.forceable))
    )
}

fn list(items: &[String]) -> String {
    let line = |item: &String| format!("- {}\n", plain(item));
    items.iter().map(line).collect()
}

fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = vec!["---".to_owned(); N];
    let body: String = rows.iter().map(|row| line(row)).collect();
    line(&head.map(str::to_owned)) + &line(&rule) + &body
}

/// `text` in code type. In an HTML element, since a code span has no way to escape a backtick or,
/// in a table, a bar; sites make no links of `@names` and `#1` there.
fn code(text: &str) -> String {
    format!("<code>{}</code>", entities(&safe(text)))
}

/// `text` as prose. The empty comment keeps sites from telling the person called `@name`.
fn plain(text: &str) -> String {
    entities(&safe(text))
        .replace("&#64;", "&#64;<!-- -->")
        .replace("&#35;", "&#35;<!-- -->")
}

/// Every character that could be markup as a reference to it, which never is (`CommonMark` 2.5).
fn entities(text: &str) -> String {
    let entity = |c: char| match c {
        '&' | '<' | '>' | '|' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '~' | '\\' | '@'
        | '#' | '!' | '$' | ':' | '"' | '\'' => format!("&#{};", u32::from(c)),
        _ => c.to_string(),
    };
    // An address without a scheme would become a link too.
    text.chars()
        .map(entity)
        .collect::<String>()
        .replace("www.", "www&#46;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_never_markup() {
        let name = "x|y`<img src=x onerror=a>`](http://z)@all#1\n# www.a";
        let shown = code(name);
        let inside = shown
            .strip_prefix("<code>")
            .and_then(|s| s.strip_suffix("</code>"))
            .unwrap();
        assert!(!inside.contains(['|', '`', '<', '>', '[', ']', '\n', '@', '!', '_', '*']));
        assert!(!inside.contains("http:") && !inside.contains("www."));
        assert_eq!(entities("orders"), "orders");
        assert_eq!(plain("ask @all"), "ask &#64;<!-- -->all");
    }
}
