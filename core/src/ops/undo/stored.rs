//! What materialized views held: nobody can write rows into one. It is computed anew, and where that comes
//! to other rows, those that it held are laid aside.

use crate::error::Result;
use crate::ident::TableName;
use crate::model::ledger::Record;
use crate::model::relation::World;
use crate::ops::undo::rescue::Rescued;
use crate::ops::undo::rows::Source;
use crate::ops::undo::staging;
use crate::pg::matviews::{self, Populated};
use crate::pg::reconcile::conflicts::{self, Conflict};
use crate::pg::rescue;
use crate::pg::session::Client;

/// Why they are not put back.
pub const COMPUTED: &str = "nobody can write rows into a materialized view; it was computed anew and holds \
     other rows now, and those that it held were laid aside";

/// Computes anew what was filled or emptied since `earlier` was read, and lays aside what views held before
/// the `rollback`, of those that hold something else now.
pub async fn compute(
    source: Source<'_>,
    client: &Client,
    rollback: &Record,
    (earlier, live): (&[Populated], &World),
    conflicts: &mut Vec<Conflict>,
) -> Result<Vec<Rescued>> {
    let details = source.details;
    matviews::refresh(client, earlier, &details.populated, &details.refilled).await?;
    let mut rescued = Vec::new();
    for view in source.backups.stored_views() {
        let stage = staging::stored(source.ctx, client, source.backups, &view).await?;
        let there = live.find(&view.schema, &view.name).is_some();
        if !there || matviews::differs(client, &view, &stage).await? {
            let query = format!("SELECT * FROM {}", stage.table);
            let kept = rescue::keep(client, rollback.sequence, &view, &query).await?;
            let rows = kept.as_ref().map_or(0, |kept| kept.1);
            conflicts::note(conflicts, &view, rows, COMPUTED.to_owned());
            rescued.extend(kept.map(|(into, rows)| Rescued {
                table: TableName::clone(&view),
                into,
                rows,
            }));
        }
        stage.discard(client).await?;
    }
    Ok(rescued)
}
