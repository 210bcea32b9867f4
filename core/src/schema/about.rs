//! Owners, privileges, comments and labels: matching `pg_identify_object` with `pg_dump`'s tags.

use super::Entry;
use super::ObjectKey;
use super::ObjectKind;

/// True for what is said of another object.
pub(super) const fn is_about(kind: ObjectKind) -> bool {
    matches!(
        kind,
        ObjectKind::Owner | ObjectKind::Acl | ObjectKind::Comment | ObjectKind::SecurityLabel
    )
}

/// True when `entry` says `key`. Owners have no entry: they come with the object.
pub(super) fn makes(entry: &Entry, key: &ObjectKey) -> bool {
    let kind = match key.kind {
        ObjectKind::Acl => "ACL",
        ObjectKind::Comment => "COMMENT",
        ObjectKind::SecurityLabel => "SECURITY LABEL",
        _ => return false,
    };
    entry.kind == kind && tag(&key.name).is_some_and(|tag| tag.matches(&entry.schema, &entry.name))
}

/// True when the owner `key` is the owner of `object`.
pub(super) fn concerns(key: &ObjectKey, object: &ObjectKey) -> bool {
    let (Some(tag), false) = (tag(&key.name), is_about(object.kind)) else {
        return false;
    };
    let name = match &object.table {
        Some(_) => return false,
        None => object.name.as_str(),
    };
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

/// The tag of `table column app.orders.total`. The longest kinds first.
pub(super) fn tag(name: &str) -> Option<Tag> {
    const WORDS: [(&str, &str); 28] = [
        ("table column ", "COLUMN"),
        ("view column ", "COLUMN"),
        ("materialized view column ", "COLUMN"),
        ("foreign table column ", "COLUMN"),
        ("composite type column ", "COLUMN"),
        ("table constraint ", "CONSTRAINT"),
        ("domain constraint ", "CONSTRAINT"),
        ("statistics object ", "STATISTICS"),
        ("foreign-data wrapper ", "FOREIGN DATA WRAPPER"),
        ("server ", "SERVER"),
        ("text search configuration ", "TEXT SEARCH CONFIGURATION"),
        ("text search dictionary ", "TEXT SEARCH DICTIONARY"),
        ("operator class ", "OPERATOR CLASS"),
        ("operator family ", "OPERATOR FAMILY"),
        ("materialized view ", "MATERIALIZED VIEW"),
        ("foreign table ", "FOREIGN TABLE"),
        ("composite type ", "TYPE"),
        ("event trigger ", "EVENT TRIGGER"),
        ("table ", "TABLE"),
        ("view ", "VIEW"),
        ("index ", "INDEX"),
        ("sequence ", "SEQUENCE"),
        ("type ", "TYPE"),
        ("domain ", "DOMAIN"),
        ("trigger ", "TRIGGER"),
        ("rule ", "RULE"),
        ("policy ", "POLICY"),
        ("schema ", "SCHEMA"),
    ];
    for (kind, word) in WORDS {
        if let Some(identity) = name.strip_prefix(kind) {
            return Some(Tag {
                word: word.to_owned(),
                identity: identity.to_owned(),
            });
        }
    }
    let (word, identity) = name.split_once(' ')?;
    Some(Tag {
        word: word.to_uppercase(),
        identity: identity.to_owned(),
    })
}

impl Tag {
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
