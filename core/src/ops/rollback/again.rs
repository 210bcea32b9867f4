//! What the way there will touch when the rollback is undone: which of its rows were there already,
//! only a list of their keys can tell by then.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::model::ledger::Entry;
use crate::model::plan::{Fate, Step};
use crate::model::relation::{Oid, RelationKind, World};
use crate::ops::analysis;
use crate::pg::reconcile::references;
use crate::pg::session::Client;
use crate::sql::statement::Statement;

/// The tables of `after` whose rows the migrations `entries`, newest first, may change or refer to when
/// they are applied again; `before` is how tables were before the rollback.
pub async fn touched(
    client: &Client,
    entries: &[Entry],
    before: &World,
    after: &World,
) -> Result<BTreeSet<Oid>> {
    let steps: Vec<Step> = entries
        .iter()
        .rev()
        .map(|e| Step::from_ledger(e.revision.clone(), &e.name, &e.up_text, e.transactional))
        .collect();
    let analysis = analysis::analyse(client, after.clone(), &steps, false, false).await?;
    let capture = &analysis.covered.capture;
    let all = capture.everything || !analysis.refusals.is_empty();
    let mut touched: BTreeSet<Oid> = if all {
        let tables = after.relations.values();
        let tables = tables.filter(|r| r.kind == RelationKind::Table);
        tables.map(|r| r.oid).collect()
    } else {
        capture.tables.iter().copied().collect()
    };
    if analysis.statements.iter().flatten().any(may_fill) {
        // Rows of a table that becomes a partitioned one again are copied into that.
        let dropped = analysis.covered.coverage.iter();
        let dropped = dropped.filter(|(_, coverage)| coverage.fate == Fate::Dropped);
        touched.extend(dropped.map(|(oid, _)| *oid).filter(|oid| {
            let name = after.relations.get(oid).map(|relation| &relation.name);
            let was = name.and_then(|name| before.find(&name.schema, &name.name));
            was.is_some_and(|was| was.kind == RelationKind::Partitioned && was.oid != *oid)
        }));
        // Rows that are made for others follow from these.
        let made = |oid: &Oid| !after.relations.contains_key(oid) || touched.contains(oid);
        let keys = before.foreign_keys.iter().chain(&after.foreign_keys);
        let keys = keys.filter(|key| made(&key.from));
        let parents: BTreeSet<Oid> = keys.flat_map(|key| after.family(key.to)).collect();
        // Where not every parent can be seen, an undo leaves the key to the server.
        let unseen = references::unseen(client).await?;
        touched.extend(parents.difference(&unseen));
    }
    Ok(touched)
}

/// True for statements that may put rows into a table.
fn may_fill(statement: &Statement) -> bool {
    let text = statement.text.to_ascii_lowercase();
    let words = ["insert", "select", "copy", "merge", "values", "table "];
    words.iter().any(|word| text.contains(word)) || !statement.functions.is_empty()
}
