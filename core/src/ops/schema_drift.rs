//! `validate drift`: is the schema what the migrations made of it?
//!
//! Asked twice: of what was recorded when the newest migration was applied, and of a database that
//! is built from what was applied. The first tells what happened since; the second also what went
//! wrong before, or was there already.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::ident::{Digest, Revision};
use crate::model::event::{Event, Phase};
use crate::model::ledger::Entry;
use crate::model::migration::Script;
use crate::ops::context::Context;
use crate::ops::former::{self, Records};
use crate::ops::stored_catalog;
use crate::ops::task::Task;
use crate::ops::trial::Trial;
use crate::pg::scratch::Scratch;
use crate::pg::session::Client;
use crate::pg::{catalog, connect, ledger, seeds, server, session, transaction};
use crate::schema::{Catalog, Object, ObjectKey, ObjectKind, bookkeeping, diff};

const APPLICATION: &str = "pgbelay drift";

/// What a comparison came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// Nothing differs.
    Same,
    /// What differs, readable: `-` should be, `+` is.
    Differs(String),
    /// Why it could not be made.
    Unknown(String),
}

/// The schema beside what it should be.
#[derive(Debug, Clone)]
pub struct SchemaDrift {
    /// The database, as the server names it.
    pub database: String,
    /// The revision applied last.
    pub revision: Revision,
    /// Beside what was recorded with that.
    pub recorded: Comparison,
    /// Beside what the applied scripts build. Whose things are, and who may use them, is left out:
    /// what is built belongs to whoever builds it.
    pub built: Comparison,
}

impl SchemaDrift {
    /// True when any comparison found something.
    pub const fn found(&self) -> bool {
        matches!(self.recorded, Comparison::Differs(_))
            || matches!(self.built, Comparison::Differs(_))
    }
}

/// Compares the schema; on a database only for that as well if `with_build` is true.
///
/// Refuses to answer when neither comparison can be made.
pub fn find(ctx: &Context, with_build: bool) -> Task<'_, SchemaDrift> {
    Box::pin(async move {
        ctx.observer.observe(Event::Phase(Phase::Plan));
        let mut session = connect::connect(&ctx.database, APPLICATION).await?;
        let database = session.database().to_owned();
        let server = server::read(session.client()).await?;
        let reading = session::reading(session.client_mut(), ctx.lock_timeout).await?;
        let mut entries = ledger::read(&reading).await?;
        let recorded = catalog::read_with_every_option(reading.client()).await?;
        let (live, unknown) = bookkeeping::strip_catalog(&recorded);
        let restated = former::restate(&mut entries, &recorded, &live)?;
        former::tell(ctx, &restated, &unknown);
        let Some(newest) = entries.last() else {
            return Err(Error::usage(format!(
                "no migration is applied to {database}, so there is nothing to compare with"
            ))
            .hint("a database that was there before its migrations: migrate baseline"));
        };
        let without = without_seeds(reading.client(), live.clone(), &entries).await?;
        let records = Records::of(&entries, &recorded)?;
        let recorded = newest.fingerprint_after;
        let recorded = beside_record(&live, &without, &entries, recorded, &records)?;
        drop(reading);
        drop(session);
        let built = if !with_build {
            Comparison::Unknown("not asked for".to_owned())
        } else if ctx.production {
            Comparison::Unknown(
                "this database is production: nothing is built beside it".to_owned(),
            )
        } else {
            match beside_build(ctx, &server, &without, &entries).await {
                Ok(comparison) => comparison,
                Err(error) => Comparison::Unknown(error.in_full()),
            }
        };
        if let (Comparison::Unknown(recorded), Comparison::Unknown(built)) = (&recorded, &built) {
            return Err(Error::refused(format!(
                "the schema of {database} can't be compared with anything"
            ))
            .hint(format!("with what was recorded: {recorded}"))
            .hint(format!("with what the migrations build: {built}")));
        }
        Ok(SchemaDrift {
            database,
            revision: newest.revision.clone(),
            recorded,
            built,
        })
    })
}

