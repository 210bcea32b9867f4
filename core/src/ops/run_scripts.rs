//! Running the script of a step inside a transaction that is being watched.

use std::time::Instant;

use crate::error::Result;
use crate::model::event::Event;
use crate::model::plan::Step;
use crate::ops::context::Context;
use crate::pg::capture::Captured;
use crate::pg::script::{self, Script};
use crate::pg::session::Client;
use crate::pg::transaction;
use crate::sql::statement::{Kind, Statement};

/// Runs `statements` of `step` one by one; watched tables are followed through changes of their
/// columns.
pub async fn run(
    ctx: &Context,
    client: &Client,
    step: &Step,
    statements: &[Statement],
    captured: &mut Captured,
    back: bool,
) -> Result<()> {
    let observer = ctx.observer.as_ref();
    let (revision, name) = (&step.revision, &step.name);
    observer.observe(Event::MigrationStarted {
        revision: revision.clone(),
        name: name.clone(),
        back,
    });
    let started = Instant::now();
    transaction::script(client).await?;
    for statement in statements {
        let script = Script {
            revision,
            path: &step.script.path,
            text: &step.script.text,
            statements: std::slice::from_ref(statement),
        };
        script::run(client, &script, observer, ctx.echo_sql).await?;
        if may_define(&statement.kind) {
            captured.follow(client).await?;
        }
    }
    observer.observe(Event::MigrationFinished {
        revision: revision.clone(),
        name: name.clone(),
        back,
        took: started.elapsed(),
    });
    Ok(())
}

/// False for statements that can't change a table's columns, unless by a trigger.
const fn may_define(kind: &Kind) -> bool {
    !matches!(
        kind,
        Kind::Delete(_) | Kind::Insert { .. } | Kind::Setting { .. } | Kind::Harmless
    )
}
