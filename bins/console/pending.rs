//! The shapes of operations that the core doesn't have yet. Each goes when its original lands.
#![allow(missing_docs, clippy::unused_async)]

use pgbelay_core::error::{Error, Result};
use pgbelay_core::ident::{BackupId, Revision, TableName};
use pgbelay_core::model::backup::{BackupFacts, Compression};
use pgbelay_core::model::consent::Consent;
use pgbelay_core::ops::context::Context;

fn missing<T>() -> Result<T> {
    Err(Error::failed("the core of this build lacks the operation"))
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