/// Compares with what was recorded: `without` is the schema without what seeds made since.
fn beside_record(
    live: &Catalog,
    without: &Catalog,
    entries: &[Entry],
    recorded: Option<Digest>,
    records: &Records,
) -> Result<Comparison> {
    let Some(recorded) = recorded else {
        return Ok(Comparison::Unknown(
            "no schema was recorded with the newest migration".to_owned(),
        ));
    };
    if [live, without].iter().any(|c| records.are_of(recorded, c)) {
        return Ok(Comparison::Same);
    }
    // What migrations left of each object that any of them touched.
    let mut left: BTreeMap<ObjectKey, Option<Object>> = BTreeMap::new();
    for change in entries.iter().filter_map(|entry| entry.change.as_ref()) {
        for (key, _, after) in stored_catalog::delta_from_json(change)?.changes {
            left.insert(key, after);
        }
    }
    let over = |mut catalog: Catalog| {
        for (key, object) in &left {
            match object {
                Some(object) => catalog.insert(key.clone(), object.clone()),
                None => drop(catalog.remove(key)),
            }
        }
        catalog
    };
    // All that is there besides was there before; or none of it but what every database begins
    // with. Which of them is true, the fingerprint tells.
    let expected = [over(without.clone()), over(bare(without))];
    let proven = expected.iter().find(|c| records.are_of(recorded, c));
    if let Some(expected) = proven {
        return Ok(Comparison::Differs(diff(expected, without).render()));
    }
    let [expected, _] = expected;
    Ok(Comparison::Differs(format!(
        "{}something differs that no migration made: what it was is not recorded\n",
        diff(&expected, without).render()
    )))
}

/// What of `catalog` new databases begin with.
fn bare(catalog: &Catalog) -> Catalog {
    let about = ["schema public", "extension ", "language "];
    let begins_with = |key: &ObjectKey| match key.kind {
        ObjectKind::Schema => key.name == "public",
        ObjectKind::Extension | ObjectKind::Language => true,
        ObjectKind::Owner | ObjectKind::Acl | ObjectKind::Comment => {
            about.iter().any(|what| key.name.starts_with(what))
        }
        _ => false,
    };
    catalog.only(begins_with)
}

/// Compares with what the scripts build that were applied.
async fn beside_build(
    ctx: &Context,
    server: &server::Server,
    live: &Catalog,
    entries: &[Entry],
) -> Result<Comparison> {
    let scratch = Scratch::create(&ctx.database, &server.encoding, &server.collation).await?;
    ctx.observer.observe(Event::Phase(Phase::Scripts));
    let built = build(ctx, &scratch, entries).await;
    let removed = scratch.remove().await;
    let (built, live) = (regardless_of_roles(&built?), regardless_of_roles(live));
    removed?;
    if built.fingerprint() == live.fingerprint() {
        return Ok(Comparison::Same);
    }
    Ok(Comparison::Differs(diff(&built, &live).render()))
}

/// Builds what `entries` applied in `scratch`, and reads it.
pub async fn build(ctx: &Context, scratch: &Scratch, entries: &[Entry]) -> Result<Catalog> {
    let session = connect::connect(scratch.options(), APPLICATION).await?;
    let client = session.client();
    for (done, entry) in entries.iter().enumerate() {
        ctx.observer.observe(Event::Progress {
            phase: Phase::Scripts,
            what: format!("{} {}", entry.revision, entry.name),
            done: done as u64,
            total: entries.len() as u64,
        });
        let trial = Trial {
            ctx,
            client,
            revision: &entry.revision,
        };
        let path = format!("{}_{} as applied", entry.revision, entry.name);
        let script = Script::new(path, &entry.up_text);
        trial.commit(&script, entry.transactional).await?;
    }
    read(ctx, client).await
}

/// `live` but for what seeds made since the newest migration.
pub async fn without_seeds(
    client: &Client,
    mut live: Catalog,
    entries: &[Entry],
) -> Result<Catalog> {
    if let Some(newest) = entries.last() {
        let ran = seeds::since(client, newest.applied_at).await?;
        for change in ran.iter().filter_map(|ran| ran.change.as_ref()) {
            stored_catalog::delta_from_json(change)?.take_back(&mut live);
        }
    }
    Ok(live)
}

/// The schema of a database made for trying scripts out.
pub async fn read(ctx: &Context, client: &Client) -> Result<Catalog> {
    transaction::begin(client, ctx.lock_timeout, ctx.statement_timeout).await?;
    let catalog = catalog::read_aside(client).await;
    transaction::abandon(client).await;
    catalog
}

/// `catalog` but for whose things are, and who may use them.
pub fn regardless_of_roles(catalog: &Catalog) -> Catalog {
    let roles = [ObjectKind::Owner, ObjectKind::Acl];
    catalog.only(|key| !roles.contains(&key.kind))
}
