//! What every operation needs to know of the world, resolved once by the caller.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::ident::Digest;
use crate::model::ask::Ask;
use crate::model::backup::Compression;
use crate::model::event::Observer;
use crate::model::layout::Layout;
use crate::model::location::Location;
use crate::model::migration::Migration;
use crate::model::proof::Bounds;
use crate::pg::options::ConnectOptions;
use crate::source;

/// What is known of the recipients of new backups.
#[derive(Debug, Clone, Default)]
pub struct Named {
    /// Where they are named, in words.
    pub by: String,
    /// They stand in `.env`, or in a file that it names: whoever wrote that chose who can open backups.
    pub in_dotenv: bool,
    /// Who could open this database's newest backup, where these are others; for the journal.
    pub before: Option<Vec<String>>,
}

/// The surroundings of an operation.
#[derive(Clone)]
pub struct Context {
    /// The database.
    pub database: ConnectOptions,
    /// The folder of migrations.
    pub migrations: PathBuf,
    /// How that folder is laid out; `None`: found by looking.
    pub layout: Option<Layout>,
    /// What was found by looking.
    pub found_layout: OnceLock<Layout>,
    /// The folder of seeds.
    pub seeds: PathBuf,
    /// Where backups live.
    pub backups: Location,
    /// age recipients, as text; may be empty.
    pub recipients: Vec<String>,
    /// Where they are named, and who could open the backup before.
    pub named: Named,
    /// The file with the key that signs new backups, if they are to be signed.
    pub signing_key: Option<PathBuf>,
    /// Files with age identities; may be empty, and some may not exist.
    pub identities: Vec<PathBuf>,
    /// How new backups are compressed.
    pub compression: Compression,
    /// How long one attempt to get table locks may take.
    pub lock_timeout: Duration,
    /// A bound on each statement of a script; `None`: no bound, whatever the server says.
    pub statement_timeout: Option<Duration>,
    /// How much the undo of a rollback may take that is tried before it is committed.
    pub proof: Bounds,
    /// How long to wait for the migration lock.
    pub wait: Duration,
    /// What may vouch for a backup.
    pub vouching: Vouching,
    /// Who runs this and from where: `user@host`.
    pub actor: String,
    /// True when configuration or the database's name says this is production.
    pub production: bool,
    /// Folders to look for `pg_dump` and `psql` in, best first.
    pub pg_bin: Folders,
    /// Whom to ask for passphrases.
    pub ask: Arc<dyn Ask>,
    /// Who listens.
    pub observer: Arc<dyn Observer>,
    /// Tell the observer each statement sent, literals masked.
    pub echo_sql: bool,
}

/// Whose signatures count, and who says so.
#[derive(Debug, Clone)]
pub struct Signers {
    /// The file that lists them.
    pub file: PathBuf,
    /// Where it is named, in words.
    pub by: String,
    /// It is named in `.env`, or in a file that `.env` names: whoever wrote that can't have a say in
    /// whose definitions are run.
    pub in_dotenv: bool,
}

/// What may vouch for a backup, and what is trusted without.
#[derive(Debug, Clone, Default)]
pub struct Vouching {
    /// The digest that the manifest must have.
    pub expect: Option<Digest>,
    /// Whose signatures count; `None`: none does, and none is looked at.
    pub signers: Option<Signers>,
    /// Run definitions that nothing vouches for.
    pub trust: bool,
    /// The folder in which this machine remembers digests.
    pub memory: Option<PathBuf>,
    /// Another database whose journal is asked: the one that was backed up, where a new one is
    /// restored into.
    pub journal: Option<ConnectOptions>,
}

/// Folders that are not looked for before somebody asks: that takes other programs.
#[derive(Clone)]
pub struct Folders(Arc<LazyLock<Vec<PathBuf>, Find>>);

type Find = Box<dyn FnOnce() -> Vec<PathBuf> + Send + Sync>;

impl Folders {
    /// Those that `find` finds.
    pub fn new(find: impl FnOnce() -> Vec<PathBuf> + Send + Sync + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(find))))
    }
}

impl Deref for Folders {
    type Target = [PathBuf];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Context {
    /// The migrations of the folder, in the order in which they are applied.
    pub fn read_migrations(&self) -> Result<Vec<Migration>> {
        source::read_as(&self.migrations, self.known_layout()).map(|read| self.keep_layout(read))
    }

    /// As [`read_migrations`](Self::read_migrations), begun at once on a thread of its own.
    pub fn reading_migrations(&self) -> impl Future<Output = Result<Vec<Migration>>> + Send + '_ {
        let (folder, known) = (self.migrations.clone(), self.known_layout());
        let reading = tokio::task::spawn_blocking(move || source::read_as(&folder, known));
        async move {
            let read = reading.await;
            let stopped = |e| Error::failed("reading the migrations stopped").caused_by(e);
            read.map_err(stopped)?.map(|read| self.keep_layout(read))
        }
    }

    fn known_layout(&self) -> Option<Layout> {
        self.layout.or_else(|| self.found_layout.get().copied())
    }

    fn keep_layout(&self, (layout, migrations): (Layout, Vec<Migration>)) -> Vec<Migration> {
        if self.layout.is_none() {
            self.found_layout.get_or_init(|| layout);
        }
        migrations
    }

    /// How the folder is laid out.
    pub fn find_layout(&self) -> Result<Layout> {
        if let Some(layout) = self.known_layout() {
            return Ok(layout);
        }
        let layout = source::look(&self.migrations)?;
        Ok(*self.found_layout.get_or_init(|| layout))
    }
}
