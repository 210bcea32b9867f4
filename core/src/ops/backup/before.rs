//! Which tables the pending migrations touch: all that has to be saved before they run.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::ident::{Revision, TableName};
use crate::model::event::Event;
use crate::model::plan::Step;
use crate::model::relation::{Oid, RelationKind, World};
use crate::ops::analysis;
use crate::ops::context::Context;
use crate::ops::upgrade;
use crate::pg::session::Client;
use crate::pg::{connect, inspect, lookup, retry, snapshot, transaction};
use crate::planner::reach;
use crate::planner::touch::RootObject;
use crate::sql::statement::Statement;

/// What pending migrations touch.
#[derive(Debug)]
pub struct Touched {
    /// The last of them.
    pub until: Revision,
    /// The tables that are there now; `None` when that can't be told, and so it may be any.
    pub tables: Option<BTreeSet<TableName>>,
}

/// Finds out what the migrations up to `revision` that are not applied yet would touch. Only
/// reads.
pub async fn touched(ctx: &Context, revision: &str) -> Result<Touched> {
    let request = upgrade::Request {
        target: Some(revision.to_owned()),
        ..upgrade::Request::default()
    };
    let plan = upgrade::plan(ctx, &request).await?;
    let (Some(_), Some(until)) = (plan.pending.last(), plan.target.clone()) else {
        return Err(
            Error::usage(format!("no migration up to {revision} is pending"))
                .hint("`migrate status` lists them")
                .hint("without --before, `backup create` saves everything"),
        );
    };
    let steps = plan.steps();
    let session = connect::connect(&ctx.database, "pgbelay backup").await?;
    let client = session.client();
    snapshot::begin_reading(client, ctx.lock_timeout).await?;
    let tables = read(ctx, client, &steps).await;
    let tables = retry::end_reading(client, tables).await?;
    Ok(Touched { until, tables })
}

async fn read(
    ctx: &Context,
    client: &Client,
    steps: &[Step],
) -> Result<Option<BTreeSet<TableName>>> {
    let path = lookup::search_path(client).await?;
    transaction::ours(client).await?;
    let world = inspect::world(client, path).await?;
    let scripts: Vec<Vec<Statement>> = steps.iter().map(analysis::statements).collect();
    let reach = reach::walk(&world, steps, &scripts);
    let analysis = analysis::analyse(client, world, steps, false, false).await?;
    let unclear = analysis.refusals.iter().find(|r| r.rule != "RB-NO-KEY");
    if let Some(refusal) = unclear {
        ctx.observer.observe(Event::Warning(format!(
            "{}:{}: {}; what the migrations touch can't be told, so all tables are saved",
            refusal.path, refusal.line, refusal.reason
        )));
        return Ok(None);
    }
    let world = &analysis.world;
    let mut oids: BTreeSet<Oid> = analysis.covered.coverage.keys().copied().collect();
    oids.extend(analysis.covered.capture.tables.iter().copied());
    oids.extend(reach.touches.iter().map(|touch| touch.table));
    oids.extend(reach.replaced);
    for root in reach.roots {
        match root.object {
            RootObject::Relation(oid)
            | RootObject::Column(oid, _)
            | RootObject::Constraint(oid, _) => drop(oids.insert(oid)),
            // What depends on them is covered.
            RootObject::Schema(_)
            | RootObject::Type(_)
            | RootObject::Part(_)
            | RootObject::Other(..) => {}
        }
    }
    Ok(Some(names(world, oids)))
}

/// The tables among `oids`, with their partitions and children.
fn names(world: &World, oids: BTreeSet<Oid>) -> BTreeSet<TableName> {
    let all = oids.into_iter().flat_map(|oid| world.family(oid));
    all.filter_map(|oid| world.relations.get(&oid))
        .filter(|relation| relation.kind == RelationKind::Table)
        .map(|relation| relation.name.clone())
        .collect()
}
