//! The shapes of operations that the core doesn't have yet. Each goes when its original lands.
#![allow(missing_docs, clippy::unused_async)]

use pgbelay_core::error::{Error, Result};
use pgbelay_core::ident::{BackupId, Digest, Revision, TableName};
use pgbelay_core::model::backup::{BackupFacts, Compression};
use pgbelay_core::model::consent::Consent;
use pgbelay_core::model::loss::{Finding, Loss, Verdict};
use pgbelay_core::ops::context::Context;

fn missing<T>() -> Result<T> {
    Err(Error::failed("the core of this build lacks the operation"))
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
    use super::{BackupFacts, Compression, Consent, Context, Result, TableName, missing};

    pub struct Selection {
        pub name: Option<String>,
        pub tables: Vec<String>,
        pub exclude: Vec<String>,
        pub schema: bool,
        pub data: bool,
        pub compression: Option<Compression>,
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
