//! Who can open what is saved: where that is said, and whether it changed since the newest backup.

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::error::Result;
use crate::ops::context::Context;
use crate::ops::task::Task;
use crate::pg::connect;
use crate::pg::journal;
use crate::store::{self, Opener, Store};

/// The name in the details of a journal entry.
const KEY: &str = "recipients";

/// Who can open what is saved now, and who could before.
#[derive(Debug, Clone)]
pub struct Recipients {
    /// Those who can open what is saved now.
    pub now: Vec<Opener>,
    /// Those who can open the newest backup of this database; `None`: there is none.
    pub before: Option<Vec<Opener>>,
    /// The fingerprint of the key that signs what is saved now; `None`: nobody does.
    pub signer: Option<String>,
}

impl Recipients {
    /// Those who come.
    pub fn added(&self) -> Vec<&Opener> {
        without(&self.now, self.before.as_deref().unwrap_or(&self.now))
    }

    /// Those who go.
    pub fn removed(&self) -> Vec<&Opener> {
        without(self.before.as_deref().unwrap_or_default(), &self.now)
    }

    /// True when somebody comes or goes.
    pub fn changed(&self) -> bool {
        !self.added().is_empty() || !self.removed().is_empty()
    }
}

fn without<'a>(some: &'a [Opener], others: &[Opener]) -> Vec<&'a Opener> {
    let missing = |o: &&Opener| {
        others
            .iter()
            .all(|known| known.fingerprint != o.fingerprint)
    };
    some.iter().filter(missing).collect()
}

/// Looks who could open the newest backup of this database: the journal knows of those that runs took,
/// wherever they lie, and the place of backups of all that lie there.
pub fn look(ctx: &Context) -> Task<'_, Recipients> {
    Box::pin(async move {
        let now = store::openers(&ctx.recipients)?;
        let signer = signer(ctx)?;
        let session = connect::connect(&ctx.database, "pgbelay recipients").await?;
        let records = journal::read(session.client()).await?;
        let mut noted = records.iter().rev();
        let noted = noted.find_map(|r| Some((r.at, parse(&r.details)?)));
        let newest = newest(ctx, session.database()).unwrap_or_default();
        let before = match (noted, newest) {
            (Some(noted), Some(stored)) if noted.0 > stored.0 => Some(noted.1),
            (_, Some(stored)) => Some(stored.1),
            (noted, None) => noted.map(|noted| noted.1),
        };
        Ok(Recipients {
            now,
            before,
            signer,
        })
    })
}

/// The fingerprint of the key that signs new backups. One that can't sign is an error, before
/// anything happens.
pub fn signer(ctx: &Context) -> Result<Option<String>> {
    let file = ctx.signing_key.as_deref();
    file.map(store::signing_key_fingerprint).transpose()
}

/// The newest complete backup of `database`: its time, and who can open it.
fn newest(ctx: &Context, database: &str) -> Result<Option<(Timestamp, Vec<Opener>)>> {
    let store = Store::open(&ctx.backups)?;
    let all = store.list(Some(database))?;
    let Some(newest) = all.iter().rfind(|facts| facts.complete) else {
        return Ok(None);
    };
    let backup = store.find(newest.id.as_str(), Some(database))?;
    Ok(Some((newest.started, backup.openers())))
}

/// `details` of a journal entry, an object as JSON, with who can open what the run saved.
pub fn noted(ctx: &Context, details: &str) -> String {
    let Ok(Value::Object(mut object)) = serde_json::from_str(details) else {
        return details.to_owned();
    };
    let openers = store::openers(&ctx.recipients).unwrap_or_default();
    let openers = openers
        .iter()
        .map(|o| json!({"fingerprint": o.fingerprint, "recipient": o.shown}));
    let mut said = Map::new();
    said.insert("who".to_owned(), openers.collect());
    said.insert("named_by".to_owned(), json!(ctx.named.by));
    if let Some(before) = &ctx.named.before {
        said.insert("before".to_owned(), json!(before));
    }
    object.insert(KEY.to_owned(), Value::Object(said));
    Value::Object(object).to_string()
}

/// Who could open what the run with these `details` saved.
fn parse(details: &str) -> Option<Vec<Opener>> {
    let details: Value = serde_json::from_str(details).ok()?;
    let who = details.get(KEY)?.get("who")?.as_array()?;
    let opener = |who: &Value| {
        Some(Opener {
            fingerprint: who.get("fingerprint")?.as_str()?.to_owned(),
            shown: who.get("recipient")?.as_str()?.to_owned(),
        })
    };
    who.iter().map(opener).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opener(fingerprint: &str) -> Opener {
        Opener {
            fingerprint: fingerprint.to_owned(),
            shown: fingerprint.to_owned(),
        }
    }

    #[test]
    fn a_first_backup_changes_nothing() {
        let first = Recipients {
            now: vec![opener("a")],
            before: None,
            signer: None,
        };
        assert!(!first.changed());
        let other = Recipients {
            now: vec![opener("a"), opener("c")],
            before: Some(vec![opener("b"), opener("a")]),
            signer: None,
        };
        assert!(other.changed());
        assert_eq!(other.added(), [&opener("c")]);
        assert_eq!(other.removed(), [&opener("b")]);
    }

    #[test]
    fn the_journal_is_read_as_it_is_written() {
        let details = r#"{"a":1,"recipients":{"who":[{"fingerprint":"f","recipient":"r"}]}}"#;
        assert_eq!(parse(details).unwrap()[0].shown, "r");
        assert_eq!(parse("{}"), None);
    }
}
