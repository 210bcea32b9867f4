//! Reads the [`Catalog`] of a database: six queries, sent at once.
//!
//! To parse and plan them takes the server longer than to answer them for a hundred tables. So a
//! session that reads more than once, or under locks, keeps them [`ready`]; and what it knows from
//! a [`Reading`] before it need not read again.

mod queries;
mod reading;
mod tally;

use std::cell::{Cell, RefCell};

use futures_util::future::try_join3;
use tokio_postgres::{Client, Row};

use crate::error::{Error, Result};
use crate::pg::{inspect, query, session};
use crate::schema::{Catalog, Object, ObjectKey, ObjectKind, bookkeeping};

use queries::Query;

pub use queries::ready;
pub use reading::Reading;
pub use tally::Tally;

/// Everything user-made in the database, members of extensions left out.
///
/// Assumes the [`settings`](inspect::settings). Definitions come from the current catalog, not from
/// the transaction's snapshot: only locks keep them from changing meanwhile.
pub async fn read(client: &Client) -> Result<Catalog> {
    Ok(bookkeeping::strip_catalog(&read_with_every_option(client).await?).0)
}

/// As [`read`], with options that the server keeps for itself and such that nobody knows.
pub async fn read_with_every_option(client: &Client) -> Result<Catalog> {
    let known = queries::Known::ask(client).await?;
    let mut catalog = Catalog::default();
    for row in reading::all(client, &known).await? {
        let (key, object) = with_every_option(&row)?;
        catalog.insert(key, object);
    }
    Ok(catalog)
}

/// A reading that sessions share, since each is a process of the server of its own. Agrees with
/// itself as far as they share a snapshot, too.
#[derive(Debug)]
pub struct Shared {
    open: RefCell<Vec<&'static Query>>,
    taken: Cell<usize>,
    read: RefCell<Catalog>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            open: RefCell::new(queries::OBJECTS.iter().rev().collect()),
            taken: Cell::new(0),
            read: RefCell::default(),
        }
    }
}

/// A query that a session took; back it goes if that has no answer in the end.
struct Taken<'a> {
    query: &'static Query,
    shared: &'a Shared,
    answered: bool,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.shared.taken.update(|taken| taken - 1);
        if !self.answered {
            self.shared.open.borrow_mut().push(self.query);
        }
    }
}

impl Shared {
    fn take(&self) -> Option<Taken<'_>> {
        let query = self.open.borrow_mut().pop()?;
        self.taken.update(|taken| taken + 1);
        Some(Taken {
            query,
            shared: self,
            answered: false,
        })
    }

    /// Has `client` answer queries, one after the other, until there is none left that another
    /// session doesn't answer. Assumes what [`read`] does.
    pub async fn help(&self, client: &Client) -> Result<()> {
        let known = queries::Known::ask(client).await?;
        while let Some(mut taken) = self.take() {
            for row in known.rows(client, taken.query).await? {
                let (key, object) = with_every_option(&row)?;
                self.read.borrow_mut().insert(key, object);
            }
            taken.answered = true;
        }
        Ok(())
    }

    /// True while a session has a query that it hasn't answered yet.
    pub fn is_being_read(&self) -> bool {
        self.taken.get() > 0
    }

    /// What was read with every option, once all who helped are done.
    pub fn end(self) -> Catalog {
        self.read.into_inner()
    }
}

/// As [`read`], within a transaction whose settings it leaves as they were.
pub async fn read_aside(client: &Client) -> Result<Catalog> {
    aside(client, read(client)).await
}

/// As [`read_with_every_option`], within a transaction whose settings it leaves as they were.
pub async fn read_aside_with_every_option(client: &Client) -> Result<Catalog> {
    aside(client, read_with_every_option(client)).await
}

/// What `reading` gives, within a transaction whose settings it leaves as they were.
async fn aside<T>(client: &Client, reading: impl Future<Output = Result<T>>) -> Result<T> {
    let begun = query::run(client, "SAVEPOINT pgbelay_read");
    // What bounds a script's statements is not meant for ours.
    let settings = format!(
        "{}; SET LOCAL statement_timeout = 0; {}",
        inspect::settings(),
        session::UNHURRIED
    );
    let set = query::run(client, &settings);
    let ((), (), read) = try_join3(begun, set, reading).await?;
    // Nothing was written: this only takes the settings back.
    query::run(
        client,
        "ROLLBACK TO SAVEPOINT pgbelay_read; RELEASE SAVEPOINT pgbelay_read",
    )
    .await?;
    Ok(read)
}

fn object(row: &Row) -> Result<(ObjectKey, Object)> {
    let (key, object) = with_every_option(row)?;
    let object = bookkeeping::strip_object(key.kind, &object, &mut Vec::new());
    Ok((key, object))
}

fn with_every_option(row: &Row) -> Result<(ObjectKey, Object)> {
    let word: &str = row.get(0);
    let kind = ObjectKind::from_word(word)
        .ok_or_else(|| Error::failed(format!("the catalog holds an unknown kind, '{word}'")))?;
    let key = ObjectKey {
        kind,
        schema: row.get(1),
        table: row.get(2),
        name: row.get(3),
    };
    let definition: Option<&str> = row.get(4);
    Ok((key, Object::new(definition.unwrap_or_default(), row.get(5))))
}
