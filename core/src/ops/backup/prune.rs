//! `backup prune`: old backups go, by rules, and what must stay stays.

use std::time::Duration;

use crate::clock;
use crate::error::{Error, Result};
use crate::model::backup::{BackupFacts, Listing, Unreadable};
use crate::model::event::Event;
use crate::ops::backup::retention::{self, Remains, Rules, Verdict};
use crate::ops::context::Context;
use crate::store::{Store, Untouched};

/// What is to be pruned.
#[derive(Debug)]
pub struct PrunePlan {
    /// Every backup, oldest first.
    pub verdicts: Vec<Verdict>,
    /// What can't be read, and so stays.
    pub unreadable: Vec<Unreadable>,
}

impl PrunePlan {
    /// Those that go.
    pub fn going(&self) -> impl Iterator<Item = &BackupFacts> {
        let going = self.verdicts.iter().filter(|v| v.reasons.is_empty());
        going.map(|v| &v.facts)
    }
}

/// Judges all backups of the store. Incomplete ones go when nobody has written to them for
/// `grace`.
pub fn plan(ctx: &Context, rules: &Rules, grace: Duration) -> Result<PrunePlan> {
    if rules.is_empty() {
        return Err(
            Error::usage("there is no rule that says what to keep").hint(
                "give one at least: --keep-last, --keep-hourly, --keep-daily, --keep-weekly, \
             --keep-monthly or --keep-within",
            ),
        );
    }
    let store = Store::open(&ctx.backups)?;
    // A bucket that doesn't answer is an error: nothing is judged by half of a list.
    let Listing {
        backups,
        unreadable,
    } = store.survey(None)?;
    let remains = |facts: &BackupFacts| match store.untouched(facts) {
        Ok(Untouched::Since(at)) => Remains::Since(at),
        // What can't be looked at stays.
        Ok(Untouched::Damaged) | Err(_) => Remains::Damaged,
    };
    let mut verdicts = retention::judge(backups, rules, clock::now(), grace, remains);
    retention::spare_neighbours(&mut verdicts, &unreadable);
    Ok(PrunePlan {
        verdicts,
        unreadable,
    })
}

/// Deletes what goes, oldest first. Returns what is gone.
pub fn apply(ctx: &Context, plan: &PrunePlan) -> Result<Vec<BackupFacts>> {
    let store = Store::open(&ctx.backups)?;
    let mut gone: Vec<BackupFacts> = Vec::new();
    for facts in plan.going() {
        match store.remove_unless_changed(facts) {
            Ok(true) => gone.push(facts.clone()),
            Ok(false) => ctx.observer.observe(Event::Warning(format!(
                "{} changed meanwhile, and stays",
                facts.id
            ))),
            Err(error) => {
                let ids = gone.iter().map(|f| format!("{} was deleted", f.id));
                return Err(ids.fold(error, Error::done));
            }
        }
    }
    Ok(gone)
}
