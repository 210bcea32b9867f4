//! What `migrate repair` found: stored text against file, and how far a script got.

use pgbelay_core::ops::repair::{Item, RepairPlan, Trouble};
use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

use crate::paint::Paint;
use crate::text::safe;

/// Lines around a change that are shown.
const AROUND: usize = 3;

/// The findings for machines.
pub fn wire(plan: &RepairPlan) -> Value {
    let item = |item: &Item| {
        let mut wire = json!({
            "revision": item.revision.as_str(),
            "name": item.name,
            "repaired": item.mended,
        });
        match &item.trouble {
            Trouble::Edited {
                stored,
                files,
                harmless,
            } => {
                wire["trouble"] = "edited".into();
                wire["comments_only"] = (*harmless).into();
                let colourless = Paint::new(false);
                wire["difference"] = difference(&stored.0, &files.0.text, colourless).into();
            }
            Trouble::Missing => wire["trouble"] = "missing".into(),
            Trouble::Failed { steps, invalid, .. } => {
                wire["trouble"] = "failed".into();
                let stopped = steps.iter().find(|step| !step.finished);
                wire["line"] = stopped.map(|step| step.line).into();
                let names = invalid.iter().map(ToString::to_string);
                wire["invalid_indexes"] = names.collect::<Vec<String>>().into();
            }
        }
        wire
    };
    json!({"items": plan.items.iter().map(item).collect::<Vec<Value>>()})
}

/// The findings for people.
pub fn human(plan: &RepairPlan, paint: Paint) -> String {
    let mut text = String::new();
    for item in &plan.items {
        let title = format!("{} {}", safe(item.revision.as_str()), safe(&item.name));
        text.push_str(&format!(
            "{}: {}\n",
            paint.bold(&title),
            trouble(item, paint)
        ));
    }
    text
}

fn trouble(item: &Item, paint: Paint) -> String {
    let rev = safe(item.revision.as_str());
    match &item.trouble {
        Trouble::Edited {
            stored,
            files,
            harmless,
        } => {
            let mut text = if *harmless {
                "comments or white space were edited\n".to_owned()
            } else {
                "edited after it was applied\n".to_owned()
            };
            text.push_str(&file(&files.0.path, &stored.0, &files.0.text, paint));
            let path = files
                .1
                .as_ref()
                .map_or("(no rollback script)", |down| down.path.as_str());
            let now = files.1.as_ref().map_or("", |down| down.text.as_str());
            text.push_str(&file(
                path,
                stored.1.as_deref().unwrap_or_default(),
                now,
                paint,
            ));
            if !item.mended {
                text.push_str(&format!("  to accept the files: migrate repair {rev}\n"));
            }
            text
        }
        Trouble::Missing => {
            let mut text = "applied, and its file is gone\n".to_owned();
            if !item.mended {
                text.push_str(&format!(
                    "  put the file back, or take it out of the ledger: migrate repair {rev} --forget\n"
                ));
            }
            text
        }
        Trouble::Failed {
            path,
            steps,
            invalid,
        } => {
            let ran = steps.iter().filter(|step| step.finished).count();
            let mut text =
                format!("stopped half-way, outside a transaction\n  {ran} statements ran");
            if let Some(stopped) = steps.iter().find(|step| !step.finished) {
                text.push_str(&format!("; stopped in {}:{}", safe(path), stopped.line));
            }
            text.push('\n');
            for index in invalid {
                text.push_str(&format!(
                    "  the index {0} is invalid: DROP INDEX CONCURRENTLY {0}\n",
                    safe(&index.to_string())
                ));
            }
            if !item.mended {
                text.push_str(&format!(
                    "  to go on after the last statement that ran: migrate upgrade {rev}\n  \
                     to begin with the first statement again: migrate repair {rev} --forget\n  \
                     when the rest was done by hand: migrate repair {rev} --applied\n"
                ));
            }
            text
        }
    }
}

fn file(path: &str, stored: &str, now: &str, paint: Paint) -> String {
    if stored == now {
        return String::new();
    }
    let shown = difference(stored, now, paint);
    format!("  --- as applied\n  +++ {}\n{shown}", safe(path))
}

/// The lines that differ, with some around them.
fn difference(stored: &str, now: &str, paint: Paint) -> String {
    let diff = TextDiff::from_lines(stored, now);
    let mut text = String::new();
    for group in diff.grouped_ops(AROUND) {
        text.push_str("  @@\n");
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let line = safe(&change.value().trim_end_matches('\n').replace('\t', "    "));
            text.push_str(&match change.tag() {
                ChangeTag::Equal => format!("    {line}\n"),
                ChangeTag::Delete => format!("  {}\n", paint.red(&format!("- {line}"))),
                ChangeTag::Insert => format!("  {}\n", paint.green(&format!("+ {line}"))),
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_shown() {
        let many = |n: u32| (1..n).map(|i| format!("{i}\n")).collect::<String>();
        let shown = difference(
            &many(20),
            &many(20).replace("10\n", "ten\n"),
            Paint::new(false),
        );
        assert!(shown.contains("  - 10\n  + ten\n"), "{shown}");
        assert_eq!(shown.lines().count(), 9, "{shown}");
        assert_eq!(difference("a\n", "a\n", Paint::new(false)), "");
    }
}
