//! A backup that nothing vouches for, restored to be looked at: its definitions run under a role
//! that may do nothing outside the scratch database, and what only others may do is left out.

use crate::ops::backup::restore::RestorePlan;
use crate::schema::Entry;

/// Kinds of definitions that only a superuser or somebody else may make, and that no row needs.
const OF_OTHERS: &[&str] = &[
    "ACL",
    "DEFAULT ACL",
    "EVENT TRIGGER",
    "PUBLICATION",
    "PUBLICATION TABLE",
    "PUBLICATION TABLES IN SCHEMA",
    "SECURITY LABEL",
    "SUBSCRIPTION",
    "SUBSCRIPTION TABLE",
    "USER MAPPING",
];

/// What of `entry` is made; `None` for what is left out.
pub fn entry(plan: &RestorePlan, entry: Entry) -> Option<Entry> {
    if !plan.humble {
        return Some(entry);
    }
    let about = |kind: &&&str| entry.name.starts_with(&format!("{kind} "));
    let comment = ["COMMENT", "SECURITY LABEL", "ACL"].contains(&entry.kind.as_str());
    let others = [
        "EXTENSION",
        "EVENT TRIGGER",
        "LANGUAGE",
        "PUBLICATION",
        "SUBSCRIPTION",
    ];
    if OF_OTHERS.contains(&entry.kind.as_str()) || comment && others.iter().any(|k| about(&k)) {
        return None;
    }
    let sql = without_owners(&entry.sql);
    (!sql.is_empty()).then_some(Entry { sql, ..entry })
}

/// True for a statement that gives a large object to somebody, or says who may do what with it.
pub fn is_of_others(statement: &str) -> bool {
    let begins = ["ALTER LARGE OBJECT ", "GRANT ", "REVOKE "];
    begins.iter().any(|words| statement.starts_with(words))
}

/// The statements without those that give what was made to somebody: `pg_dump` writes each on a line
/// of its own, behind an empty one.
fn without_owners(sql: &str) -> String {
    let mut kept = sql.trim_end();
    while let Some((rest, last)) = kept.rsplit_once('\n') {
        let owner =
            last.starts_with("ALTER ") && last.contains(" OWNER TO ") && last.ends_with(';');
        if !owner {
            break;
        }
        kept = rest.trim_end();
    }
    let alone = kept.starts_with("ALTER ") && kept.contains(" OWNER TO ") && !kept.contains('\n');
    if alone {
        String::new()
    } else {
        kept.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_left_out() {
        let sql = "CREATE TABLE t (\n);\n\n\nALTER TABLE t OWNER TO bob;";
        assert_eq!(without_owners(sql), "CREATE TABLE t (\n);");
        assert_eq!(without_owners("ALTER SCHEMA s OWNER TO bob;"), "");
        let sql = "ALTER TABLE ONLY t\n    ADD CONSTRAINT x PRIMARY KEY (id);";
        assert_eq!(without_owners(sql), sql);
    }
}
