//! Owners, privileges, comments and labels: matching `pg_identify_object` with `pg_dump`'s tags.

use super::Entry;
use super::ObjectKey;
use super::ObjectKind;
use super::kinds::SAID_OF;

/// True when `entry` says `key`. Owners have no entry: they come with the object.
pub(super) fn makes(entry: &Entry, key: &ObjectKey) -> bool {
    key.kind.is_made_by(&entry.kind)
        && tag(&key.name).is_some_and(|tag| tag.matches(&entry.schema, &entry.name))
}

/// True when `key`, an owner, a comment or the like, is about `object` or about a column of it.
pub(super) fn concerns(key: &ObjectKey, object: &ObjectKey) -> bool {
    let (Some(tag), false) = (tag(&key.name), object.kind.is_about()) else {
        return false;
    };
    let name = match (&object.table, object.kind) {
        (None, _) | (_, ObjectKind::Index | ObjectKind::Statistics) => object.name.clone(),
        (Some(table), ObjectKind::Column) => format!("{table}.{}", object.name),
        (Some(table), _) => format!("{} ON {table}", object.name),
    };
    if tag.word == "COLUMN" && object.kind.is_view() {
        return tag.is_within(&object.schema, &name);
    }
    let word = match object.kind {
        ObjectKind::Type if tag.word == "DOMAIN" => "DOMAIN",
        ObjectKind::Table if tag.word == "FOREIGN TABLE" => "FOREIGN TABLE",
        kind => &kind.as_str().to_uppercase(),
    };
    tag.matches(&object.schema, &format!("{word} {name}"))
}

/// What a dump would call an object: `TABLE orders`, `CONSTRAINT nv ON orders`.
pub(super) struct Tag {
    /// The kind, as SQL has it.
    pub word: String,
    /// The name with its schema, if it has one.
    pub identity: String,
}

/// The tag of `table column app.orders.total`.
pub(super) fn tag(name: &str) -> Option<Tag> {
    if let Some((identity, word, _)) = said_of(name) {
        return Some(Tag {
            word: word.to_owned(),
            identity: identity.to_owned(),
        });
    }
    let (word, identity) = name.split_once(' ')?;
    Some(Tag {
        word: word.to_uppercase(),
        identity: identity.to_owned(),
    })
}

/// What `name` is about, and what COMMENT and GRANT call it.
pub(super) fn said_of(name: &str) -> Option<(&str, &'static str, Option<&'static str>)> {
    SAID_OF
        .iter()
        .find_map(|(prefix, word, grant)| Some((name.strip_prefix(prefix)?, *word, *grant)))
}

impl Tag {
    /// True for a column of the relation `name` in `schema`.
    fn is_within(&self, schema: &str, name: &str) -> bool {
        let relation = format!("{schema}.{name}.").replace('"', "");
        self.identity.replace('"', "").starts_with(&relation)
    }

    /// Compares with a header's schema and name. Quotes are left out of the comparison: `pg_dump`
    /// and the server don't quote the same keywords.
    fn matches(&self, schema: &str, header: &str) -> bool {
        let bare = |text: &str| text.replace('"', "").replace(" ON DOMAIN ", " ON ");
        // GRANT writes views, foreign and partitioned tables as TABLE, domains as TYPE.
        let words: &[&str] = match self.word.as_str() {
            "VIEW" => &["VIEW", "TABLE"],
            "MATERIALIZED VIEW" => &["MATERIALIZED VIEW", "TABLE"],
            "FOREIGN TABLE" => &["FOREIGN TABLE", "TABLE"],
            "DOMAIN" | "TYPE" => &["DOMAIN", "TYPE"],
            "SERVER" => &["SERVER", "FOREIGN SERVER"],
            word => &[word],
        };
        let Some(header) = words
            .iter()
            .find_map(|w| header.strip_prefix(w)?.strip_prefix(' '))
        else {
            return false;
        };
        let (header, identity) = (bare(header), bare(&self.identity));
        let schema = format!("{}.", bare(schema));
        let identity = match identity.rsplit_once(" on ") {
            Some((name, table))
                if matches!(&*self.word, "CONSTRAINT" | "TRIGGER" | "RULE" | "POLICY") =>
            {
                match table.strip_prefix(&schema) {
                    Some(table) => format!("{name} ON {table}"),
                    None => return false,
                }
            }
            _ if schema == "." => identity,
            _ => match identity.strip_prefix(&schema) {
                Some(name) => name.to_owned(),
                None => return false,
            },
        };
        header == identity || same_function(&header, &identity)
    }
}

/// `f(i integer, OUT r text)` and `f(integer)`: the first names its arguments, the second gives
/// the types of those that go in.
fn same_function(header: &str, identity: &str) -> bool {
    let split = |text: &str| -> Option<(String, Vec<String>)> {
        let (name, arguments) = text.split_once('(')?;
        let arguments = arguments.strip_suffix(')')?.replace("pg_catalog.", "");
        let arguments = arguments.replace(" ORDER BY ", ", ");
        let arguments = arguments.trim_start_matches("ORDER BY ").split(',');
        let arguments = arguments.map(|a| a.trim().to_owned());
        Some((
            name.trim_end().to_owned(),
            arguments
                .filter(|a| !a.is_empty() && a != "*" && !a.starts_with("OUT "))
                .collect(),
        ))
    };
    let (Some((a, with_names)), Some((b, types))) = (split(header), split(identity)) else {
        return false;
    };
    a == b
        && with_names.len() == types.len()
        && with_names
            .iter()
            .zip(&types)
            .all(|(a, t)| a == t || a.strip_suffix(t).is_some_and(|n| n.ends_with(' ')))
}
