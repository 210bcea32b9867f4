//! Ledger and journal in the words of a script that somebody runs by hand.

use crate::ident::{Digest, Revision};
use crate::model::ledger::Entry;
use crate::sql::quote;

use super::journal::NewRecord;
use super::{ledger, lock};

/// What every script begins with: the tables, if they aren't there.
pub fn preface() -> String {
    format!(
        "-- Run with: psql -X -v ON_ERROR_STOP=1 -f FILE\n\nBEGIN;{}COMMIT;\n",
        ledger::CREATE
    )
}

/// Fails unless `head` was applied last and the migration lock is free.
pub fn guard(head: Option<&Revision>) -> String {
    let expected = head.map_or("NULL".to_owned(), |head| quote::literal(head.as_str()));
    format!(
        "DO $pgbelay$\nBEGIN\n    \
         IF NOT pg_catalog.pg_try_advisory_xact_lock({key}) THEN\n        \
         RAISE EXCEPTION 'another run holds the migration lock';\n    END IF;\n    \
         IF (SELECT revision FROM pgbelay.ledger ORDER BY sequence DESC LIMIT 1) \
         IS DISTINCT FROM {expected} THEN\n        \
         RAISE EXCEPTION 'this script was written for a database at another revision';\n    \
         END IF;\nEND\n$pgbelay$;\n",
        key = lock::KEY
    )
}

/// Takes back what a script may have set.
pub fn reset() -> String {
    "RESET SESSION AUTHORIZATION;\nRESET ROLE;\nRESET ALL;\n".to_owned()
}

/// Adds `entry`, as applied when the script runs. `first`: it opens a new run.
pub fn insert(entry: &Entry, first: bool) -> String {
    let digest = |digest: Option<Digest>| text(digest.map(|d| d.to_string()).as_deref());
    format!(
        "INSERT INTO pgbelay.ledger (revision, name, up_checksum, up_text, down_checksum, \
         down_text, transactional, batch, applied_at, applied_by, duration_ms)\n\
         SELECT {}, {}, {}, {}, {}, {}, {}, COALESCE(pg_catalog.max(batch), 0){}, \
         pg_catalog.clock_timestamp(), session_user || ' (' || {} || ')', 0 \
         FROM pgbelay.ledger;\n",
        quote::literal(entry.revision.as_str()),
        quote::literal(&entry.name),
        digest(Some(entry.up_checksum)),
        quote::literal(&entry.up_text),
        digest(entry.down_checksum),
        text(entry.down_text.as_deref()),
        entry.transactional,
        if first { " + 1" } else { "" },
        quote::literal(&entry.applied_by),
    )
}

/// Takes `revision` out.
pub fn remove(revision: &Revision) -> String {
    let revision = quote::literal(revision.as_str());
    format!("DELETE FROM pgbelay.ledger WHERE revision = {revision};\n")
}

/// Appends `record`, with the digest that [`super::journal::append`] would give it.
pub fn journal(record: &NewRecord) -> String {
    let revision = |revision: &Option<Revision>| text(revision.as_ref().map(Revision::as_str));
    let given = [
        ("verb", quote::literal(record.verb.as_str())),
        ("origin", revision(&record.from)),
        ("goal", revision(&record.to)),
        (
            "actor",
            format!(
                "session_user || ' (' || {} || ')'",
                quote::literal(&record.by)
            ),
        ),
        ("reason", text(record.reason.as_deref())),
        ("consent", quote::literal(&record.consent)),
        ("details", quote::literal(&record.details)),
    ];
    let given = given.map(|(name, value)| format!("{value}::pg_catalog.text AS {name}"));
    // The fields in the order of `journal::chain`; the lists of backups are empty.
    let fields = [
        "r.previous",
        "r.sequence::pg_catalog.text",
        "r.verb",
        "r.origin",
        "r.goal",
        "(pg_catalog.date_part('epoch', pg_catalog.date_trunc('second', r.at))::pg_catalog.int8 \
         * 1000000 + pg_catalog.date_part('microseconds', r.at)::pg_catalog.int8 % 1000000)\
         ::pg_catalog.text",
        "r.actor",
        "r.reason",
        "r.consent",
        "''",
        "''",
        "NULL::pg_catalog.text",
        "r.details",
    ];
    let chained = fields.map(|field| {
        format!(
            "CASE WHEN {field} IS NULL THEN '\\x00'::pg_catalog.bytea ELSE \
             '\\x01'::pg_catalog.bytea || pg_catalog.int8send(pg_catalog.octet_length(\
             pg_catalog.convert_to({field}, 'UTF8'))) || pg_catalog.convert_to({field}, 'UTF8') END"
        )
    });
    format!(
        "LOCK TABLE pgbelay.journal IN SHARE ROW EXCLUSIVE MODE;\n\
         INSERT INTO pgbelay.journal (sequence, verb, from_revision, to_revision, at, by, reason, \
         consent, backups, manifests, details, digest)\n\
         SELECT r.sequence, r.verb, r.origin, r.goal, r.at, r.actor, r.reason, r.consent, '{{}}', \
         '{{}}', r.details, pg_catalog.encode(pg_catalog.sha256({}), 'hex')\n\
         FROM (SELECT COALESCE(last.sequence, 0) + 1 AS sequence, last.digest AS previous, \
         pg_catalog.clock_timestamp() AS at, {} FROM (SELECT) AS one LEFT JOIN (SELECT sequence, \
         digest FROM pgbelay.journal ORDER BY sequence DESC LIMIT 1) AS last ON true) AS r;\n",
        chained.join("\n    || "),
        given.join(", ")
    )
}

fn text(text: Option<&str>) -> String {
    text.map_or("NULL".to_owned(), quote::literal)
}
