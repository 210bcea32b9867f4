//! The journal: every run that changed the schema, append-only and hash-chained.
//!
//! A row's digest covers the digest of the row before and every field of its own, so that a row
//! can be neither changed nor taken out without breaking the chain after it. A trigger refuses
//! the attempt; the chain shows what was done around the trigger.

use futures_util::future::join;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{GenericClient, Row};

use crate::clock::Timestamp;
use crate::error::{Error, Kind, Result};
use crate::ident::{BackupId, Digest, Revision};
use crate::model::ledger::{Record, Verb};

use super::error::PgContext as _;
use super::ledger;

/// A run to be recorded; position, time and digest are given by [`append`].
#[derive(Debug, Clone)]
pub struct NewRecord {
    /// What was done.
    pub verb: Verb,
    /// Head of the ledger before.
    pub from: Option<Revision>,
    /// Head of the ledger after.
    pub to: Option<Revision>,
    /// Who and from where.
    pub by: String,
    /// `--reason`.
    pub reason: Option<String>,
    /// Flags that weakened a check, and how consent was given.
    pub consent: String,
    /// The backups that hold what was destroyed.
    pub backups: Vec<BackupId>,
    /// Digest of the manifest of each of `backups`.
    pub manifests: Vec<Digest>,
    /// For an undo: the journal sequence of the rollback that it reversed.
    pub reverses: Option<i64>,
    /// Whatever else belongs to the run, as JSON.
    pub details: String,
}

impl NewRecord {
    fn at(self, sequence: i64, at: Timestamp) -> Record {
        Record {
            sequence,
            verb: self.verb,
            from: self.from,
            to: self.to,
            at,
            by: self.by,
            reason: self.reason,
            consent: self.consent,
            backups: self.backups,
            manifests: self.manifests,
            reverses: self.reverses,
            details: self.details,
        }
    }
}

/// Appends `record` and returns its sequence number. To be called in the transaction of the
/// change it records, after [`ledger::ensure`].
pub async fn append(client: &impl GenericClient, record: NewRecord) -> Result<i64> {
    open(client).await?.append(client, record).await
}

/// The end of the journal, where nobody else can write until the transaction ends.
#[derive(Debug)]
pub struct End {
    last: Option<(i64, Digest)>,
    now: Timestamp,
}

/// Locks the journal and looks for its end.
pub async fn open(client: &impl GenericClient) -> Result<End> {
    // Two rows must never follow the same one, even if somebody else writes without our lock.
    let locked = client.batch_execute("LOCK TABLE pgbelay.journal IN SHARE ROW EXCLUSIVE MODE");
    let last = client.query_typed_one(
        "SELECT pg_catalog.clock_timestamp(), last.sequence, last.digest \
         FROM (SELECT) AS one LEFT JOIN ( \
           SELECT sequence, digest FROM pgbelay.journal ORDER BY sequence DESC LIMIT 1 \
         ) AS last ON true",
        &[],
    );
    let (locked, last) = join(locked, last).await;
    locked.pg("could not lock the journal")?;
    let row = last.pg("could not read the journal")?;
    let sequence: Option<i64> = row.get(1);
    let last = sequence.map(|sequence| Ok((sequence, row.get::<_, &str>(2).parse()?)));
    Ok(End {
        last: last.transpose()?,
        now: row.get(0),
    })
}

impl End {
    /// Appends `record` and returns its sequence number.
    pub async fn append(self, client: &impl GenericClient, record: NewRecord) -> Result<i64> {
        let sequence = self.last.as_ref().map_or(0, |(sequence, _)| *sequence) + 1;
        let record = record.at(sequence, self.now);
        let digest = chain(self.last.as_ref().map(|(_, digest)| digest), &record).to_string();
        let texts = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>();
        let values: [(&(dyn ToSql + Sync), Type); 13] = [
            (&record.sequence, Type::INT8),
            (&record.verb.as_str(), Type::TEXT),
            (&record.from.as_ref().map(Revision::as_str), Type::TEXT),
            (&record.to.as_ref().map(Revision::as_str), Type::TEXT),
            (&record.at, Type::TIMESTAMPTZ),
            (&record.by, Type::TEXT),
            (&record.reason, Type::TEXT),
            (&record.consent, Type::TEXT),
            (
                &texts(&mut record.backups.iter().map(ToString::to_string)),
                Type::TEXT_ARRAY,
            ),
            (
                &texts(&mut record.manifests.iter().map(ToString::to_string)),
                Type::TEXT_ARRAY,
            ),
            (&record.reverses, Type::INT8),
            (&record.details, Type::TEXT),
            (&digest, Type::TEXT),
        ];
        client
            .execute_typed(
                "INSERT INTO pgbelay.journal (sequence, verb, from_revision, to_revision, at, by, \
                   reason, consent, backups, manifests, reverses, details, digest) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
                &values,
            )
            .await
            .pg("could not write to the journal")?;
        Ok(sequence)
    }
}

