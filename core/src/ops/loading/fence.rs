//! What of a backup's definitions may be run: only what `pg_dump` writes.
//!
//! No filter makes code harmless, since functions are definitions. But `pg_dump` never writes a
//! program to run, a role, a database, a server setting or a row, so whatever holds one was not
//! written by it.

mod tokens;

use crate::error::{Error, Result};
use crate::ident::BackupId;
use crate::schema::Entry;
use crate::sql::parse;
use crate::sql::statement::Kind;

use tokens::{Token, statements};

/// What `CREATE` may make, after `OR REPLACE` and adjectives.
const CREATED: &[&str] = &[
    "ACCESS METHOD",
    "AGGREGATE",
    "CAST",
    "COLLATION",
    "CONVERSION",
    "DOMAIN",
    "EVENT TRIGGER",
    "EXTENSION",
    "FOREIGN DATA WRAPPER",
    "FOREIGN TABLE",
    "FUNCTION",
    "INDEX",
    "LANGUAGE",
    "MATERIALIZED VIEW",
    "OPERATOR",
    "POLICY",
    "PROCEDURE",
    "PROPERTY GRAPH",
    "PUBLICATION",
    "RULE",
    "SCHEMA",
    "SEQUENCE",
    "SERVER",
    "STATISTICS",
    "SUBSCRIPTION",
    "TABLE",
    "TEXT SEARCH",
    "TRANSFORM",
    "TRIGGER",
    "TYPE",
    "USER MAPPING",
    "VIEW",
];

/// Words that may stand between `CREATE` and what is made.
const ADJECTIVES: &[&str] = &[
    "OR",
    "REPLACE",
    "UNIQUE",
    "UNLOGGED",
    "CONSTRAINT",
    "DEFAULT",
    "TRUSTED",
    "PROCEDURAL",
    "RECURSIVE",
];

/// What `ALTER` may change besides.
const ALTERED: &[&str] = &["DEFAULT PRIVILEGES", "LARGE OBJECT", "ROUTINE"];

/// What belongs to the server, and not to a database.
const OF_THE_SERVER: &[&str] = &["DATABASE", "ROLE", "TABLESPACE", "PARAMETER"];

/// Settings that stand in front of a definition.
const SETTINGS: &[&str] = &[
    "DEFAULT_TABLESPACE",
    "DEFAULT_TABLE_ACCESS_METHOD",
    "DEFAULT_WITH_OIDS",
    "DEFAULT_TOAST_COMPRESSION",
];

/// Fails where `entries`, the definitions of backup `id`, hold what `pg_dump` doesn't write. Their
/// strings are read as the server will read them.
pub fn check(id: &BackupId, entries: &[Entry], standard_strings: bool) -> Result<()> {
    entries.iter().try_for_each(|entry| {
        entry_is_plain(entry, standard_strings).map_err(|what| {
            Error::damaged(format!(
                "backup {id} is forged or damaged: its definitions hold {what}, which pg_dump does \
                 not write"
            ))
            .hint("nothing of them was run; do not restore from it")
        })
    })
}

/// Fails where `lines`, statements that make large objects, hold anything else.
pub fn check_large_objects(lines: &str, standard_strings: bool) -> Result<()> {
    let plain = |statement: &[Token<'_>]| match leading(statement).as_slice() {
        ["SELECT", "PG_CATALOG", "LO_CREATE" | "LO_PUT", ..] => is_one_call(statement),
        ["ALTER" | "COMMENT" | "GRANT" | "REVOKE", ..] => {
            let words = words(statement);
            words.windows(2).any(|pair| pair == ["LARGE", "OBJECT"]) && allowed(statement, "ACL")
        }
        _ => false,
    };
    match statements(lines, standard_strings) {
        Some(found) if found.iter().all(|s| plain(s)) => Ok(()),
        _ => Err(Error::damaged(
            "the statements that make large objects hold something else",
        )),
    }
}

/// True for one call with literals alone.
fn is_one_call(statement: &[Token<'_>]) -> bool {
    let harmless = [
        "SELECT",
        "PG_CATALOG",
        "LO_CREATE",
        "LO_PUT",
        "DECODE",
        "BYTEA",
        "OID",
        "INT8",
    ];
    let plain = |t: &Token<'_>| {
        let word = t.word().is_none_or(|w| harmless.contains(&w.as_str()));
        word && !t.text.starts_with('"')
    };
    statement.iter().all(plain)
}

fn entry_is_plain(entry: &Entry, standard_strings: bool) -> Result<(), String> {
    let Some(found) = statements(&entry.sql, standard_strings) else {
        return Err("text that can't be understood".to_owned());
    };
    if let Some(first) = found.iter().find(|s| is_routine(s) && has_body(s)) {
        // Only the grammar can tell where the body of such a routine ends.
        return if allowed(first, &entry.kind) {
            routine_is_plain(entry, standard_strings)
        } else {
            Err(named(first))
        };
    }
    match found.iter().find(|s| !allowed(s, &entry.kind)) {
        None => Ok(()),
        Some(statement) => Err(named(statement)),
    }
}

