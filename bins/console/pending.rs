//! The shapes of operations that the core doesn't have yet. Each goes when its original lands.
#![allow(missing_docs, clippy::unused_async)]

use std::path::PathBuf;

use pgbelay_core::clock::Timestamp;
use pgbelay_core::error::{Error, Result};
use pgbelay_core::ident::{BackupId, Digest, Revision, TableName};
use pgbelay_core::model::backup::{BackupFacts, Compression, VerifyLevel};
use pgbelay_core::model::consent::Consent;
use pgbelay_core::model::ledger::Entry;
use pgbelay_core::model::loss::{Finding, Loss, Severity, Verdict};
use pgbelay_core::model::migration::Migration;
use pgbelay_core::model::secret::Secret;
use pgbelay_core::ops::context::Context;
use pgbelay_core::pg::options::{ConnectOptions, Host, LibpqEnvironment, SslMode};

fn missing<T>() -> Result<T> {
    Err(Error::failed("the core of this build lacks the operation"))
}

/// `pg::config`.
pub mod config {
    use super::{ConnectOptions, Error, Host, LibpqEnvironment, Result, Secret, SslMode};

    pub fn resolve(url: Option<&Secret>, env: &LibpqEnvironment) -> Result<ConnectOptions> {
        let path = url.and_then(|url| url.reveal().rsplit('/').next());
        let path = path
            .and_then(|path| path.split('?').next())
            .map(str::to_owned);
        let Some(database) = path.or_else(|| env.database.clone()) else {
            return Err(Error::usage("no database is given")
                .hint("use --database-url, DATABASE_URL, or PGHOST and PGDATABASE"));
        };
        let name = env.host.clone().unwrap_or_else(|| "localhost".to_owned());
        Ok(ConnectOptions {
            hosts: vec![Host { name, port: 5432 }],
            user: env.user.clone().unwrap_or_default(),
            password: env.password.clone(),
            database,
            ssl_mode: SslMode::Prefer,
            ssl_root_cert: None,
            ssl_client: None,
            options: None,
            search_path: None,
            connect_timeout: std::time::Duration::from_secs(10),
        })
    }
}

/// `ops::upgrade`.
pub mod upgrade {
    use super::{Consent, Context, Migration, Result, Revision, missing};

    pub struct UpgradePlan {
        pub database: String,
        pub from: Option<Revision>,
        pub steps: Vec<Migration>,
    }

    pub struct Options {
        pub reason: Option<String>,
        pub consent: Option<Consent>,
    }

    pub struct Outcome {
        pub head: Option<Revision>,
        pub applied: Vec<(Revision, String)>,
    }

    pub async fn plan(_: &Context, _target: Option<&str>) -> Result<UpgradePlan> {
        missing()
    }

    pub async fn apply(_: &Context, _: UpgradePlan, _: Options) -> Result<Outcome> {
        missing()
    }
}

/// `ops::status`.
pub mod status {
    use super::{Context, Entry, Migration, Result, missing};

    #[derive(Clone, Copy)]
    pub enum State {
        Applied,
        Pending,
        Failed,
        Missing,
        Edited,
    }

    pub struct Row {
        pub state: State,
        pub entry: Option<Entry>,
        pub migration: Option<Migration>,
    }

    pub struct Status {
        pub rows: Vec<Row>,
    }

    pub async fn read(_: &Context) -> Result<Status> {
        missing()
    }
}

/// `ops::revision`.
pub mod revision {
    use super::{Context, PathBuf, Result, missing};

    pub struct Created {
        pub up: PathBuf,
        pub down: PathBuf,
    }

    pub fn create(_: &Context, _message: &str, _depends_on: &[String]) -> Result<Created> {
        missing()
    }
}

/// `ops::rollback` and `model::plan`.
pub mod rollback {
    use super::{
        BackupId, Consent, Context, Digest, Finding, Loss, Result, Revision, TableName, Verdict,
        missing,
    };

    pub enum Target {
        Revision(String),
        Steps(u32),
        Name(String),
    }

    #[derive(Clone)]
    pub struct Flags {
        pub force: bool,
        pub without_snapshot: bool,
        pub accept_drift: bool,
    }

    pub struct Step {
        pub revision: Revision,
        pub name: String,
    }

    pub struct Refusal {
        pub rule: &'static str,
        pub path: String,
        pub line: u32,
        pub reason: String,
        pub forceable: bool,
    }

