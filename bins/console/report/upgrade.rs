//! What an upgrade would do: scripts, locks, findings.

use pgbelay_core::ident::Revision;
use pgbelay_core::model::migration::Migration;
use pgbelay_core::ops::preview::{Lock, Preview};
use pgbelay_core::ops::upgrade::UpgradePlan;
use serde_json::{Value, json};

use crate::paint::Paint;
use crate::report::findings;
use crate::table::Table;
use crate::text::{base, safe, safe_lines};

/// The plan for machines, with what it would do where that was found out.
pub fn wire(plan: &UpgradePlan, preview: Option<&Preview>) -> Value {
    let step = |m: &Migration| {
        json!({
            "revision": m.revision.as_str(),
            "name": m.name,
            "transactional": m.transactional,
            "sql": preview.map(|_| m.up.text.as_str()),
        })
    };
    let lock = |lock: &Lock| json!({"path": lock.path, "line": lock.line, "table": lock.table.clone(), "mode": lock.mode.as_str()});
    let mut wire = json!({
        "database": plan.database,
        "from": plan.current.as_ref().map(Revision::as_str),
        "to": plan.target.as_ref().map(Revision::as_str),
        "steps": plan.pending.iter().map(step).collect::<Vec<Value>>(),
    });
    if let Some(preview) = preview {
        wire["locks"] = preview.locks.iter().map(lock).collect();
        wire["findings"] = json!(findings::wire(&preview.findings));
        wire["not_evaluated"] = json!(preview.unclear);
    }
    wire
}

/// The plan for people.
pub fn human(plan: &UpgradePlan, preview: Option<&Preview>, paint: Paint) -> String {
    if plan.pending.is_empty() {
        return format!("nothing to do; now at {}\n", base(plan.current.as_ref()));
    }
    let mut text = format!("{}\n", paint.bold("to be applied, in this order"));
    let Some(preview) = preview else {
        let lines = plan.pending.iter();
        text.extend(lines.map(|step| format!("  {}\n", safe(&step.full_name()))));
        return text;
    };
    for migration in &plan.pending {
        let outside = if migration.transactional {
            ""
        } else {
            " (outside a transaction)"
        };
        let title = format!("{}{outside}", safe(&migration.full_name()));
        let script = safe_lines(&migration.up.text.replace('\t', "    "));
        text.push_str(&format!(
            "\n{}\n{}\n",
            paint.bold(&title),
            script.trim_end()
        ));
    }
    let mut section = |title: &str, body: String| {
        if !body.is_empty() {
            text.push_str(&format!("\n{}\n{body}", paint.bold(title)));
        }
    };
    section("locks", locks(&preview.locks));
    section("findings", findings::human(&preview.findings, paint));
    let unclear = preview.unclear.iter();
    section(
        "not evaluated",
        unclear.map(|u| format!("  {}\n", safe(u))).collect(),
    );
    text
}

fn locks(locks: &[Lock]) -> String {
    if locks.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["table", "lock", "where"]);
    for lock in locks {
        let file = lock.path.rsplit('/').next().unwrap_or(&lock.path);
        table.row([
            lock.table.clone(),
            lock.mode.as_str().to_owned(),
            findings::place(file, lock.line),
        ]);
    }
    table.render()
}

/// The scripts for machines: each migration's, and the one that does it all.
pub fn scripts(plan: &UpgradePlan, script: &str) -> Value {
    let each = |m: &Migration| json!({"revision": m.revision.as_str(), "sql": m.up.text});
    let scripts: Vec<Value> = plan.pending.iter().map(each).collect();
    json!({"scripts": scripts, "script": script})
}