/// Judges a routine whose body is a list of statements.
fn routine_is_plain(entry: &Entry, standard_strings: bool) -> Result<(), String> {
    for statement in parse::script(&entry.sql) {
        let unknown = matches!(statement.kind, Kind::Unknown { .. });
        let found = statements(&statement.text, standard_strings);
        let first = found.as_deref().and_then(<[_]>::first);
        match first {
            Some(first) if !unknown && allowed(first, &entry.kind) => {}
            first => {
                return Err(first.map_or("text that can't be understood".to_owned(), |s| named(s)));
            }
        }
    }
    Ok(())
}

fn is_routine(statement: &[Token<'_>]) -> bool {
    let words = leading(statement);
    let plain = words
        .iter()
        .filter(|w| !["CREATE", "OR", "REPLACE"].contains(w));
    words.first() == Some(&"CREATE") && plain.take(1).any(|w| ["FUNCTION", "PROCEDURE"].contains(w))
}

fn has_body(statement: &[Token<'_>]) -> bool {
    let top = statement.iter().filter(|t| t.depth == 0);
    let words: Vec<String> = top.map(|t| t.word().unwrap_or_default()).collect();
    words.windows(2).any(|pair| pair == ["BEGIN", "ATOMIC"])
}

/// True for a statement that `pg_dump` writes in an entry of `kind`.
fn allowed(statement: &[Token<'_>], kind: &str) -> bool {
    let words = words(statement);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => statement.is_empty(),
        ["CREATE", rest @ ..] => {
            let made: Vec<&str> = (rest.iter().copied())
                .skip_while(|word| ADJECTIVES.contains(word))
                .collect();
            one_of(&made, CREATED) && !fills(&made, statement)
        }
        ["ALTER", "PROCEDURAL", "LANGUAGE", ..] => true,
        ["ALTER", rest @ ..] => one_of(rest, CREATED) || one_of(rest, ALTERED),
        ["COMMENT", "ON", what, ..] => !OF_THE_SERVER.contains(what),
        ["SECURITY", "LABEL", ..] | ["GRANT" | "REVOKE", ..] => on_an_object(&words),
        // Privileges that somebody else has granted.
        ["SET", "SESSION", "AUTHORIZATION", ..] | ["RESET", "SESSION", "AUTHORIZATION"] => {
            kind == "ACL" || kind == "DEFAULT ACL"
        }
        ["SET", "LOCAL", setting, ..] | ["SET", setting, ..] => SETTINGS.contains(setting),
        _ => false,
    }
}

/// True when it runs a query to fill what it makes: definitions bring no rows.
fn fills(made: &[&str], statement: &[Token<'_>]) -> bool {
    let top = statement.iter().filter(|t| t.depth == 0);
    let top: Vec<String> = top.filter_map(Token::word).collect();
    match made {
        ["TABLE", ..] => top.iter().any(|word| word == "AS"),
        ["MATERIALIZED", "VIEW", ..] => !top.ends_with(&["WITH", "NO", "DATA"].map(String::from)),
        _ => false,
    }
}

/// True when the words say on what: membership of a role has no ON.
fn on_an_object(words: &[&str]) -> bool {
    let on = words.iter().position(|word| *word == "ON");
    let what = on.and_then(|on| words.get(on + 1));
    what.is_some_and(|what| !OF_THE_SERVER.contains(what))
}

fn one_of(words: &[&str], kinds: &[&str]) -> bool {
    let fits = |kind: &&str| {
        let kind: Vec<&str> = kind.split(' ').collect();
        words.starts_with(&kind)
    };
    kinds.iter().any(fits)
}

/// The words outside quotes and parentheses, in upper case.
fn words(statement: &[Token<'_>]) -> Vec<String> {
    let top = statement.iter().filter(|t| t.depth == 0);
    top.filter_map(Token::word).collect()
}

/// The words that it begins with.
fn leading<'a>(statement: &[Token<'a>]) -> Vec<&'static str> {
    const KNOWN: &[&str] = &[
        "SELECT",
        "PG_CATALOG",
        "LO_CREATE",
        "LO_PUT",
        "ALTER",
        "COMMENT",
        "GRANT",
        "REVOKE",
        "CREATE",
        "OR",
        "REPLACE",
        "FUNCTION",
        "PROCEDURE",
    ];
    let word = |t: &Token<'a>| {
        let word = t.word()?;
        KNOWN.iter().find(|known| **known == word).copied()
    };
    let plain = statement.iter().filter(|t| t.text != ".");
    plain.map_while(word).collect()
}

/// What is said of a statement: the words that it begins with, none of which is a value.
fn named(statement: &[Token<'_>]) -> String {
    let words: Vec<String> = statement.iter().map_while(Token::word).take(3).collect();
    let known = |word: &String| word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    let words: Vec<String> = words.into_iter().filter(known).collect();
    if words.is_empty() {
        "text that can't be understood".to_owned()
    } else {
        words.join(" ")
    }
}

#[cfg(test)]
#[path = "fence_tests.rs"]
mod tests;
