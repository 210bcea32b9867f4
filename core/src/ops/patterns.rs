//! Patterns for tables: `orders`, `public.order*`, `*_log`, `archive.?`.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::ident::TableName;
use crate::model::relation::{Oid, RelationKind, World};

/// The relations that `patterns` name, with all partitions and children of each. A pattern that
/// names none is an error: a typing mistake would silently save less, or more, than was meant.
pub fn matching(world: &World, patterns: &[String]) -> Result<BTreeSet<Oid>> {
    let mut found = BTreeSet::new();
    for pattern in patterns {
        let relations = world.relations.values();
        let mut named = relations
            .filter(|r| r.kind != RelationKind::View && matches(pattern, &r.name))
            .map(|r| r.oid)
            .peekable();
        if named.peek().is_none() {
            return Err(unmatched(pattern));
        }
        found.extend(named.flat_map(|oid| world.family(oid)));
    }
    Ok(found)
}

/// The error for a pattern that names nothing.
pub fn unmatched(pattern: &str) -> Error {
    Error::usage(format!("no table matches '{pattern}'")).hint(
        "patterns are names as they are stored, such as orders, public.order* or *.log_?; \
         upper and lower case differ",
    )
}

/// True when `pattern` names `table`: by its own name, or by schema and name around a dot.
pub fn matches(pattern: &str, table: &TableName) -> bool {
    let split =
        |at: usize| like(&pattern[..at], &table.schema) && like(&pattern[at + 1..], &table.name);
    like(pattern, &table.name) || pattern.match_indices('.').any(|(at, _)| split(at))
}

/// True when `name` is like `pattern`, in which `*` stands for any text and `?` for one character.
fn like(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where to go on when what follows the last `*` turns out not to fit.
    let mut retry = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match &mut retry {
                Some((star, from)) => {
                    *from += 1;
                    (p, n) = (*star + 1, *from);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_tables() {
        let check = |pattern, schema, name, expected| {
            let table = TableName::new(schema, name);
            assert_eq!(matches(pattern, &table), expected, "{pattern} {table}");
        };
        check("orders", "public", "orders", true);
        check("orders", "shop", "orders", true);
        check("orders", "public", "Orders", false);
        check("public.orders", "public", "orders", true);
        check("public.orders", "shop", "orders", false);
        check("order*", "public", "order lines", true);
        check("order*", "orders", "items", false);
        check("*", "any", "thing", true);
        check("*.log_?", "a", "log_1", true);
        check("*.log_?", "a", "log_12", false);
        check("*_log_*_x", "a", "my_log_log_1_x", true);
        check("a.b", "public", "a.b", true);
        check("a.b.c", "a.b", "c", true);
        check("ä?", "s", "äé", true);
        check("", "s", "t", false);
    }
}
