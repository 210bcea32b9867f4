//! Failures: what went wrong, why, what stays done, and what to do next.

use pgbelay_core::error::Error;
use serde::Serialize;

use crate::paint::Paint;
use crate::report::lines;
use crate::target::Target;
use crate::text::safe_lines;

#[derive(Serialize)]
struct Wire<'a> {
    message: String,
    causes: Vec<String>,
    hints: &'a [String],
    done: &'a [String],
}

/// The failure for people.
pub fn human(error: &Error, paint: Paint) -> String {
    let mut text = String::new();
    let mut line = |label: String, message: &str| {
        text.push_str(&label);
        text.push(' ');
        text.push_str(&safe_lines(message));
        text.push('\n');
    };
    line(paint.red("error:"), &error.to_string());
    for cause in error.causes() {
        line(paint.bold("caused by:"), &cause);
    }
    for done in error.already_done() {
        line(paint.yellow("already done:"), done);
    }
    for hint in error.hints() {
        line(paint.cyan("hint:"), hint);
    }
    text
}

/// The failure for machines: the line that closes the output.
pub fn json(error: &Error, target: &Target) -> String {
    let wire = Wire {
        message: error.to_string(),
        causes: error.causes(),
        hints: error.hints(),
        done: error.already_done(),
    };
    lines::error(error.kind().exit_code(), &wire, target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error() -> Error {
        Error::busy("lock \"t\x1b[2J\"")
            .wrap("roll back to 0041")
            .done("a snapshot was taken")
            .hint("try again")
    }

    #[test]
    fn for_people() {
        let expected = "error: roll back to 0041\ncaused by: lock \"t\\u{1b}[2J\"\n\
                        already done: a snapshot was taken\nhint: try again\n";
        assert_eq!(human(&error(), Paint::new(false)), expected);
    }

    #[test]
    fn for_machines() {
        let value: serde_json::Value =
            serde_json::from_str(&json(&error(), &Target::default())).unwrap();
        let expected = serde_json::json!({
            "schema": 1,
            "type": "error",
            "exit_code": 5,
            "message": "roll back to 0041",
            "causes": ["lock \"t\x1b[2J\""],
            "hints": ["try again"],
            "done": ["a snapshot was taken"],
            "environment": null,
            "host": null,
            "port": null,
            "database": null,
            "database_source": null,
        });
        assert_eq!(value, expected);
    }
}
