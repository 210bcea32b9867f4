//! Labels of enum types that the migrations add.
//!
//! A new label can't be used in the transaction that adds it, and the rows that come back use it.
//! So labels are added first, each by itself. One that is there and not used does no harm, should
//! the undo fail after all.

use crate::error::Result;
use crate::model::event::Silent;
use crate::ops::context::Context;
use crate::ops::undo::plan::UndoPlan;
use crate::pg::error::sqlstate;
use crate::pg::script::{self, Script};
use crate::pg::session::{self, Client};
use crate::sql::concurrently;
use crate::sql::statement::Kind;

/// SQLSTATE of a type that isn't there: the scripts make it themselves, and its labels with it.
const UNDEFINED_OBJECT: &str = "42704";
/// SQLSTATE of a schema that isn't there.
const UNDEFINED_SCHEMA: &str = "3F000";

/// Adds the labels that the scripts of `plan` add to types that are there.
pub async fn add(ctx: &Context, client: &Client, plan: &UndoPlan) -> Result<()> {
    let all = plan.analysis.statements.iter();
    let adds = all
        .clone()
        .flatten()
        .any(|s| concurrently::unless_there(s).is_some());
    if !adds {
        return Ok(());
    }
    for (step, statements) in plan.steps.iter().zip(all) {
        session::refresh(client).await?;
        session::set_lock_timeout(client, ctx.lock_timeout, false).await?;
        for statement in statements {
            let setting = matches!(statement.kind, Kind::Setting { .. });
            let label = concurrently::unless_there(statement);
            if label.is_none() && !setting {
                continue;
            }
            let script = Script {
                revision: &step.revision,
                path: &step.script.path,
                text: &step.script.text,
                statements: std::slice::from_ref(statement),
            };
            let statement = label.as_ref().unwrap_or(statement);
            match script::run_one(client, &script, statement, &Silent, false).await {
                Ok(()) => {}
                Err(error)
                    if label.is_some()
                        && sqlstate(&error)
                            .is_some_and(|c| c == UNDEFINED_OBJECT || c == UNDEFINED_SCHEMA) => {}
                Err(error) => return Err(error),
            }
        }
    }
    session::refresh(client).await
}
