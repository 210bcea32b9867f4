//! The only quoting of SQL in the toolkit.

use crate::ident::TableName;

/// `name` as a quoted identifier. Always quoted: psql expands `:name` outside quotes, and a
/// keyword of a newer server would otherwise change the meaning.
pub fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `schema.name`, both quoted.
pub fn table(name: &TableName) -> String {
    format!("{}.{}", ident(&name.schema), ident(&name.name))
}

/// Quoted identifiers, separated by commas.
pub fn idents<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(ident).collect::<Vec<_>>().join(", ")
}

/// `text` as a string literal that means the same under every `standard_conforming_strings`.
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!(" E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_survives_hostile_names() {
        assert_eq!(ident("a\"b"), "\"a\"\"b\"");
        assert_eq!(table(&TableName::new("s p", "T")), "\"s p\".\"T\"");
        assert_eq!(idents(["a", "b"]), "\"a\", \"b\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\'b"), " E'a\\\\''b'");
    }
}
