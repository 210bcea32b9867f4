//! `migrate repair`: bring the ledger in line with files that were edited or removed, and find a
//! way on after a script that failed half-way outside a transaction.

use crate::error::{Error, Result};
use crate::ident::{Revision, TableName};
use crate::model::consent::Consent;
use crate::model::ledger::{Entry, Verb};
use crate::model::migration::{Migration, Script};
use crate::ops::beside;
use crate::ops::context::Context;
use crate::ops::marking::Marking;
use crate::ops::task::Task;
use crate::pg::connect;
use crate::pg::ledger;
use crate::pg::lock;
use crate::pg::progress;
use crate::pg::progress::Step;
use crate::pg::session;
use crate::pg::session::Transaction;
use crate::pg::steps;
use crate::source;
use crate::sql::code;
use crate::sql::mask;

/// What to do about what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Edited files become what was applied.
    Accept,
    /// A failed migration was finished by hand: it counts as applied.
    Applied,
    /// A failed migration begins anew; one without a file is taken out of the ledger.
    Forget,
}

/// What is wrong with a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The files are not what was applied.
    Edited {
        /// Up and down as stored.
        stored: (String, Option<String>),
        /// Up and down as in the files.
        files: (Script, Option<Script>),
        /// Nothing but comments and white space differs.
        harmless: bool,
    },
    /// It is applied, and its file is gone.
    Missing,
    /// Its script stopped half-way, outside a transaction.
    Failed {
        /// The script's path.
        path: String,
        /// The statements begun, in order.
        steps: Vec<Step>,
        /// Invalid indexes that the script names.
        invalid: Vec<TableName>,
    },
}

/// A migration and what is wrong with it.
#[derive(Debug, Clone)]
pub struct Item {
    /// The revision.
    pub revision: Revision,
    /// Its name.
    pub name: String,
    /// What is wrong.
    pub trouble: Trouble,
    /// Whether the way chosen mends it.
    pub mended: bool,
}

/// What would be repaired.
#[derive(Debug, Clone)]
pub struct RepairPlan {
    /// The database, as the server names it.
    pub database: String,
    /// All that is wrong, or wrong with the revisions named.
    pub items: Vec<Item>,
    way: Way,
    named: Vec<String>,
}

impl RepairPlan {
    /// How many of the items would be mended.
    pub fn mended(&self) -> usize {
        self.items.iter().filter(|item| item.mended).count()
    }
}

/// Looks for what is wrong with the revisions `named`, or with any. Only reads.
pub fn plan(ctx: &Context, named: Vec<String>, way: Way) -> Task<'_, RepairPlan> {
    Box::pin(async move {
        let mut session = connect::connect(&ctx.database, "pgbelay repair").await?;
        let database = session.database().to_owned();
        let transaction = session::reading(session.client_mut(), ctx.lock_timeout).await?;
        let items = find(ctx, &transaction, &named, way).await?;
        Ok(RepairPlan {
            database,
            items,
            way,
            named,
        })
    })
}

async fn find(
    ctx: &Context,
    transaction: &Transaction<'_>,
    named: &[String],
    way: Way,
) -> Result<Vec<Item>> {
    let migrations = ctx.read_migrations()?;
    let entries = ledger::read(transaction).await?;
    let mut items: Vec<Item> = entries
        .iter()
        .filter_map(|entry| differing(entry, &migrations, way))
        .collect();
    let invalid = steps::invalid_indexes(transaction.client()).await?;
    for (revision, back) in progress::unfinished(transaction).await? {
        let file = migrations.iter().find(|m| m.revision == revision);
        let script = file.and_then(|m| if back { m.down.as_ref() } else { Some(&m.up) });
        let text = script.map_or("", |script| script.text.as_str());
        let invalid: Vec<TableName> = (invalid.iter())
            .filter(|index| mask::mentions(text, &index.name))
            .cloned()
            .collect();
        let sound = way == Way::Forget || way == Way::Applied && file.is_some() && !back;
        items.push(Item {
            name: file.map_or_else(String::new, |m| m.name.clone()),
            mended: sound && (way == Way::Forget || invalid.is_empty()),
            trouble: Trouble::Failed {
                path: script.map_or_else(|| revision.to_string(), |script| script.path.clone()),
                steps: progress::read(transaction, &revision, back).await?,
                invalid,
            },
            revision,
        });
    }
    if named.is_empty() {
        // What takes something away has to be named.
        for item in items.iter_mut().filter(|_| way != Way::Accept) {
            item.mended = false;
        }
        return Ok(items);
    }
    let known: Vec<(Revision, String)> = entries
        .iter()
        .map(|e| (e.revision.clone(), format!("{}_{}", e.revision, e.name)))
        .chain(
            migrations
                .iter()
                .map(|m| (m.revision.clone(), m.full_name())),
        )
        .collect();
    let mut chosen = Vec::new();
    for name in named {
        chosen.extend(source::resolve(name, &known, None)?.revision().cloned());
    }
    items.retain(|item| chosen.contains(&item.revision));
    Ok(items)
}

