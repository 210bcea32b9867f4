//! Scripts to be run by hand, with psql, that keep ledger and journal as a run would.
//!
//! Each transaction begins with a guard: it fails unless the ledger is where the script expects
//! it and nobody else holds the migration lock. What no script can do is save what it destroys,
//! and take fingerprints of the schema.

use serde_json::json;

use crate::error::{Error, Result};
use crate::ident::{Digest, Revision};
use crate::model::ledger::{Entry, Verb};
use crate::model::migration::{Migration, Script, Target};
use crate::ops::context::Context;
use crate::ops::rollback::{Planned, entry_record};
use crate::ops::upgrade::UpgradePlan;
use crate::pg::journal::NewRecord;
use crate::pg::offline;
use crate::pg::record::Details;
use crate::source;
use crate::sql::parse;

/// The way forward that `plan` would go.
pub fn forward(plan: &UpgradePlan, actor: &str) -> String {
    let pending: Vec<&Migration> = plan.pending.iter().collect();
    migrations(plan.current.as_ref(), &pending, actor)
}

/// The way forward from one revision to another, by the files alone; `None` is base and head.
pub fn between(ctx: &Context, from: Option<&str>, to: Option<&str>) -> Result<String> {
    let all = ctx.read_migrations()?;
    let known: Vec<(Revision, String)> = all
        .iter()
        .map(|m| (m.revision.clone(), m.full_name()))
        .collect();
    let place = |arg: &str| match source::resolve(arg, &known, None)? {
        Target::Base => Ok(0),
        Target::Revision(revision) => {
            let place = all.iter().position(|m| m.revision == revision);
            Ok(place.map_or(0, |place| place + 1))
        }
    };
    let (start, end) = (place(from.unwrap_or("base"))?, place(to.unwrap_or("head"))?);
    if start > end {
        return Err(Error::usage("the script would go backwards")
            .hint("the way back is written by `migrate downgrade REV --sql`"));
    }
    let head = start.checked_sub(1).map(|i| &all[i].revision);
    let some: Vec<&Migration> = all[start..end].iter().collect();
    Ok(migrations(head, &some, &ctx.actor))
}

fn migrations(from: Option<&Revision>, migrations: &[&Migration], actor: &str) -> String {
    let mut text = offline::preface();
    let mut head = from.cloned();
    for (place, migration) in migrations.iter().enumerate() {
        let guard = offline::guard(head.as_ref());
        let script = body(&migration.up, migration.transactional);
        let record = offline::journal(&NewRecord {
            verb: Verb::Upgrade,
            from: head.take(),
            to: Some(migration.revision.clone()),
            by: actor.to_owned(),
            reason: None,
            consent: "offline script".to_owned(),
            backups: Vec::new(),
            manifests: Vec::new(),
            reverses: None,
            details: json!({ "name": migration.name }).to_string(),
        });
        let entry = offline::insert(&Entry::of(migration, 0, actor), place == 0);
        let title = format!("\n-- {}\n", one_line(&migration.full_name()));
        let (before, after) = if migration.transactional {
            (format!("BEGIN;\n{guard}"), String::new())
        } else {
            // Outside a transaction the guard can only stand in front.
            (guard.clone(), format!("BEGIN;\n{guard}"))
        };
        text += &format!("{title}{before}{script}{after}{entry}{record}COMMIT;\n");
        head = Some(migration.revision.clone());
    }
    text
}

/// The way back that `planned` would go. It keeps nothing of what it destroys, and says so.
pub fn back(planned: &Planned, actor: &str) -> Result<String> {
    let plan = &planned.plan;
    let mut text =
        "-- This script saves nothing of what it destroys: `rollback to` does.\n".to_owned();
    for loss in &plan.losses {
        text += &format!(
            "-- {}: {}\n",
            one_line(&loss.table.to_string()),
            one_line(&loss.why)
        );
    }
    text += &offline::preface();
    text += &format!("\nBEGIN;\n{}", offline::guard(plan.from.as_ref()));
    for (step, statements) in plan.steps.iter().zip(&planned.analysis.statements) {
        text += &format!("-- back from {} {}\n", step.revision, one_line(&step.name));
        for statement in statements {
            text += &format!("{}\n;\n", statement.text);
            if let Some(rows) = &statement.data {
                text += &format!("{rows}\\.\n");
            }
        }
        text += &offline::reset();
        text += &offline::remove(&step.revision);
    }
    let digest = |digest: Option<Digest>| digest.map_or(String::new(), |d| d.to_string());
    let details = Details {
        version: 1,
        entries: planned
            .entries
            .iter()
            .map(|entry| entry_record(entry, planned))
            .collect(),
        before: plan.fingerprint.to_string(),
        after: digest(plan.expected),
        tables: Vec::new(),
        transaction: String::new(),
        populated: Vec::new(),
        refilled: Vec::new(),
        sequences_before: Vec::new(),
        sequences_after: Vec::new(),
        inserted: None,
        proof: None,
    };
    text += &offline::journal(&NewRecord {
        verb: Verb::Rollback,
        from: plan.from.clone(),
        to: plan.to.clone(),
        by: actor.to_owned(),
        reason: None,
        consent: "offline script --without-snapshot".to_owned(),
        backups: Vec::new(),
        manifests: Vec::new(),
        reverses: None,
        details: details.to_json()?,
    });
    Ok(text + "COMMIT;\n")
}

/// The script as it is written, without its own BEGIN and COMMIT where it runs in ours.
fn body(script: &Script, transactional: bool) -> String {
    let statements = parse::script(&script.text);
    let own = parse::own_transaction(&statements).filter(|_| transactional);
    let text = match own {
        Some([]) => "",
        Some([first, .., last]) => &script.text[first.range.start..last.range.end],
        Some([one]) => &script.text[one.range.clone()],
        None => script.text.trim_end(),
    };
    // On a line of its own the semicolon is no part of a comment.
    format!("{text}\n;\n{}", offline::reset())
}

/// `text` without line breaks: what stands in a comment must not leave it.
fn one_line(text: &str) -> String {
    text.escape_debug().to_string()
}
