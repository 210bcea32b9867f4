//! Scripts that are tried out on a database made for it.

use std::time::Instant;

use crate::error::{Error, Result};
use crate::ident::Revision;
use crate::model::event::{Event, Observer};
use crate::model::migration::Script as File;
use crate::ops::context::Context;
use crate::pg::held::Watch;
use crate::pg::inspect::{self, Scope};
use crate::pg::script::{self, Script};
use crate::pg::session::{self, Client};
use crate::pg::transaction;
use crate::sql::statement::{Kind, Name, Statement};
use crate::sql::words::Words;
use crate::sql::{builtin, parse};

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
            let judged = within_database(client, file, &statements).await;
            transaction::abandon(client).await;
            judged?;
            let script = self.script(file, &statements);
            for statement in &statements {
                script::check_copy(&script, statement)?;
            }
            for statement in &statements {
                script::run_one(client, &script, statement, &Quiet, false).await?;
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
        within_database(client, file, statements).await?;
        transaction::script(client).await?;
        let whole = self.script(file, statements);
        if let Some(watch) = watch {
            script::check(&whole)?;
            for statement in statements {
                let began = Instant::now();
                let one = self.script(file, std::slice::from_ref(statement));
                script::run(client, &one, &Quiet, false).await?;
                watch
                    .note(client, (&file.path, statement.line), began)
                    .await?;
            }
        } else {
            script::run(client, &whole, &Quiet, false).await?;
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

/// Refuses what may reach beyond the database when `statements` of a script run, in the open
/// transaction.
pub async fn within_database(client: &Client, file: &File, statements: &[Statement]) -> Result<()> {
    stays_inside(file, statements)?;
    runs_inside(client, file, statements).await
}

async fn runs_inside(client: &Client, file: &File, statements: &[Statement]) -> Result<()> {
    let stores = |s: &&Statement| matches!(&s.kind, Kind::Definition { .. });
    // What a script defines it may run itself.
    let runs = statements.iter().any(|s| {
        let changes = matches!(
            s.kind,
            Kind::Delete(_) | Kind::Update(_) | Kind::Insert { .. } | Kind::Changes { .. }
        );
        changes || matches!(s.kind, Kind::Opaque { .. }) || !s.functions.is_empty()
    });
    let mut words = Words::default();
    for statement in statements.iter().filter(|s| runs || !stores(s)) {
        words.add(&statement.text);
    }
    transaction::ours(client).await?;
    let found = inspect::reaching(client, &words, Scope::Named).await?;
    found.first().map_or(Ok(()), |what| {
        Err(Error::refused(format!(
            "{}: not tried out, since {what} reaches beyond the database, or may, and it may be \
             run",
            file.path
        )))
    })
}

/// Refuses what is known to reach beyond the database that the scripts are tried out in: roles,
/// files, programs, other servers.
fn stays_inside(file: &File, statements: &[Statement]) -> Result<()> {
    let Some((statement, what)) = statements.iter().find_map(|s| Some((s, beyond(s)?))) else {
        return Ok(());
    };
    Err(Error::refused(format!(
        "{}:{}: not tried out, since {what} reaches beyond the database",
        file.path, statement.line
    )))
}

/// What of `statement` reaches beyond its database.
fn beyond(statement: &Statement) -> Option<String> {
    match &statement.kind {
        Kind::Refuse { what, why } if parse::is_beyond_the_database(what, why) => {
            Some(what.clone())
        }
        // A file or a program of the server: what comes from the client is in the script.
        Kind::CopyFrom(_) if statement.data.is_none() => Some("COPY FROM".to_owned()),
        Kind::Opaque { .. } => {
            let words = Words::of(&statement.text);
            let name = |word: &String| Name {
                schema: None,
                name: word.clone(),
            };
            let mut called = words.called.iter().map(name);
            let called = called.find(builtin::reaches_beyond);
            called
                .map(|function| format!("{function}()"))
                .or_else(|| inspect::beyond(&statement.text))
        }
        Kind::NonTransactional {
            what,
            definition_only: false,
        } => Some(what.clone()),
        _ => {
            let mut functions = statement.functions.iter();
            let called = functions.find(|f| builtin::reaches_beyond(f));
            called.map(|function| format!("{function}()"))
        }
    }
}

/// Nobody wants to hear of each statement here.
struct Quiet;

impl Observer for Quiet {
    fn observe(&self, _: Event) {}
}
