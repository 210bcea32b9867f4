//! `validate roundtrip`: every migration there, back, and there again, on a database that exists
//! for nothing else, with made-up rows in its tables.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::error::{Error, Result};
use crate::model::content::{Became, Content};
use crate::model::event::{Event, Phase};
use crate::model::migration::{Migration, Script as File, Target};
use crate::model::trip::{Grade, Trip};
use crate::ops::context::Context;
use crate::ops::task::Task;
use crate::ops::trial::Trial;
use crate::pg::catalog::Reading;
use crate::pg::error::sqlstate;
use crate::pg::grades::{self, Graded};
use crate::pg::inspect::{self, Scope};
use crate::pg::rehearsal::MadeUp;
use crate::pg::scratch::Scratch;
use crate::pg::session::{Client, Session};
use crate::pg::{catalog, connect, ledger, rehearsal, server, transaction};
use crate::schema::diff;
use crate::source;
use crate::sql::parse;
use crate::sql::words::Words;

const APPLICATION: &str = "pgbelay roundtrip";

/// What all round trips came to.
#[derive(Debug, Clone)]
pub struct Trips {
    /// In the order of application, as far as it went.
    pub trips: Vec<Trip>,
    /// How many migrations were not tried, since one before them could not be applied.
    pub untried: usize,
    /// Tables that no rows could be made up for: what happens to theirs is not known.
    pub without_rows: Vec<String>,
}

/// Tries all migrations up to `until`, or all there are, on the server of the context.
///
/// Scripts run as they would in earnest, so what they do beyond their database stays. That is why
/// none of it happens on a production server, and why statements on roles and the like are not run.
pub fn run<'a>(ctx: &'a Context, until: Option<&'a str>) -> Task<'a, Trips> {
    Box::pin(async move {
        if ctx.production {
            return Err(Error::refused(
                "this database is production: scripts are not tried out beside it",
            )
            .hint("name a server for development"));
        }
        ctx.observer.observe(Event::Phase(Phase::Plan));
        let migrations = chosen(ctx, until)?;
        let session = connect::connect(&ctx.database, APPLICATION).await?;
        let server = server::read(session.client()).await?;
        drop(session);
        let scratch = Scratch::create(&ctx.database, &server.encoding, &server.collation).await?;
        ctx.observer.observe(Event::Phase(Phase::Scripts));
        let outcome = all(ctx, &scratch, &migrations).await;
        let removed = scratch.remove().await;
        let trips = outcome?;
        removed?;
        if let Err(error) = keep(ctx, &migrations, &trips.trips).await {
            ctx.observer.observe(Event::Warning(format!(
                "the grades are not kept in the database: {error}"
            )));
        }
        Ok(trips)
    })
}

/// Keeps the grades where a ledger is: plans of rollbacks tell of them.
async fn keep(ctx: &Context, migrations: &[Migration], trips: &[Trip]) -> Result<()> {
    let session = connect::connect(&ctx.database, APPLICATION).await?;
    let client = session.client();
    if !ledger::exists(client).await? {
        return Ok(());
    }
    let graded = migrations
        .iter()
        .zip(trips)
        .map(|(migration, trip)| Graded {
            revision: migration.revision.clone(),
            up: migration.up.checksum(),
            down: migration.down.as_ref().map(File::checksum),
            grade: trip.grade,
        });
    grades::keep(client, &graded.collect::<Vec<_>>(), &ctx.actor).await
}

fn chosen(ctx: &Context, until: Option<&str>) -> Result<Vec<Migration>> {
    let mut migrations = ctx.read_migrations()?;
    let Some(until) = until else {
        return Ok(migrations);
    };
    let known: Vec<_> = (migrations.iter())
        .map(|m| (m.revision.clone(), m.full_name()))
        .collect();
    let last = match source::resolve(until, &known, None)? {
        Target::Base => 0,
        Target::Revision(revision) => {
            let place = migrations.iter().position(|m| m.revision == revision);
            place.map_or(0, |place| place + 1)
        }
    };
    migrations.truncate(last);
    Ok(migrations)
}

