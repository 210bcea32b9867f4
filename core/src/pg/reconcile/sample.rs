//! What is put back of a sample of the saved rows: those whose parents are in it, too.

use tokio_postgres::Client;

use crate::error::Result;
use crate::model::relation::{ForeignKey, World};
use crate::pg::as_user;
use crate::pg::error::PgContext as _;
use crate::pg::reconcile::{Target, values};
use crate::sql::quote;

/// Takes saved rows out of the sample whose parents are neither there nor in it, until there is none: that
/// the whole backup holds the parents was true when it was made.
pub async fn without_orphans(client: &Client, live: &World, targets: &[Target<'_>]) -> Result<()> {
    loop {
        let mut left_out = 0;
        for target in targets.iter().filter(|t| t.saved) {
            let keys = live.foreign_keys.iter();
            for key in keys.filter(|key| key.from == target.live.oid && holds(target, key)) {
                let Some(sql) = orphans(live, targets, target, key) else {
                    continue;
                };
                let rows = as_user::execute(client, &sql).await;
                left_out += rows.pg("could not take a sample of the saved rows")?;
            }
        }
        if left_out == 0 {
            return Ok(());
        }
    }
}

/// True when the columns of `key` are among those that were saved of `target`.
fn holds(target: &Target<'_>, key: &ForeignKey) -> bool {
    let some = values::concerned(target);
    whole(target) || key.from_columns.iter().all(|c| some.contains(c))
}

/// True when whole rows of `target` were saved.
fn whole(target: &Target<'_>) -> bool {
    target.remade() || target.record.is_some_and(|record| record.truncated)
}

/// Takes the orphans along `key` out. `None`: no parent comes from the sample.
fn orphans(
    live: &World,
    targets: &[Target<'_>],
    target: &Target<'_>,
    key: &ForeignKey,
) -> Option<String> {
    let to = live.referenced(key);
    let parents = live.family(to);
    let same = |parent: &str| {
        let pairs = key.from_columns.iter().zip(&key.to_columns);
        let pairs: Vec<String> = pairs
            .map(|(from, to)| format!("{parent}.{} = s.{}", quote::ident(to), quote::ident(from)))
            .collect();
        pairs.join(" AND ")
    };
    let sampled = targets.iter().filter(|t| t.saved && whole(t));
    let staged: Vec<String> = sampled
        .filter(|t| parents.contains(&t.live.oid))
        .map(|t| {
            let (stage, same) = (t.stage("saved"), same("p"));
            format!(" AND NOT EXISTS (SELECT FROM {stage} AS p WHERE {same})")
        })
        .collect();
    let parent = live.relations.get(&to)?;
    let filled: Vec<String> = key
        .from_columns
        .iter()
        .map(|c| format!("s.{} IS NOT NULL", quote::ident(c)))
        .collect();
    (!staged.is_empty()).then(|| {
        format!(
            "DELETE FROM {saved} AS s WHERE {filled} \
             AND NOT EXISTS (SELECT FROM {parent} AS p WHERE {same}){staged}",
            saved = target.stage("saved"),
            filled = filled.join(" AND "),
            parent = quote::table(&parent.name),
            same = same("p"),
            staged = staged.concat(),
        )
    })
}
