//! JSON: documents, and lines of events.

use std::sync::Arc;

use pgbelay_core::model::event::{Event, Observer};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::output::Output;
use crate::target::Target;
use crate::text::{left, per_second, statement};

/// The number of this layout. Within it, fields are only ever added.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Line<'a, T> {
    schema: u32,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<u8>,
    #[serde(flatten)]
    fields: &'a T,
    /// What the database is, as far as `fields` don't say it.
    #[serde(flatten)]
    target: Map<String, Value>,
}

/// One document: `{"schema":1,…}`, with where it is about.
pub fn document(fields: &impl Serialize, target: &Target) -> String {
    write(None, None, fields, Some(target))
}

/// One line: `{"schema":1,"type":kind,…}`.
pub fn line(kind: &str, fields: &impl Serialize) -> String {
    write(Some(kind), None, fields, None)
}

/// As [`line()`], with where it is about.
pub fn about(kind: &str, fields: &impl Serialize, target: &Target) -> String {
    write(Some(kind), None, fields, Some(target))
}

/// The closing line of a command that did its work.
pub fn done(exit_code: u8, fields: &impl Serialize, target: &Target) -> String {
    write(Some("done"), Some(exit_code), fields, Some(target))
}

/// The closing line of a command that failed.
pub fn error(exit_code: u8, fields: &impl Serialize, target: &Target) -> String {
    write(Some("error"), Some(exit_code), fields, Some(target))
}

/// The names and values of `target` that `fields` has none of.
pub fn missing(fields: &impl Serialize, target: &Target) -> Map<String, Value> {
    let known = serde_json::to_value(fields).unwrap_or_default();
    let mut said = match serde_json::to_value(target.wire()) {
        Ok(Value::Object(said)) => said,
        _ => Map::new(),
    };
    said.retain(|name, _| known.get(name).is_none());
    said
}

fn write(
    kind: Option<&str>,
    exit_code: Option<u8>,
    fields: &impl Serialize,
    target: Option<&Target>,
) -> String {
    let line = Line {
        schema: SCHEMA,
        kind,
        exit_code,
        fields,
        target: target.map_or_else(Map::new, |target| missing(fields, target)),
    };
    match serde_json::to_string(&line) {
        Ok(text) => text + "\n",
        // Only fields that are no map can fail: a bug, but never a line that is not JSON.
        Err(e) => {
            json!({"schema": SCHEMA, "type": "warning", "message": e.to_string()}).to_string()
                + "\n"
        }
    }
}

/// An observer that writes each event as a line.
pub struct Lines {
    output: Arc<Output>,
}

impl Lines {
    /// Lines on the standard output of `output`.
    pub const fn new(output: Arc<Output>) -> Self {
        Self { output }
    }
}

impl Observer for Lines {
    fn observe(&self, event: Event) {
        // Echoed statements are diagnostics, which never go where the answer goes.
        if let Event::Sql(sql) = &event {
            return self.output.err(&statement(sql));
        }
        let (kind, fields) = wire(event);
        self.output.out(&line(kind, &fields));
    }
}

fn wire(event: Event) -> (&'static str, Value) {
    match event {
        Event::Phase(phase) => ("phase", json!({"phase": phase.as_str()})),
        Event::Progress {
            phase,
            what,
            done,
            total,
        } => {
            let total = (total > 0).then_some(total);
            let phase = phase.as_str();
            (
                "progress",
                json!({"phase": phase, "what": what, "done": done, "total": total}),
            )
        }
        Event::Overall {
            phase,
            rows,
            bytes,
            share,
            elapsed,
        } => (
            "overall",
            json!({
                "phase": phase.as_str(),
                "rows": rows,
                "bytes": bytes,
                "share": share,
                "elapsed_ms": elapsed.as_millis() as u64,
                "bytes_per_second": per_second(bytes, elapsed),
                "left_ms": left(share, elapsed).map(|left| left.as_millis() as u64),
            }),
        ),
        Event::Waiting { on, waited } => (
            "waiting",
            json!({"on": on, "waited_ms": waited.as_millis() as u64}),
        ),
        Event::MigrationStarted {
            revision,
            name,
            back,
        } => {
            let revision = revision.as_str();
            (
                "migration_started",
                json!({"revision": revision, "name": name, "back": back}),
            )
        }
        Event::Statement { revision, line } => (
            "statement",
            json!({"revision": revision.as_str(), "line": line}),
        ),
        Event::MigrationFinished {
            revision,
            name,
            back,
            took,
        } => (
            "migration_finished",
            json!({
                "revision": revision.as_str(),
                "name": name,
                "back": back,
                "took_ms": took.as_millis() as u64,
            }),
        ),
        Event::BackupComplete { id, rows, bytes } => (
            "backup_complete",
            json!({"backup": id.as_str(), "rows": rows, "bytes": bytes}),
        ),
        Event::Warning(message) => ("warning", json!({"message": message})),
        Event::Note(message) | Event::Sql(message) => ("note", json!({"message": message})),
    }
}

#[cfg(test)]
mod tests {
    use pgbelay_core::model::event::Phase;

    use super::*;

    #[test]
    fn lines_begin_with_schema_and_type() {
        let fields = json!({"phase": "snapshot"});
        let expected = "{\"schema\":1,\"type\":\"phase\",\"phase\":\"snapshot\"}\n";
        assert_eq!(line("phase", &fields), expected);
        let nowhere = "\"database\":null,\"database_source\":null,\"environment\":null,\
                       \"host\":null,\"port\":null";
        let nowhere = format!("{nowhere}}}\n");
        let target = Target::default();
        assert_eq!(
            done(0, &(), &target),
            format!("{{\"schema\":1,\"type\":\"done\",\"exit_code\":0,{nowhere}")
        );
        assert_eq!(
            document(&json!({"head": null}), &target),
            format!("{{\"schema\":1,\"head\":null,{nowhere}")
        );
        let own = json!({"database": "own"});
        assert!(document(&own, &target).starts_with("{\"schema\":1,\"database\":\"own\","));
    }

    #[test]
    fn an_unknown_total_is_null() {
        let (kind, fields) = wire(Event::Progress {
            phase: Phase::Snapshot,
            what: "public.t\u{1b}".into(),
            done: 5,
            total: 0,
        });
        assert_eq!(kind, "progress");
        assert_eq!(fields["total"], Value::Null);
        assert!(!line(kind, &fields).contains('\u{1b}'));
    }
}