async fn all(ctx: &Context, scratch: &Scratch, migrations: &[Migration]) -> Result<Trips> {
    let session = connect::connect(scratch.options(), APPLICATION).await?;
    catalog::ready(session.client()).await?;
    let total = migrations.len();
    let mut trips = Vec::new();
    let mut last = None;
    let mut made_up = Vec::new();
    // By table, whether it ever held rows before a script ran.
    let mut held: BTreeMap<String, bool> = BTreeMap::new();
    for migration in migrations {
        ctx.observer.observe(Event::Progress {
            phase: Phase::Scripts,
            what: migration.full_name(),
            done: trips.len() as u64,
            total: total as u64,
        });
        let traveller = Traveller {
            ctx,
            session: &session,
            migration,
        };
        made_up.extend(traveller.fill().await?);
        let mut tried = Tried::default();
        let outcome = traveller.go(last.take(), &made_up, &mut tried).await;
        for (table, rows) in &tried.content.tables {
            *held.entry(table.clone()).or_default() |= rows.count > 0;
        }
        let (trip, goes_on) = match outcome {
            Ok(outcome) => outcome,
            // Not the scripts' doing, and still no reason to leave out the others.
            Err(error) => traveller.given_up(error, tried.applied).await?,
        };
        last = tried.schema;
        trips.push(Trip {
            fewer_rows: tried.fewer_rows,
            ..trip
        });
        if !goes_on {
            break;
        }
    }
    let untried = total - trips.len();
    let without_rows = held.into_iter().filter(|(_, held)| !held);
    Ok(Trips {
        trips,
        untried,
        without_rows: without_rows.map(|(table, _)| table).collect(),
    })
}

/// Schema and rows at one moment.
struct State {
    schema: Reading,
    content: Content,
}

/// How far the trip of one migration came.
#[derive(Default)]
struct Tried {
    /// What was read before it.
    schema: Option<Reading>,
    content: Content,
    fewer_rows: bool,
    applied: bool,
}

/// One migration's trip.
struct Traveller<'a> {
    ctx: &'a Context,
    session: &'a Session,
    migration: &'a Migration,
}

