//! Reads the [`Catalog`] of a database: six queries, sent at once.
//!
//! To parse and plan them takes the server longer than to answer them for a hundred tables. So a
//! session that reads more than once, or under locks, keeps them [`ready`]; and what it knows from
//! a [`Reading`] before it need not read again.

mod queries;
mod reading;

use std::cell::{Cell, RefCell};

use tokio_postgres::{Client, Row};

use crate::error::{Error, Result};
use crate::pg::{inspect, query};
use crate::schema::{Catalog, Object, ObjectKey, ObjectKind};

pub use queries::ready;
pub use reading::Reading;

/// Everything user-made in the database, members of extensions left out.
///
/// Assumes the [`SETTINGS`](inspect::SETTINGS). Definitions come from the current catalog, not from
/// the transaction's snapshot: only locks keep them from changing meanwhile.
pub async fn read(client: &Client) -> Result<Catalog> {
    let known = queries::Known::ask(client).await?;
    let mut catalog = Catalog::default();
    for row in reading::all(client, &known).await? {
        let (key, object) = object(&row)?;
        catalog.insert(key, object);
    }
    Ok(catalog)
}

/// A reading that sessions share, since each is a process of the server of its own. Each also has
/// its own snapshot: what is changed meanwhile may be there in part.
#[derive(Debug, Default)]
pub struct Shared {
    next: Cell<usize>,
    read: RefCell<Catalog>,
}

impl Shared {
    /// Has `client` answer queries, one after the other, until there is none left that another
    /// session doesn't answer. Assumes what [`read`] does.
    pub async fn help(&self, client: &Client) -> Result<()> {
        let known = queries::Known::ask(client).await?;
        while let Some(query) = queries::OBJECTS.get(self.next.replace(self.next.get() + 1)) {
            for row in known.rows(client, query).await? {
                let (key, object) = object(&row)?;
                self.read.borrow_mut().insert(key, object);
            }
        }
        Ok(())
    }

    /// What was read, once all who helped are done.
    pub fn end(self) -> Catalog {
        self.read.into_inner()
    }
}

/// As [`read`], within a transaction whose settings it leaves as they were.
pub async fn read_aside(client: &Client) -> Result<Catalog> {
    aside(client, read(client)).await
}

/// What `reading` gives, within a transaction whose settings it leaves as they were.
async fn aside<T>(client: &Client, reading: impl Future<Output = Result<T>>) -> Result<T> {
    query::run(client, "SAVEPOINT pgbelay_read").await?;
    query::run(client, inspect::SETTINGS).await?;
    let read = reading.await?;
    // Nothing was written: this only takes the settings back.
    query::run(
        client,
        "ROLLBACK TO SAVEPOINT pgbelay_read; RELEASE SAVEPOINT pgbelay_read",
    )
    .await?;
    Ok(read)
}

fn object(row: &Row) -> Result<(ObjectKey, Object)> {
    let word: &str = row.get(0);
    let kind = ObjectKind::from_word(word)
        .ok_or_else(|| Error::failed(format!("the catalog holds an unknown kind, '{word}'")))?;
    let key = ObjectKey {
        kind,
        schema: row.get(1),
        table: row.get(2),
        name: row.get(3),
    };
    let definition: Option<String> = row.get(4);
    Ok((key, Object::new(definition.unwrap_or_default(), row.get(5))))
}
