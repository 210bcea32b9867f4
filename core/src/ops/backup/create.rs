//! `backup create`: a database, or some of its tables, into a new backup.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::ident::TableName;
use crate::model::backup::{BackupFacts, BackupKind};
use crate::model::event::{Event, Phase};
use crate::ops::backup::before;
use crate::ops::backup::large_objects;
use crate::ops::backup::reading::{self, Contents, Held};
use crate::ops::backup::vouch;
use crate::ops::context::Context;
use crate::ops::recipients;
use crate::ops::saving;
use crate::ops::snapshot::{Purpose, commit_facts};
use crate::ops::task::Task;
use crate::pg::dump::{self, SchemaDump};
use crate::pg::options::ConnectOptions;
use crate::pg::server::{self, Server};
use crate::pg::session::Session;
use crate::pg::{connect, ledger, snapshot};
use crate::store::{self, CommitFacts, NewBackup, Scope, Selection, Store, Writer};

/// What to save.
#[derive(Debug, Clone, Default)]
pub struct Create {
    /// A name that becomes part of the id.
    pub name: Option<String>,
    /// Patterns of tables to save; empty for all.
    pub tables: Vec<String>,
    /// Patterns of tables not to save.
    pub exclude: Vec<String>,
    /// A revision: only tables that pending migrations up to it touch.
    pub before: Option<String>,
    /// The very tables to save, instead of all; what `before` comes to.
    pub only: Option<BTreeSet<TableName>>,
    /// No rows.
    pub schema_only: bool,
    /// No definitions.
    pub data_only: bool,
    /// How many connections read rows; `None`: as many as the machine has use for.
    pub jobs: Option<usize>,
}

impl Create {
    /// True when what is restored from it is the database that it was: ledger and journal then
    /// travel with it. They say what the definitions are, so they don't go with rows alone.
    pub const fn whole(&self) -> bool {
        self.tables.is_empty() && self.only.is_none() && !self.schema_only && !self.data_only
    }

    fn scope(&self) -> Scope {
        let full = self.tables.is_empty() && self.exclude.is_empty() && self.only.is_none();
        let only = self.only.iter().flatten().map(ToString::to_string);
        Scope {
            selection: if full {
                Selection::Full
            } else {
                Selection::Patterns {
                    include: self.tables.iter().cloned().chain(only).collect(),
                    exclude: self.exclude.clone(),
                }
            },
            schema_only: self.schema_only,
            data_only: self.data_only,
        }
    }
}

/// Makes a backup by hand. Definitions are always those of the whole database, as of the same
/// instant as the rows; patterns choose whose rows are saved.
///
/// A backup of what pending migrations touch is one before a migration: it is pinned, and bears
/// the revision in its id.
pub fn create(ctx: &Context, mut options: Create) -> Task<'_, BackupFacts> {
    Box::pin(async move {
        let mut kind = BackupKind::Manual;
        if let Some(revision) = options.before.take() {
            let touched = before::touched(ctx, &revision).await?;
            options.only = touched.tables;
            options.name = options.name.or(Some(touched.until.to_string()));
            kind = BackupKind::Premigrate;
        }
        let facts = of_kind(ctx, kind, options).await?;
        vouch::note(ctx, &facts).await;
        Ok(facts)
    })
}

/// As [`create`], for another reason.
pub async fn of_kind(ctx: &Context, kind: BackupKind, options: Create) -> Result<BackupFacts> {
    if options.schema_only && options.data_only {
        return Err(Error::usage("neither definitions nor rows are to be saved"));
    }
    store::check_recipients(&ctx.recipients)?;
    recipients::signer(ctx)?;
    let store = Store::open(&ctx.backups)?;
    ctx.observer.observe(Event::Phase(Phase::Plan));
    let session = connect::connect(&ctx.database, "pgbelay backup").await?;
    let client = session.client();
    let server = server::read(client).await?;
    if !options.data_only {
        let found = dump::find(&ctx.pg_bin, server.version_num).await;
        found.map_err(|e| e.hint("--data-only saves the rows, without any definition"))?;
    }
    let held = reading::hold(ctx, &session, &options, server.standby).await?;
    ctx.observer.observe(Event::Phase(Phase::Snapshot));
    let new = NewBackup {
        kind,
        label: options.name.clone(),
        name: options.name.clone(),
        reason: None,
        database: server.database.clone(),
        recipients: ctx.recipients.clone(),
        signing_key: ctx.signing_key.clone(),
        compression: ctx.compression,
        actor: ctx.actor.clone(),
    };
    let writer = store.begin(new.clone())?;
    let facts = fill(ctx, &session, &server, &options, held, new, writer).await?;
    vouch::remember(ctx, &facts);
    ctx.observer.observe(Event::BackupComplete {
        id: facts.id.clone(),
        rows: facts.tables.iter().map(|t| t.rows).sum(),
        bytes: facts.bytes,
    });
    Ok(facts)
}

async fn fill(
    ctx: &Context,
    session: &Session,
    server: &Server,
    options: &Create,
    held: Held,
    new: NewBackup,
    mut writer: Writer,
) -> Result<BackupFacts> {
    let client = session.client();
    let Held {
        exported,
        contents,
        crew,
    } = held;
    let purpose = Purpose {
        new,
        from: ledger::head(client).await?,
        to: None,
        details: Value::Null,
    };
    if server.encoding == "SQL_ASCII" {
        writer.raw_rows();
    }
    let here = ctx.database.at(session.host());
    let rows = contents.rows();
    let (dump, _) = tokio::try_join!(
        definitions(ctx, &here, server, options, &exported.id),
        saving::save(ctx, crew, &rows, &mut writer),
    )?;
    drop(rows);
    let mut version = None;
    if let Some(dump) = dump {
        writer.schema(&dump.pre, &dump.post)?;
        version = Some(dump.version);
    }
    if !options.schema_only {
        writer.sequences(&reading::sequences(client, &contents, options).await?)?;
    }
    large_objects::save(client, &mut writer, options).await?;
    snapshot::end(client).await?;
    ctx.observer.observe(Event::Phase(Phase::Verify));
    let facts = completed(commit_facts(server, &purpose, version), options, contents)?;
    writer.commit(facts)
}

async fn definitions(
    ctx: &Context,
    here: &ConnectOptions,
    server: &Server,
    options: &Create,
    snapshot: &str,
) -> Result<Option<SchemaDump>> {
    let (folders, version) = (&ctx.pg_bin, server.version_num);
    if options.data_only {
        Ok(None)
    } else if options.whole() {
        let dump = dump::everything(here, folders, version, Some(snapshot)).await;
        dump.map(Some)
    } else {
        let dump = dump::schema(here, folders, version, Some(snapshot)).await;
        dump.map(Some)
    }
}

fn completed(facts: CommitFacts, options: &Create, contents: Contents) -> Result<CommitFacts> {
    Ok(CommitFacts {
        scope: options.scope(),
        details: contents.details().to_json()?,
        skipped: contents.skipped,
        settings: contents.settings,
        ..facts
    })
}
