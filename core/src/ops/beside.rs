//! Staying beside another tool: its ledger and ours say the same, whoever applies or takes back.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::ident::Revision;
use crate::model::ledger::Entry;
use crate::model::migration::Migration;
use crate::model::relation::{Oid, World};
use crate::pg::foreign;
use crate::pg::foreign::{Applied, Foreign, New, Says};
use crate::pg::session::Client;
use crate::source;

/// A migration that another tool has applied.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The migration, from its files.
    pub migration: Migration,
    /// What the tool knows of it; `None` where it only knows the newest.
    pub applied: Option<Applied>,
}

/// The migrations that `says` tells of, in the order of application. Versions without a file are
/// a refusal: nobody could take them back.
pub fn taken(foreign: &Foreign, says: &Says, migrations: &[Migration]) -> Result<Vec<Taken>> {
    let place = |version: &str| {
        let revision = version.parse::<Revision>().ok();
        let mut all = migrations.iter();
        all.position(|m| Some(&m.revision) == revision.as_ref() || m.name == version)
    };
    let upto = |end: usize| {
        let all = migrations[..=end].iter();
        all.map(|m| Taken {
            migration: m.clone(),
            applied: None,
        })
    };
    let mut missing: Vec<&str> = Vec::new();
    let mut found: Vec<Taken> = Vec::new();
    match says {
        Says::Head(None) => {}
        Says::Head(Some(version)) => match place(version) {
            Some(end) => found.extend(upto(end)),
            None => missing.push(version),
        },
        Says::Each(rows) => {
            for applied in rows {
                match place(&applied.version) {
                    Some(end) if applied.baseline => found.extend(upto(end)),
                    Some(place) => found.push(Taken {
                        migration: migrations[place].clone(),
                        applied: Some(applied.clone()),
                    }),
                    None => missing.push(&applied.version),
                }
            }
        }
    }
    if missing.is_empty() {
        return Ok(found);
    }
    Err(Error::refused(format!(
        "{} has applied what has no file here: {}",
        foreign.tool,
        missing.join(", ")
    ))
    .hint("is this the right folder? name it with --migrations"))
}

/// Refuses where the ledger of the other tool, if there is one, says something else than ours.
pub async fn check(client: &Client, entries: &[Entry], migrations: &[Migration]) -> Result<()> {
    match foreign::beside(client).await? {
        Some(foreign) => compare(client, &foreign, entries, migrations).await,
        None => Ok(()),
    }
}

/// As [`check`], where the other tool is known.
pub async fn compare(
    client: &Client,
    foreign: &Foreign,
    entries: &[Entry],
    migrations: &[Migration],
) -> Result<()> {
    let says = foreign.read(client).await?;
    let there = taken(foreign, &says, migrations)?;
    let ours = |revision: &Revision| entries.iter().any(|e| e.revision == *revision);
    let theirs = |revision: &Revision| there.iter().any(|t| t.migration.revision == *revision);
    let more = there
        .iter()
        .map(|t| &t.migration.revision)
        .filter(|r| !ours(r));
    let fewer = entries.iter().map(|e| &e.revision).filter(|r| !theirs(r));
    let mut told: Vec<String> = more.map(|r| format!("{r} was applied")).collect();
    told.extend(fewer.map(|r| format!("{r} was taken back")));
    if told.is_empty() {
        return Ok(());
    }
    Err(Error::refused(format!(
        "{} was used since: {}",
        foreign.tool,
        told.join(", ")
    ))
    .hint("to bring the ledgers in line: migrate adopt --beside"))
}

/// Refuses to mark anything beside another tool: whatever is marked has to be marked there.
pub async fn refuse_marking(client: &Client) -> Result<()> {
    match foreign::beside(client).await? {
        None => Ok(()),
        Some(foreign) => Err(Error::refused(format!(
            "this ledger is kept in step with that of {}",
            foreign.tool
        ))
        .hint(format!(
            "mark it with {}, and then: migrate adopt --beside",
            foreign.tool
        ))),
    }
}

/// The tables of `world` that are the ledger of another tool, kept in step by us.
pub async fn tables(client: &Client, world: &World) -> Result<BTreeSet<Oid>> {
    let foreign = foreign::beside(client).await?;
    let table = foreign.and_then(|f| world.find(&f.table.schema, &f.table.name));
    Ok(table.map(|relation| relation.oid).into_iter().collect())
}

/// Tells the tool of `foreign` that `migration` was applied.
pub async fn applied(
    foreign: &Foreign,
    client: &Client,
    migration: &Migration,
    took: Duration,
) -> Result<()> {
    if !foreign.has_rows() {
        let head = (&migration.revision, migration.name.as_str());
        return foreign.set_head(client, Some(head)).await;
    }
    let new = New {
        revision: &migration.revision,
        name: &migration.name,
        path: &migration.up.path,
        checksum: source::checksum(&migration.up.path, foreign.tool)?,
        took,
    };
    foreign.add(client, &new).await
}

/// Tells the other tool, if there is one, that `entries` were taken back and `head` is the newest.
pub async fn taken_back(client: &Client, entries: &[Entry], head: Option<&Entry>) -> Result<()> {
    let Some(foreign) = foreign::beside(client).await? else {
        return Ok(());
    };
    for entry in entries {
        foreign.take_out(client, &entry.revision).await?;
    }
    let head = head.map(|e| (&e.revision, e.name.as_str()));
    foreign.set_head(client, head).await
}

/// Tells the other tool, if there is one, that `entries`, oldest first, are applied again.
pub async fn back_again(client: &Client, entries: &[Entry]) -> Result<()> {
    let Some(foreign) = foreign::beside(client).await? else {
        return Ok(());
    };
    for entry in entries {
        foreign.put_back(client, &entry.revision).await?;
    }
    let head = entries.last().map(|e| (&e.revision, e.name.as_str()));
    foreign.set_head(client, head).await
}