impl Traveller<'_> {
    const fn client(&self) -> &Client {
        self.session.client()
    }

    /// Makes rows up, where that is possible.
    async fn fill(&self) -> Result<Option<MadeUp>> {
        let client = self.client();
        let code = escaping(self.ctx, client).await?;
        if let Some(what) = code {
            self.ctx.observer.observe(Event::Warning(format!(
                "before {}, no rows are made up: {what} reaches beyond the database, or may, and \
                 they would have it run",
                self.migration.full_name()
            )));
            return Ok(None);
        }
        match rehearsal::fill(client).await {
            Ok(made_up) => Ok(Some(made_up)),
            Err(error) => {
                let why = self.script_failure(error)?;
                transaction::abandon(client).await;
                self.ctx.observer.observe(Event::Warning(format!(
                    "before {}, no rows could be made up: {why}",
                    self.migration.full_name()
                )));
                Ok(None)
            }
        }
    }

    /// There, back, and there again; whether the migration is applied in the end.
    async fn go(
        &self,
        last: Option<Reading>,
        made_up: &[MadeUp],
        tried: &mut Tried,
    ) -> Result<(Trip, bool)> {
        let mut before = self.look(last.as_ref()).await?;
        tried.content = before.content.clone();
        let (applied, fewer_rows) = self.apply(&mut before, made_up).await?;
        tried.fewer_rows = fewer_rows;
        tried.applied = applied.is_ok();
        let outcome = match applied {
            Ok(()) => self.travel(&before).await,
            Err(error) => Ok((self.failed(error)?, false)),
        };
        tried.schema = Some(before.schema);
        outcome
    }

    /// The trip of a migration that something else than its scripts stands in the way of. It is
    /// applied for those after it, if that can be done.
    async fn given_up(&self, error: Error, applied: bool) -> Result<(Trip, bool)> {
        let why = format!("it could not be tried out: {}", self.script_failure(error)?);
        transaction::abandon(self.client()).await;
        if applied {
            return Ok((self.trip(Grade::Broken, false, Some(why)), true));
        }
        let up = self
            .commit(&self.migration.up, self.migration.transactional)
            .await;
        match up {
            Ok(()) => Ok((self.trip(Grade::Broken, false, Some(why)), true)),
            Err(error) => Ok((self.failed(error)?, false)),
        }
    }

    /// Applies the migration. Where rows are in its way, those that were made up are taken away,
    /// then all; says whether that was done, and then `before` is what was there after it.
    async fn apply(&self, before: &mut State, made_up: &[MadeUp]) -> Result<(Result<()>, bool)> {
        let (up, transactional) = (&self.migration.up, self.migration.transactional);
        let mut outcome = self.commit(up, transactional).await;
        let mut fewer_rows = false;
        for which in [Some(made_up), None] {
            if !transactional || !outcome.as_ref().is_err_and(is_about_rows) {
                break;
            }
            if let Err(error) = rehearsal::clear(self.client(), which).await {
                self.script_failure(error)?;
                transaction::abandon(self.client()).await;
                break;
            }
            fewer_rows = true;
            *before = self.look(Some(&before.schema)).await?;
            outcome = self.commit(up, transactional).await;
        }
        Ok((outcome, fewer_rows))
    }

    /// The trip of a migration that could not be applied.
    fn failed(&self, error: Error) -> Result<Trip> {
        let why = self.script_failure(error)?;
        Ok(self.trip(Grade::UpFailed, false, Some(why)))
    }

    /// The trip from `before`, once the migration is applied, and whether it is after it.
    async fn travel(&self, before: &State) -> Result<(Trip, bool)> {
        let client = self.client();
        let applied = self.look(Some(&before.schema)).await?.schema;
        let Some(down) = self.migration.down.as_ref() else {
            return Ok((self.trip(Grade::Missing, false, None), true));
        };
        if parse::script(&down.text).is_empty() {
            return Ok((self.trip(Grade::Missing, false, None), true));
        }
        if self.migration.transactional && self.migration.down_transactional {
            let trip = self.there_and_back(down, before, &applied).await;
            transaction::abandon(client).await;
            return Ok((trip?, true));
        }
        self.step_by_step(down, before, &applied).await
    }

    /// Back and there again in a transaction that is taken back: whatever happens, the migration
    /// stays applied.
    async fn there_and_back(&self, down: &File, before: &State, applied: &Reading) -> Result<Trip> {
        let client = self.client();
        self.begin().await?;
        if let Err(error) = self.within(down).await {
            let why = self.script_failure(error)?;
            return Ok(self.trip(Grade::Broken, false, Some(why)));
        }
        let (grade, difference) = judge(before, &self.state(Some(applied)).await?);
        let reapplies = match self.within(&self.migration.up).await {
            Ok(()) => {
                let again = Reading::aside(client, Some(applied)).await?;
                again.fingerprint() == applied.fingerprint()
            }
            Err(error) => {
                self.script_failure(error)?;
                false
            }
        };
        Ok(self.trip(grade, reapplies, difference))
    }

    /// The same where a script can't run in a transaction.
    async fn step_by_step(
        &self,
        down: &File,
        before: &State,
        applied: &Reading,
    ) -> Result<(Trip, bool)> {
        let back = self.commit(down, self.migration.down_transactional).await;
        if let Err(error) = back {
            let why = self.script_failure(error)?;
            // Some of it may have happened.
            let now = self.look(Some(applied)).await?.schema;
            let whole = now.fingerprint() == applied.fingerprint();
            return Ok((self.trip(Grade::Broken, false, Some(why)), whole));
        }
        let (grade, difference) = judge(before, &self.look(Some(applied)).await?);
        let again = self.commit(&self.migration.up, self.migration.transactional);
        let goes_on = match again.await {
            Ok(()) => true,
            Err(error) => {
                self.script_failure(error)?;
                false
            }
        };
        let now = self.look(Some(applied)).await?.schema;
        let same = now.fingerprint() == applied.fingerprint();
        Ok((self.trip(grade, goes_on && same, difference), goes_on))
    }

    fn trip(&self, grade: Grade, reapplies: bool, difference: Option<String>) -> Trip {
        Trip {
            revision: self.migration.revision.clone(),
            name: self.migration.name.clone(),
            grade,
            reapplies,
            fewer_rows: false,
            difference,
        }
    }

    /// Why a script failed, in words; the error itself when that was not the script's doing.
    fn script_failure(&self, error: Error) -> Result<String> {
        if self.session.is_dead() {
            return Err(error);
        }
        Ok(error.in_full())
    }

    const fn trial(&self) -> Trial<'_> {
        Trial {
            ctx: self.ctx,
            client: self.session.client(),
            revision: &self.migration.revision,
        }
    }

    /// Runs the script and makes it final.
    async fn commit(&self, file: &File, transactional: bool) -> Result<()> {
        self.trial().commit(file, transactional).await
    }

    async fn begin(&self) -> Result<()> {
        self.trial().begin().await
    }

    /// Runs the script in the open transaction.
    async fn within(&self, file: &File) -> Result<()> {
        self.trial().within(file).await
    }

    /// Schema and rows as they are between transactions; `last` is what was read before.
    async fn look(&self, last: Option<&Reading>) -> Result<State> {
        self.begin().await?;
        let state = self.state(last).await;
        transaction::abandon(self.client()).await;
        state
    }

    /// Schema and rows in the open transaction.
    async fn state(&self, last: Option<&Reading>) -> Result<State> {
        Ok(State {
            schema: Reading::aside(self.client(), last).await?,
            content: rehearsal::content(self.client()).await?,
        })
    }
}

