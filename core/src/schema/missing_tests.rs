use super::*;

fn entry(kind: &str, schema: &str, name: &str, sql: &str) -> Entry {
    Entry {
        kind: kind.to_owned(),
        schema: schema.to_owned(),
        name: name.to_owned(),
        owner: "me".to_owned(),
        sql: sql.to_owned(),
    }
}

fn key(kind: ObjectKind, table: Option<&str>, name: &str) -> ObjectKey {
    let schema = if kind == ObjectKind::Cast { "" } else { "app" };
    ObjectKey {
        kind,
        schema: schema.to_owned(),
        table: table.map(str::to_owned),
        name: name.to_owned(),
    }
}

/// The names of the entries chosen for `missing`, and how many objects were not found.
fn chosen(missing: &[ObjectKey], entries: &[Entry]) -> (Vec<String>, usize) {
    let (chosen, left) = missing_statements(missing, entries);
    let names = chosen.iter().map(|e| format!("{} {}", e.kind, e.name));
    (names.collect(), left.len())
}

#[test]
fn a_missing_table_brings_its_parts() {
    let entries = [
        entry("TABLE", "app", "t", ""),
        entry("TABLE", "other", "t", ""),
        entry("TABLE ATTACH", "app", "t", ""),
        entry("DEFAULT", "app", "t id", ""),
        entry("COMMENT", "app", "COLUMN t.id", ""),
        entry("CONSTRAINT", "app", "t t_pkey", ""),
        entry("ACL", "app", "TABLE t", ""),
    ];
    let missing = [
        key(ObjectKind::Table, None, "t"),
        key(ObjectKind::Column, Some("t"), "id"),
        key(ObjectKind::Constraint, Some("t"), "t_check"),
        key(ObjectKind::Constraint, Some("t"), "t_pkey"),
        key(ObjectKind::Owner, None, "table app.t"),
        key(ObjectKind::Acl, None, "table app.t"),
        key(ObjectKind::Comment, None, "table column app.t.id"),
    ];
    let all = [
        "TABLE t",
        "TABLE ATTACH t",
        "DEFAULT t id",
        "COMMENT COLUMN t.id",
        "CONSTRAINT t t_pkey",
        "ACL TABLE t",
    ];
    assert_eq!(
        chosen(&missing, &entries),
        (all.map(str::to_owned).to_vec(), 0)
    );
}

#[test]
fn parts_of_a_table_that_is_there_are_told() {
    let entries = [
        entry("TABLE", "app", "t", ""),
        entry("DEFAULT", "app", "t id", ""),
    ];
    let missing = [
        key(ObjectKind::Column, Some("t"), "id"),
        key(ObjectKind::Constraint, Some("t"), "t_check"),
    ];
    assert_eq!(chosen(&missing, &entries), (vec![], 2));
}

#[test]
fn what_the_header_does_not_say_is_read_from_the_statement() {
    let entries = [
        entry(
            "OPERATOR",
            "app",
            "===",
            "    LEFTARG = text,\n    RIGHTARG = text\n",
        ),
        entry(
            "OPERATOR",
            "app",
            "===",
            "    LEFTARG = integer,\n    RIGHTARG = text\n",
        ),
        entry(
            "OPERATOR CLASS",
            "app",
            "opc",
            "FOR TYPE integer USING btree",
        ),
        entry("CAST", "", "CAST (app.pair AS text)", ""),
        entry("AGGREGATE", "app", "cnt(*)", ""),
    ];
    let missing = [
        key(ObjectKind::Operator, None, "===(integer, text)"),
        key(ObjectKind::OperatorClass, None, "opc USING btree"),
        key(ObjectKind::Cast, None, "(app.pair AS text)"),
        key(ObjectKind::Aggregate, None, "cnt()"),
    ];
    let (found, left) = missing_statements(&missing, &entries);
    assert_eq!((found.len(), left.len()), (4, 0));
    assert!(found[0].sql.contains("integer"));
}

#[test]
fn comments_and_grants_find_their_functions() {
    let entries = [
        entry("COMMENT", "app", "FUNCTION f(i integer, OUT r text)", ""),
        entry("COMMENT", "app", "FUNCTION f(text)", ""),
        entry("COMMENT", "app", "CONSTRAINT nv ON orders", ""),
        entry("ACL", "app", "TABLE v", ""),
    ];
    let missing = [
        key(ObjectKind::Comment, None, "function app.f(pg_catalog.text)"),
        key(
            ObjectKind::Comment,
            None,
            "table constraint nv on app.orders",
        ),
        key(ObjectKind::Acl, None, "view app.v"),
    ];
    let names = [
        "COMMENT FUNCTION f(text)",
        "COMMENT CONSTRAINT nv ON orders",
        "ACL TABLE v",
    ];
    assert_eq!(
        chosen(&missing, &entries),
        (names.map(str::to_owned).to_vec(), 0)
    );
}
