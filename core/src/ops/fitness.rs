//! `validate production`: is the database fit for a change now?

mod judge;

use chrono::Duration;

use crate::clock::{self, Timestamp};
use crate::model::backup::BackupFacts;
use crate::model::fitness::{Check, Light};
use crate::ops::context::Context;
use crate::ops::recipients;
use crate::ops::status::{self, State, Status};
use crate::ops::task::Task;
use crate::pg::{connect, dump, health, session};
use crate::store::{self, Place, Store};

/// A backup older than this is to be looked at.
const FRESH: Duration = Duration::hours(24);

/// Everything that was looked at.
#[derive(Debug, Clone)]
pub struct Fitness {
    /// The database, as the server names it.
    pub database: String,
    /// The checks, in the order of a walk around.
    pub checks: Vec<Check>,
}

impl Fitness {
    /// How many checks came out as `light`.
    pub fn count(&self, light: Light) -> usize {
        self.checks.iter().filter(|c| c.light == light).count()
    }
}

/// Looks at everything; changes nothing.
pub fn check(ctx: &Context) -> Task<'_, Fitness> {
    Box::pin(async move {
        let before = clock::now();
        let mut session = connect::connect(&ctx.database, "pgbelay production").await?;
        let reading = session::reading(session.client_mut(), ctx.lock_timeout).await?;
        let health = health::read(reading.client()).await?;
        let after = clock::now();
        drop(reading);
        drop(session);
        let mut checks = judge::server(&health);
        checks.push(judge::clock(health.clock, before, after));
        checks.push(migrations(&status::read(ctx).await?));
        let backups = Store::open(&ctx.backups).and_then(|s| s.list(Some(&health.database)));
        checks.push(match backups {
            Ok(list) => backup(&list, after),
            Err(error) => Check::red("backup", error.to_string(), "see to --backups"),
        });
        checks.extend(
            match Place::open(&ctx.backups).and_then(|place| place.free()) {
                // A bucket has as much room as is paid for.
                Ok(None) => None,
                Ok(Some(free)) => Some(judge::room(free, health.bytes.unsigned_abs())),
                Err(error) => Some(Check::amber("room", error.to_string(), "see to --backups")),
            },
        );
        let keys = store::check_recipients(&ctx.recipients);
        checks.push(match keys.and_then(|()| recipients::signer(ctx)) {
            Ok(_) => Check::green("keys", "recipients for new backups are named"),
            Err(error) => {
                let advice = error.hints().first().cloned().unwrap_or_default();
                Check::red("keys", error.to_string(), advice)
            }
        });
        checks.push(tools(ctx, health.version_num).await);
        Ok(Fitness {
            database: health.database,
            checks,
        })
    })
}

fn migrations(status: &Status) -> Check {
    let count = |state: State| status.lines.iter().filter(|l| l.state == state).count();
    let odd = [State::Failed, State::Edited, State::Missing];
    let mut odd: Vec<String> = (odd.into_iter())
        .filter(|state| count(*state) > 0)
        .map(|state| format!("{} {}", count(state), state.as_str()))
        .collect();
    if status.is_current() {
        return Check::green("migrations", "all are applied, as they are in their files");
    }
    let pending = count(State::Pending);
    if status
        .drift
        .iter()
        .all(crate::ops::drift::Drift::is_harmless)
        && count(State::Failed) == 0
    {
        let advice = "what would be done: migrate upgrade --dry-run";
        return Check::amber("migrations", format!("{pending} pending"), advice);
    }
    if pending > 0 {
        odd.push(format!("{pending} pending"));
    }
    let advice = "see what disagrees: migrate status; mend it: migrate repair";
    Check::red("migrations", odd.join(", "), advice)
}

fn backup(list: &[BackupFacts], now: Timestamp) -> Check {
    let whole = list.iter().filter(|b| b.complete && b.whole);
    let Some(newest) = whole.max_by_key(|b| b.started) else {
        let advice = "backup create";
        return Check::red(
            "backup",
            "there is no complete backup of this database",
            advice,
        );
    };
    let age = now - newest.started;
    let name = format!("{} is {}", newest.id, judge::lasting(age.as_seconds_f64()));
    if age > FRESH {
        return Check::amber("backup", format!("{name} old"), "backup create");
    }
    let Some((level, _)) = newest.verified else {
        let advice = format!("backup verify {} --level restored", newest.id);
        return Check::amber(
            "backup",
            format!("{name} old, and was never verified"),
            advice,
        );
    };
    let found = format!("{name} old, verified: {}", level.as_str());
    Check::green("backup", found)
}

async fn tools(ctx: &Context, version_num: i32) -> Check {
    match dump::find(&ctx.pg_bin, version_num).await {
        Ok(_) => Check::green("tools", "there is a pg_dump for this server"),
        Err(error) => {
            let advice = error.hints().first().cloned().unwrap_or_default();
            Check::red("tools", error.to_string(), advice)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_backup_is_red() {
        assert_eq!(backup(&[], clock::now()).light, Light::Red);
    }
}
