//! A report as SARIF 2.1.0, which code hosts and editors show beside the lines.
//!
//! <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>; section numbers are its.

use pgbelay_core::model::loss::Severity;
use pgbelay_core::rules;
use serde_json::{Value, json};

use crate::report::notes::{Note, Notes};
use crate::text::safe;

/// The report. What has no place in a file (locks, what was not evaluated) is in the properties of
/// the run, where the whole report stands as `--format json` has it.
pub fn document(notes: &Notes<'_>) -> String {
    let results: Vec<Value> = notes.all().map(result).collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "pgbelay",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules::RULES.iter().map(|rule| descriptor(rule)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
            "properties": {"pgbelay": notes.whole},
        }],
    });
    format!("{document:#}\n")
}

fn descriptor(rule: &rules::Rule) -> Value {
    json!({
        "id": rule.id,
        "shortDescription": {"text": message(rule.title)},
        "fullDescription": {"text": message(&format!("{} {}", rule.condition, rule.effect))},
        "help": {"text": message(rule.workaround)},
        "defaultConfiguration": {"level": level(rule.severity)},
    })
}

fn result(note: &Note<'_>) -> Value {
    let Note {
        rule,
        severity,
        text,
        path,
        line,
    } = note;
    let mut place = json!({"artifactLocation": {"uri": uri(path)}});
    if *line > 0 {
        place["region"] = json!({"startLine": line});
    }
    // What is in no script has no place.
    let locations = if path.is_empty() {
        json!([])
    } else {
        json!([{"physicalLocation": place}])
    };
    json!({
        "ruleId": rule,
        "level": level(*severity),
        "message": {"text": message(text)},
        "locations": locations,
    })
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Block => "error",
        Severity::Warn => "warning",
        Severity::Info => "note",
    }
}

/// `text` as a message that holds neither placeholders (3.11.5) nor links (3.11.6).
fn message(text: &str) -> String {
    let text = safe(text).replace('{', "{{").replace('}', "}}");
    if text.contains("](") {
        text.replace('[', "\\[").replace(']', "\\]")
    } else {
        text
    }
}

/// `path` as a URI reference (RFC 3986): everything but unreserved characters and `/` is encoded.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    if path.starts_with('/') {
        uri.push_str("file://");
    }
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_text_and_nothing_else() {
        for (text, shown) in [
            ("text[] of {0}", "text[] of {{0}}"),
            ("[x](https://y)", "\\[x\\](https://y)"),
            ("a\x1b[2J\u{202e}", "a\\u{{1b}}[2J\\u{{202e}}"),
        ] {
            assert_eq!(message(text), shown);
        }
    }

    #[test]
    fn a_path_is_a_uri_reference() {
        assert_eq!(uri("db/0001_a.sql"), "db/0001_a.sql");
        assert_eq!(uri("/db/é x:%.sql"), "file:///db/%C3%A9%20x%3A%25.sql");
    }
}
