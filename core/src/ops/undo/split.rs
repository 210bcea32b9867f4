//! Plain tables in whose place the migrations put a partitioned one, into which they copy its rows: what
//! somebody wrote since is known by what the plain one held before.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::model::relation::{Oid, Relation, RelationKind, World};
use crate::ops::undo::plan::UndoPlan;
use crate::ops::undo::rows::{self, Source};
use crate::ops::undo::staging;
use crate::pg::reconcile::Target;
use crate::pg::reconcile::conflicts::Conflict;
use crate::pg::reconcile::moved::{self, Moved};
use crate::pg::record::TableRecord;
use crate::pg::session::Client;
use crate::schema::{Catalog, ObjectKey, ObjectKind};

/// Looks at the tables of `earlier` that will be replaced by partitioned ones, as `before` has them. Nobody
/// has written anything since where the undo is only `tried`.
pub async fn look(
    source: Source<'_>,
    client: &Client,
    plan: &UndoPlan,
    earlier: &World,
    before: Option<&Catalog>,
    tried: bool,
) -> Result<Vec<Moved>> {
    let records = &plan.details.tables;
    let replaced = earlier.relations.values().filter(|relation| {
        let mut left = records.iter().filter_map(TableRecord::name_after);
        relation.kind == RelationKind::Table
            && plan.drops(relation.oid)
            && before.is_some_and(|before| was_partitioned(before, relation))
            && !left.any(|name| name == relation.name)
    });
    let mut all = Vec::new();
    for relation in replaced {
        let mut moved = Moved::new(relation);
        if !tried {
            let then = rows::same_place(client, plan.details.inserted.as_ref()).await?;
            let own = plan.details.transaction.parse().unwrap_or(0);
            let since = then.map(|then| (then.running, own));
            let Source { ctx, backups, .. } = source;
            let present =
                staging::present(ctx, client, backups, &relation.name, &moved.key).await?;
            moved
                .note(client, relation, since, present.as_ref())
                .await?;
            if let Some(present) = present {
                present.discard(client).await?;
            }
        }
        all.push(moved);
    }
    Ok(all)
}

fn was_partitioned(before: &Catalog, relation: &Relation) -> bool {
    let key = ObjectKey {
        kind: ObjectKind::Table,
        schema: relation.name.schema.clone(),
        table: None,
        name: relation.name.name.clone(),
    };
    let object = before.get(&key);
    let by = |line: &str| line.starts_with("partition by ");
    object.is_some_and(|object| object.definition.lines().any(by))
}

/// True when all that `applied`, the partitioned table that is there instead, holds is in partitions that
/// the rollback dropped: what they must hold is known.
pub fn is_known(plan: &UndoPlan, earlier: &World, live: &World, applied: Oid) -> bool {
    let parts = live.family(applied).into_iter();
    let mut parts = parts.filter_map(|oid| live.relations.get(&oid));
    parts.all(|part| {
        let dropped = plan.details.tables.iter();
        let mut dropped = dropped.filter(|record| record.name_after().is_none());
        part.kind == RelationKind::Partitioned
            || !earlier.relations.contains_key(&part.oid)
                && dropped.any(|record| record.name_before() == part.name)
    })
}

/// Keeps what somebody wrote since into the `moved` tables, in their partitions among `targets`: to be
/// called once it is noted which rows belong to newer ones.
pub async fn keep_newer(
    source: Source<'_>,
    client: &Client,
    moved: &[Moved],
    live: &World,
    targets: &[Target<'_>],
    conflicts: &mut Vec<Conflict>,
) -> Result<()> {
    for moved in moved {
        let Some(now) = live.find(&moved.name.schema, &moved.name.name) else {
            continue;
        };
        if now.kind != RelationKind::Partitioned {
            continue;
        }
        let parts: BTreeSet<Oid> = live.family(now.oid).into_iter().collect();
        let parts = targets
            .iter()
            .filter(|t| parts.contains(&t.live.oid) && t.remade());
        let parts: Vec<&Target<'_>> = parts.collect();
        if moved.key.is_empty() && !source.backups.is_sample() {
            if !moved::holds_as_many(client, moved, &parts).await? {
                return Err(Error::refused(format!(
                    "somebody wrote into {} since the rollback, and without a key its rows can't be told \
                     from those that were there",
                    moved.name
                ))
                .hint("nothing was changed"));
            }
            continue;
        }
        for target in parts {
            moved::keep_newer(client, moved, target, conflicts).await?;
        }
    }
    Ok(())
}