/// What would run by writing made-up rows, and reaches beyond the database.
async fn escaping(ctx: &Context, client: &Client) -> Result<Option<String>> {
    transaction::begin(client, ctx.lock_timeout, None).await?;
    let found = async {
        transaction::ours(client).await?;
        inspect::reaching(client, &Words::default(), Scope::Everything).await
    };
    let found = found.await;
    transaction::abandon(client).await;
    Ok(found?.into_iter().next())
}

/// True for what would not have failed on other rows: integrity constraints, and values that are out
/// of range or of the wrong form.
fn is_about_rows(error: &Error) -> bool {
    sqlstate(error).is_some_and(|state| state.starts_with("23") || state.starts_with("22"))
}

/// Compares what was there before with what the way back led to.
fn judge(before: &State, after: &State) -> (Grade, Option<String>) {
    let diff = diff(before.schema.catalog(), after.schema.catalog());
    if before.schema.fingerprint() != after.schema.fingerprint() {
        return (Grade::Differs, Some(diff.render()));
    }
    let lost = lost(&before.content, &after.content);
    if !lost.is_empty() {
        return (Grade::Lossy, Some(lost));
    }
    if diff.reordered.is_empty() {
        return (Grade::Exact, None);
    }
    let names: Vec<String> = diff.reordered.iter().map(ToString::to_string).collect();
    let text = format!("columns stand in another order: {}\n", names.join(", "));
    (Grade::Order, Some(text))
}

/// What held other rows, in words. Values are made up, and not told.
fn lost(before: &Content, after: &Content) -> String {
    let mut text = String::new();
    for sequence in before.moved_sequences(after) {
        let _ = writeln!(text, "sequence {sequence} stands elsewhere");
    }
    for (table, became) in before.became(after) {
        let _ = match became {
            Became::Gone { rows } => writeln!(text, "table {table}: gone, with {rows} rows"),
            Became::Counted { before, after } => {
                writeln!(text, "table {table}: {before} rows before, {after} after")
            }
            Became::Rewritten { rows } => {
                writeln!(text, "table {table}: {rows} rows, with other values")
            }
        };
    }
    text
}
