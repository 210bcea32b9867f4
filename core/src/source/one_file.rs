//! Layouts with both ways in one file, told apart by marker lines: dbmate, goose, tern.

use crate::model::layout::Layout;
use crate::model::migration::Script;
use crate::source::file_name::FileName;
use crate::source::part::{self, Part};

/// What a line says about those that follow, or about the whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    Section { down: bool, no_transaction: bool },
    NoTransaction,
}

/// True when `text` has the markers of `layout`.
pub(super) fn is(layout: Layout, text: &str) -> bool {
    let section = |line| matches!(marker(layout, line), Some(Marker::Section { .. }));
    text.lines().any(section)
}

/// The parts of the file called `name`; a problem in words.
pub(super) fn parts(layout: Layout, name: &FileName, file: &Script) -> Result<Vec<Part>, String> {
    if let Some(why) = beyond(layout, &file.text) {
        return Err(format!("'{}': {why}", file.path));
    }
    let mut outside = false;
    // What stands before a marker: with tern that is the way forward.
    let mut now = (layout == Layout::Tern).then_some((false, false));
    let mut lines: Vec<Option<bool>> = Vec::new();
    let mut seen: Vec<(bool, bool)> = now.into_iter().collect();
    for line in file.text.lines() {
        match marker(layout, line) {
            Some(Marker::Section {
                down,
                no_transaction,
            }) => {
                now = Some((down, no_transaction));
                seen.push((down, no_transaction));
                lines.push(None);
            }
            Some(Marker::NoTransaction) => {
                outside = true;
                lines.push(None);
            }
            None => lines.push(now.map(|(down, _)| down)),
        }
    }
    if !seen.iter().any(|(down, _)| !down) {
        return Err(format!("'{}' has no part for the way forward", file.path));
    }
    let part = |down: bool| {
        let (_, no_transaction) = seen.iter().find(|(d, _)| *d == down)?;
        let text = part::only_lines(&file.text, |n| lines.get(n) == Some(&Some(down)));
        // An empty way back is none.
        (!down || !text.is_empty()).then(|| Part {
            revision: name.revision.clone(),
            name: name.name.clone(),
            down,
            no_transaction: outside || *no_transaction,
            script: Script::new(file.path.clone(), &text),
        })
    };
    Ok([part(false), part(true)].into_iter().flatten().collect())
}

fn marker(layout: Layout, line: &str) -> Option<Marker> {
    let line = line.trim();
    let section = |down, no_transaction| Marker::Section {
        down,
        no_transaction,
    };
    match layout {
        Layout::Dbmate => {
            let rest = line
                .strip_prefix("--")?
                .trim_start()
                .strip_prefix("migrate:")?;
            let (word, options) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let off = options.split_whitespace().any(|o| o == "transaction:false");
            match word {
                "up" => Some(section(false, off)),
                "down" => Some(section(true, off)),
                _ => None,
            }
        }
        Layout::Goose => {
            let rest = line
                .strip_prefix("--")?
                .trim_start()
                .strip_prefix("+goose")?;
            match rest.trim().to_ascii_lowercase().as_str() {
                "up" => Some(section(false, false)),
                "down" => Some(section(true, false)),
                "no transaction" => Some(Marker::NoTransaction),
                _ => None,
            }
        }
        Layout::Tern => {
            let inside = line.strip_prefix("----")?.strip_suffix("----")?.trim();
            match inside {
                "create above / drop below" => Some(section(true, false)),
                "tern: disable-tx" => Some(Marker::NoTransaction),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Why only the tool itself can read a file.
fn beyond(layout: Layout, text: &str) -> Option<&'static str> {
    let envsub = |line: &str| {
        let line = line.trim().to_ascii_lowercase();
        line.starts_with("--") && line.contains("+goose envsub on")
    };
    match layout {
        Layout::Goose if text.lines().any(envsub) => {
            Some("it takes values from the environment, which only goose can do")
        }
        Layout::Tern if text.contains("{{") => Some("it is a template, which only tern can fill"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::file_name;

    #[test]
    fn both_ways_are_found_at_their_places() {
        let check = |layout, text: &str, expected: &str| {
            let name = file_name::parse("1_a.sql").unwrap();
            let shown = match parts(layout, &name, &Script::new("1_a.sql", text)) {
                Ok(parts) => parts
                    .iter()
                    .map(|p| format!("{}{}{:?}", p.down, p.no_transaction, p.script.text))
                    .collect::<Vec<_>>()
                    .join(" "),
                Err(why) => why,
            };
            assert_eq!(shown, expected, "{text}");
        };
        check(
            Layout::Dbmate,
            "-- migrate:up\na;\n\n-- migrate:down transaction:false\nb;\n",
            "falsefalse\"\\na;\\n\" truetrue\"\\n\\n\\n\\nb;\\n\"",
        );
        check(
            Layout::Dbmate,
            "a;",
            "'1_a.sql' has no part for the way forward",
        );
        check(
            Layout::Dbmate,
            "-- migrate:up\na;\n-- migrate:down\n",
            "falsefalse\"\\na;\\n\"",
        );
        check(
            Layout::Goose,
            "-- +goose NO TRANSACTION\n-- +goose Up\na;\n--+goose down\nb;",
            "falsetrue\"\\n\\na;\\n\" truetrue\"\\n\\n\\n\\nb;\\n\"",
        );
        check(
            Layout::Goose,
            "-- +goose ENVSUB ON\n-- +goose Up\na",
            "'1_a.sql': it takes values from the environment, which only goose can do",
        );
        check(
            Layout::Tern,
            "a;\n---- create above / drop below ----\nb;",
            "falsefalse\"a;\\n\" truefalse\"\\n\\nb;\\n\"",
        );
        check(
            Layout::Tern,
            "a;\n---- tern: disable-tx ----\n",
            "falsetrue\"a;\\n\"",
        );
        check(
            Layout::Tern,
            "{{ template \"x\" }}",
            "'1_a.sql': it is a template, which only tern can fill",
        );
    }
}