fn differing(entry: &Entry, migrations: &[Migration], way: Way) -> Option<Item> {
    let item = |trouble, mended| Item {
        revision: entry.revision.clone(),
        name: entry.name.clone(),
        trouble,
        mended,
    };
    let Some(file) = migrations.iter().find(|m| m.revision == entry.revision) else {
        return Some(item(Trouble::Missing, way == Way::Forget));
    };
    let down = file.down.as_ref().map(Script::checksum);
    if (file.up.checksum(), down) == (entry.up_checksum, entry.down_checksum) {
        return None;
    }
    let before = entry.down_text.as_deref().unwrap_or_default();
    let after = file.down.as_ref().map_or("", |down| down.text.as_str());
    let trouble = Trouble::Edited {
        stored: (entry.up_text.clone(), entry.down_text.clone()),
        files: (file.up.clone(), file.down.clone()),
        harmless: code::same(&entry.up_text, &file.up.text) && code::same(before, after),
    };
    Some(item(trouble, way == Way::Accept))
}

/// Repairs, under the migration lock. What is wrong must still be what was shown.
pub fn apply(
    ctx: &Context,
    plan: RepairPlan,
    consent: Consent,
    reason: Option<String>,
) -> Task<'_, ()> {
    Box::pin(async move {
        consent.check(&plan.database)?;
        let observer = ctx.observer.as_ref();
        let mut locked = lock::connect(&ctx.database, "pgbelay repair", ctx.wait, observer).await?;
        let marking = Marking {
            ctx,
            verb: Verb::Repair,
            reason,
            consent: consent.by().to_owned(),
        };
        let mut transaction = marking.begin(&mut locked).await?;
        if plan.way != Way::Accept {
            beside::refuse_marking(transaction.client()).await?;
        }
        let now = find(ctx, &transaction, &plan.named, plan.way).await?;
        let shape = |items: &[Item]| -> Vec<(Revision, Trouble)> {
            let mended = items.iter().filter(|item| item.mended);
            mended
                .map(|item| (item.revision.clone(), item.trouble.clone()))
                .collect()
        };
        if shape(&now) != shape(&plan.items) {
            return Err(
                Error::refused("files or ledger changed since the plan was made")
                    .hint("nothing was changed; run the command again"),
            );
        }
        let from = ledger::head(&transaction).await?;
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        let entries = ledger::read(&transaction).await?;
        for item in now.into_iter().filter(|item| item.mended) {
            let entry = entries.iter().find(|e| e.revision == item.revision);
            match (&item.trouble, entry) {
                (
                    Trouble::Edited {
                        files: (up, down), ..
                    },
                    Some(entry),
                ) => {
                    let accepted = Entry {
                        up_checksum: up.checksum(),
                        up_text: up.text.clone(),
                        down_checksum: down.as_ref().map(Script::checksum),
                        down_text: down.as_ref().map(|down| down.text.clone()),
                        ..entry.clone()
                    };
                    ledger::accept(&transaction, &accepted).await?;
                    added.push(item.revision);
                }
                (Trouble::Missing, Some(entry)) => {
                    marking
                        .remove(&transaction, std::slice::from_ref(entry))
                        .await?;
                    removed.push(item.revision);
                }
                (Trouble::Failed { .. }, None) if plan.way == Way::Applied => {
                    let by = marking.by(&transaction).await?;
                    let migrations = ctx.read_migrations()?;
                    let file = migrations.iter().find(|m| m.revision == item.revision);
                    let entries = file.map(|m| Entry::of(m, 0, &by)).into_iter().collect();
                    marking.add(&mut transaction, entries).await?;
                    added.push(item.revision);
                }
                _ => {
                    progress::clear(&transaction, &item.revision, false).await?;
                    progress::clear(&transaction, &item.revision, true).await?;
                    removed.push(item.revision);
                }
            }
        }
        marking.commit(transaction, from, &added, &removed).await?;
        locked.release().await?;
        Ok(())
    })
}
