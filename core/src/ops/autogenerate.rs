//! `migrate revision --autogenerate`: a migration for what was changed beside the migrations.
//!
//! The schema that is there is compared with the one that the applied migrations build on a database
//! made for it; the statements that lead from one to the other, and back, are tried out there. What
//! they don't reach is said, and stands in the scripts.

use std::path::PathBuf;

use crate::clock;
use crate::error::{Error, Result};
use crate::ident::Revision;
use crate::model::event::{Event, Phase};
use crate::model::ledger::Entry as Applied;
use crate::model::migration::Script;
use crate::ops::context::Context;
use crate::ops::drift;
use crate::ops::schema_drift::{self, regardless_of_roles};
use crate::ops::task::Task;
use crate::ops::trial::Trial;
use crate::pg::scratch::Scratch;
use crate::pg::session::Client;
use crate::pg::{catalog, connect, dump, ledger, server, session};
use crate::schema::rebuild::{Manner, rebuild};
use crate::schema::{Catalog, Entry, diff, dump_entries};
use crate::source::{self, Body};

const APPLICATION: &str = "pgbelay autogenerate";

/// What is asked of it.
#[derive(Debug, Clone)]
pub struct Request {
    /// What the migration does, for its name.
    pub message: String,
    /// What has to be applied before it.
    pub depends_on: Vec<Revision>,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Generated {
    /// The files: the way forward, then the way back where it has one of its own. None where nothing
    /// differs.
    pub files: Vec<PathBuf>,
    /// What the statements don't reach, in words: to be added by hand.
    pub left: Vec<String>,
}

/// Writes a migration that makes the schema as it is of the one that the migrations make.
pub fn run<'a>(ctx: &'a Context, request: &'a Request) -> Task<'a, Generated> {
    Box::pin(async move {
        if ctx.production {
            return Err(
                Error::refused("this database is production: nothing is built beside it")
                    .hint("compare a copy on a server for development"),
            );
        }
        ctx.observer.observe(Event::Phase(Phase::Plan));
        let mut session = connect::connect(&ctx.database, APPLICATION).await?;
        let server = server::read(session.client()).await?;
        let reading = session::reading(session.client_mut(), ctx.lock_timeout).await?;
        let entries = ledger::read(&reading).await?;
        let live = catalog::read(reading.client()).await?;
        let live = schema_drift::without_seeds(reading.client(), live, &entries).await?;
        drop(reading);
        drop(session);
        let migrations = if ctx.migrations.exists() {
            ctx.read_migrations()?
        } else {
            Vec::new()
        };
        let pending = drift::pending(&migrations, &entries).len();
        if pending > 0 {
            return Err(Error::refused(format!(
                "{pending} migrations are pending: what they will change can't be told from what \
                 was changed beside them"
            ))
            .hint("apply them first: migrate upgrade"));
        }
        let there = dump::schema(&ctx.database, &ctx.pg_bin, server.version_num, None).await?;
        let there = Schema::of(&live, &there)?;
        let scratch = Scratch::create(&ctx.database, &server.encoding, &server.collation).await?;
        let compared = compare(ctx, &scratch, server.version_num, &entries, &there).await;
        let removed = scratch.remove().await;
        let Some(scripts) = compared? else {
            removed?;
            return Ok(Generated::default());
        };
        removed?;
        let body = Body {
            up: scripts.up,
            down: scripts.down,
        };
        let files = source::create(
            &ctx.migrations,
            ctx.layout,
            &request.message,
            &request.depends_on,
            Some(&body),
            clock::now(),
        )?;
        Ok(Generated {
            files,
            left: scripts.left,
        })
    })
}

/// A schema, and what `pg_dump` makes of it.
struct Schema {
    catalog: Catalog,
    entries: Vec<Entry>,
}

impl Schema {
    fn of(catalog: &Catalog, dumped: &dump::SchemaDump) -> Result<Self> {
        let mut entries = Vec::new();
        for section in [&dumped.pre, &dumped.post] {
            let text = str::from_utf8(section);
            let text = text.map_err(|_| Error::failed("the definitions are no UTF-8 text"))?;
            entries.extend(dump_entries(text));
        }
        Ok(Self {
            catalog: regardless_of_roles(catalog),
            entries,
        })
    }

    /// Statements that lead from `other` to this one.
    fn from(&self, other: &Self) -> String {
        let way = rebuild(&self.catalog, &other.catalog, &self.entries, Manner::Script);
        let lines = way.steps.iter().map(|step| format!("{};\n", step.sql));
        lines.collect()
    }
}

struct Scripts {
    up: String,
    down: String,
    left: Vec<String>,
}

/// The scripts, tried out; `None` where nothing differs.
async fn compare(
    ctx: &Context,
    scratch: &Scratch,
    version_num: i32,
    entries: &[Applied],
    there: &Schema,
) -> Result<Option<Scripts>> {
    ctx.observer.observe(Event::Phase(Phase::Scripts));
    let built = schema_drift::build(ctx, scratch, entries).await?;
    let dumped = dump::schema(scratch.options(), &ctx.pg_bin, version_num, None).await?;
    let built = Schema::of(&built, &dumped)?;
    if built.catalog.fingerprint() == there.catalog.fingerprint() {
        return Ok(None);
    }
    let (up, down) = (there.from(&built), built.from(there));
    let session = connect::connect(scratch.options(), APPLICATION).await?;
    let client = session.client();
    let mut left = Vec::new();
    for (what, text, end) in [("up", &up, there), ("down", &down, &built)] {
        if let Some(why) = tried(ctx, client, what, text, &end.catalog).await? {
            left.push(why);
            break; // the way back begins where the way there should have ended
        }
    }
    Ok(Some(Scripts {
        up: noted(&up, &left),
        down: noted(&down, &left),
        left,
    }))
}

/// Runs a script that should end in `expected`; what kept it from that, in words.
async fn tried(
    ctx: &Context,
    client: &Client,
    what: &str,
    text: &str,
    expected: &Catalog,
) -> Result<Option<String>> {
    let revision: Revision = "0".parse()?;
    let trial = Trial {
        ctx,
        client,
        revision: &revision,
    };
    if let Err(error) = trial.commit(&Script::new(what, text), true).await {
        if client.is_closed() {
            return Err(error);
        }
        return Ok(Some(format!("it fails: {}", error.in_full())));
    }
    let reached = regardless_of_roles(&schema_drift::read(ctx, client).await?);
    if reached.fingerprint() == expected.fingerprint() {
        return Ok(None);
    }
    let difference = diff(expected, &reached).render();
    Ok(Some(format!(
        "the way {what} ends elsewhere:\n{difference}"
    )))
}

/// The script, with what it doesn't reach at its top.
fn noted(script: &str, left: &[String]) -> String {
    let mut text = String::new();
    for line in left.iter().flat_map(|why| why.lines()) {
        text += &format!("-- NOT DONE: {line}\n");
    }
    text + script
}