/// True when there is a journal.
pub async fn exists(client: &impl GenericClient) -> Result<bool> {
    ledger::table_exists(client, "journal").await
}

/// Every run, oldest first; empty when there is no journal. Only reads.
pub async fn read(client: &impl GenericClient) -> Result<Vec<Record>> {
    let rows = rows(client).await?;
    rows.iter().map(|row| record(row).map(|(r, _)| r)).collect()
}

/// Recomputes the chain. An error names the first row that does not fit.
pub async fn verify_chain(client: &impl GenericClient) -> Result<()> {
    let mut previous: Option<(i64, Digest)> = None;
    for row in rows(client).await? {
        let (record, stored) = record(&row)?;
        let last = previous.as_ref();
        let follows = record.sequence == last.map_or(0, |(sequence, _)| *sequence) + 1;
        if !follows || chain(last.map(|(_, digest)| digest), &record) != stored {
            return Err(Error::new(
                Kind::Found,
                format!(
                    "the journal was changed after the fact: row {} does not follow from the one \
                     before",
                    record.sequence
                ),
            ));
        }
        previous = Some((record.sequence, stored));
    }
    Ok(())
}

async fn rows(client: &impl GenericClient) -> Result<Vec<Row>> {
    if !exists(client).await? {
        return Ok(Vec::new());
    }
    client
        .query(
            "SELECT sequence, verb, from_revision, to_revision, at, by, reason, consent, \
               backups, manifests, reverses, details, digest \
             FROM pgbelay.journal ORDER BY sequence",
            &[],
        )
        .await
        .pg("could not read the journal")
}

fn record(row: &Row) -> Result<(Record, Digest)> {
    let verb: &str = row.get(1);
    let verb = Verb::from_word(verb).ok_or_else(|| {
        Error::failed("the journal has a row of a kind that is not known").hint("update pgbelay")
    })?;
    let revision = |column: usize| {
        row.get::<_, Option<&str>>(column)
            .map(str::parse)
            .transpose()
    };
    let record = Record {
        sequence: row.get(0),
        verb,
        from: revision(2)?,
        to: revision(3)?,
        at: row.get(4),
        by: row.get(5),
        reason: row.get(6),
        consent: row.get(7),
        backups: parsed(&row.get::<_, Vec<String>>(8))?,
        manifests: parsed(&row.get::<_, Vec<String>>(9))?,
        reverses: row.get(10),
        details: row.get(11),
    };
    Ok((record, row.get::<_, &str>(12).parse()?))
}

fn parsed<T: std::str::FromStr<Err = Error>>(texts: &[String]) -> Result<Vec<T>> {
    texts.iter().map(|text| text.parse()).collect()
}

/// SHA-256 over the digest before and all fields, each with its length in front, so that no two
/// records have the same bytes.
fn chain(previous: Option<&Digest>, record: &Record) -> Digest {
    let mut bytes = Vec::new();
    let mut field = |value: Option<&str>| match value {
        None => bytes.push(0),
        Some(text) => {
            bytes.push(1);
            bytes.extend((text.len() as u64).to_be_bytes());
            bytes.extend(text.as_bytes());
        }
    };
    let list = |items: Vec<String>| items.join("\n");
    field(previous.map(Digest::to_string).as_deref());
    field(Some(&record.sequence.to_string()));
    field(Some(record.verb.as_str()));
    field(record.from.as_ref().map(Revision::as_str));
    field(record.to.as_ref().map(Revision::as_str));
    field(Some(&record.at.timestamp_micros().to_string()));
    field(Some(&record.by));
    field(record.reason.as_deref());
    field(Some(&record.consent));
    // Neither ids nor digests hold a line break.
    let ids = record.backups.iter().map(ToString::to_string).collect();
    field(Some(&list(ids)));
    let manifests = record.manifests.iter().map(ToString::to_string).collect();
    field(Some(&list(manifests)));
    field(record.reverses.map(|n| n.to_string()).as_deref());
    field(Some(&record.details));
    Digest::of(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_counts() {
        let record = NewRecord {
            verb: Verb::Rollback,
            from: "2".parse().ok(),
            to: None,
            by: "me@here".to_owned(),
            reason: None,
            consent: String::new(),
            backups: Vec::new(),
            manifests: Vec::new(),
            reverses: None,
            details: "{}".to_owned(),
        }
        .at(1, crate::clock::now());
        let digest = chain(None, &record);
        let changes: [fn(&mut Record); 6] = [
            |r| r.sequence = 2,
            |r| r.verb = Verb::Undo,
            |r| r.to = r.from.take(),
            |r| r.reason = Some(String::new()),
            |r| r.by.push('x'),
            |r| r.reverses = Some(1),
        ];
        for change in changes {
            let mut other = record.clone();
            change(&mut other);
            assert_ne!(chain(None, &other), digest);
        }
        assert_ne!(chain(Some(&digest), &record), digest);
    }
}