    pub struct RollbackPlan {
        pub database: String,
        pub from: Option<Revision>,
        pub to: Option<Revision>,
        pub steps: Vec<Step>,
        pub losses: Vec<Loss>,
        pub findings: Vec<Finding>,
        pub refusals: Vec<Refusal>,
        pub cascades: Vec<String>,
        pub locks: Vec<(TableName, &'static str)>,
        pub not_evaluated: Vec<String>,
        pub verdict: Verdict,
        pub hash: Digest,
    }

    pub struct Options {
        pub flags: Flags,
        pub reason: Option<String>,
    }

    pub struct Outcome {
        pub head: Option<Revision>,
        pub undone: Vec<(Revision, String)>,
        pub backups: Vec<BackupId>,
    }

    pub async fn plan(_: &Context, _: &Target, _: &Flags) -> Result<RollbackPlan> {
        missing()
    }

    pub async fn apply(_: &Context, _: RollbackPlan, _: Consent, _: Options) -> Result<Outcome> {
        missing()
    }
}

/// `ops::undo`.
pub mod undo {
    use super::{BackupId, Context, Result, Revision, missing};

    pub struct UndoPlan {
        pub database: String,
        pub backup: BackupId,
        pub from: Option<Revision>,
        pub to: Option<Revision>,
        pub steps: Vec<(Revision, String)>,
    }

    pub struct Options {
        pub accept_drift: bool,
        pub reason: Option<String>,
    }

    pub struct Outcome {
        pub head: Option<Revision>,
        pub restored: u64,
    }

    pub async fn plan(_: &Context, _backup: Option<&str>) -> Result<UndoPlan> {
        missing()
    }

    pub async fn apply(_: &Context, _: UndoPlan, _: Options) -> Result<Outcome> {
        missing()
    }
}

/// `ops::backup`.
pub mod backup {
    use super::{
        BackupFacts, Compression, Consent, Context, Result, TableName, Timestamp, VerifyLevel,
        missing,
    };

    pub struct Selection {
        pub name: Option<String>,
        pub tables: Vec<String>,
        pub exclude: Vec<String>,
        pub schema: bool,
        pub data: bool,
        pub compression: Option<Compression>,
    }

    pub struct Verification {
        pub facts: BackupFacts,
        pub level: VerifyLevel,
        pub at: Timestamp,
    }

    pub struct RestorePlan {
        pub database: String,
        pub tables: Vec<TableName>,
        pub rows: u64,
        pub destroys: bool,
    }

    pub async fn create(_: &Context, _: Selection) -> Result<BackupFacts> {
        missing()
    }

    pub async fn list(_: &Context) -> Result<Vec<BackupFacts>> {
        missing()
    }

    pub async fn show(_: &Context, _backup: &str) -> Result<BackupFacts> {
        missing()
    }

    pub async fn verify(_: &Context, _backup: &str, _: VerifyLevel) -> Result<Verification> {
        missing()
    }

    pub async fn pin(_: &Context, _backup: &str, _pinned: bool) -> Result<BackupFacts> {
        missing()
    }

    pub async fn plan_restore(
        _: &Context,
        _backup: &str,
        _tables: &[String],
    ) -> Result<RestorePlan> {
        missing()
    }

    pub async fn restore(_: &Context, _: RestorePlan, _: Consent) -> Result<u64> {
        missing()
    }
}

/// `rules`.
pub mod rules {
    use super::{Finding, Result, Severity, missing};

    pub struct Rule {
        pub id: &'static str,
        pub severity: Severity,
        pub condition: &'static str,
        pub effect: &'static str,
        pub workaround: &'static str,
        pub bad: &'static str,
        pub good: &'static str,
    }

    pub static RULES: &[Rule] = &[];

    pub fn by_id(id: &str) -> Option<&'static Rule> {
        RULES.iter().find(|rule| rule.id.eq_ignore_ascii_case(id))
    }

    pub fn check_folder(_: &std::path::Path) -> Result<Vec<Finding>> {
        missing()
    }
}

/// `store::keygen`.
pub mod keygen {
    use super::{PathBuf, Result, missing};

    /// Writes an identity (mode 0600, never over an existing file) and adds its recipient to
    /// `recipients`, when given. Returns the recipient.
    pub fn keygen(_identity: &PathBuf, _recipients: Option<&PathBuf>) -> Result<String> {
        missing()
    }
}
