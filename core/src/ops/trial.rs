//! Scripts that are tried out on a database made for it.

mod judge;

use std::time::Instant;

use crate::error::Result;
use crate::ident::Revision;
use crate::model::event::{Event, Observer};
use crate::model::migration::Script as File;
use crate::ops::context::Context;
use crate::pg::held::Watch;
use crate::pg::script::{self, Script};
use crate::pg::session::{self, Client};
use crate::pg::transaction;
use crate::sql::statement::Statement;
use crate::sql::{parse, runs};

pub use judge::all_within_database;

/// Runs scripts of one migration.
#[derive(Clone, Copy)]
pub struct Trial<'a> {
    /// Its bounds on waiting are kept.
    pub ctx: &'a Context,
    /// The connection to the database made for it.
    pub client: &'a Client,
    /// The migration.
    pub revision: &'a Revision,
}

impl Trial<'_> {
    /// Runs the script and makes it final.
    pub async fn commit(&self, file: &File, transactional: bool) -> Result<()> {
        let client = self.client;
        session::refresh(client).await?;
        if !transactional {
            let statements = parse::script(&file.text);
            self.begin().await?;
            let judged = judge::within_database(client, file, &statements).await;
            transaction::abandon(client).await;
            judged?;
            let script = self.script(file, &statements);
            for statement in &statements {
                script::check_copy(&script, statement)?;
            }
            let mut fresh = false;
            for statement in &statements {
                if fresh && judge::is_due(client, Some(statement)).await? {
                    judge::by_now(self, file, &statements).await?;
                    fresh = false;
                }
                script::run_one(client, &script, statement, &Quiet, false).await?;
                fresh |= runs::brings_code(statement);
            }
            return Ok(());
        }
        self.begin().await?;
        let ran = self.within(file).await;
        self.end(ran).await
    }

    /// Runs `statements` of the script as a rollback does, in one transaction, makes them final and
    /// notes what they lock.
    pub async fn watched(
        &self,
        file: &File,
        statements: &[Statement],
        watch: &mut Watch,
    ) -> Result<()> {
        session::refresh(self.client).await?;
        self.begin().await?;
        let ran = self.inside(file, statements, Some(watch)).await;
        self.end(ran).await
    }

    async fn end(&self, ran: Result<()>) -> Result<()> {
        let outcome = match ran {
            Ok(()) => transaction::commit(self.client).await,
            failed => failed,
        };
        if outcome.is_err() {
            transaction::abandon(self.client).await;
        }
        outcome
    }

    /// Begins a transaction for scripts.
    pub async fn begin(&self) -> Result<()> {
        let (locks, statements) = (self.ctx.lock_timeout, self.ctx.statement_timeout);
        transaction::begin(self.client, locks, statements).await
    }

    /// Runs the script in the open transaction.
    pub async fn within(&self, file: &File) -> Result<()> {
        let statements = parse::script(&file.text);
        let own = parse::own_transaction(&statements).unwrap_or(&statements);
        self.inside(file, own, None).await
    }

    async fn inside(
        &self,
        file: &File,
        statements: &[Statement],
        watch: Option<&mut Watch>,
    ) -> Result<()> {
        let client = self.client;
        judge::within_database(client, file, statements).await?;
        transaction::script(client).await?;
        let whole = self.script(file, statements);
        script::check(&whole)?;
        let mut watch = watch;
        let alone = watch.is_some();
        let together = |one: &Statement, _: &Statement| !alone && !runs::brings_code(one);
        let mut fresh = false;
        for some in statements.chunk_by(together) {
            if fresh && judge::is_due(client, some.first()).await? {
                judge::by_now(self, file, statements).await?;
                fresh = false;
            }
            let began = Instant::now();
            script::run(client, &self.script(file, some), &Quiet, false).await?;
            if let (Some(watch), [statement]) = (&mut watch, some) {
                watch
                    .note(client, (&file.path, statement.line), began)
                    .await?;
            }
            fresh |= some.last().is_some_and(runs::brings_code);
        }
        if fresh {
            // Triggers may wait until the end.
            judge::by_now(self, file, statements).await?;
        }
        session::settle(client).await
    }

    fn script<'a>(&'a self, file: &'a File, statements: &'a [Statement]) -> Script<'a> {
        Script {
            revision: self.revision,
            path: &file.path,
            text: &file.text,
            statements,
        }
    }
}

/// Nobody wants to hear of each statement here.
struct Quiet;

impl Observer for Quiet {
    fn observe(&self, _: Event) {}
}
