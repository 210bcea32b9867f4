//! Privileges, turned from what they are into what they were.

use crate::sql::quote;

use super::Catalog;
use super::ObjectKey;
use super::ObjectKind;
use super::about;

/// Statements that turn the privileges `now` of an object into those of `before`; `key` is of the
/// kind [`ObjectKind::Acl`]. An object that is made again gets what ALTER DEFAULT PRIVILEGES says,
/// so it may have more than it had.
///
/// Privileges granted by others than the owner can't be given back by the owner; they are left.
pub fn privileges(before: &Catalog, now: &Catalog, key: &ObjectKey) -> Vec<String> {
    let Some((target, column)) = target(key) else {
        return Vec::new();
    };
    let lines = |catalog: &Catalog| -> Option<Vec<Grant>> {
        let definition = &catalog.get(key)?.definition;
        Some(definition.lines().filter_map(Grant::of).collect())
    };
    let had = lines(before);
    let has = lines(now).unwrap_or_default();
    // Without an entry an object had what every new one has: the owner everything, and PUBLIC the
    // use of functions, types and languages.
    let usual = |grant: &Grant| had.is_none() && grant.role == grant.grantor;
    let on = |privilege: &str| match &column {
        Some(column) => format!("{privilege} ({column}) ON {target}"),
        None => format!("{privilege} ON {target}"),
    };
    let mut statements = Vec::new();
    for grant in &has {
        let kept = had.as_ref().is_some_and(|had| had.contains(grant));
        if !kept && !usual(grant) {
            statements.push(format!(
                "REVOKE {} FROM {}",
                on(&grant.privilege),
                grant.to()
            ));
        }
    }
    for grant in had.iter().flatten().filter(|g| !has.contains(g)) {
        let option = if grant.option {
            " WITH GRANT OPTION"
        } else {
            ""
        };
        statements.push(format!(
            "GRANT {} TO {}{option}",
            on(&grant.privilege),
            grant.to()
        ));
    }
    if had.is_none() {
        let public = match target.split(' ').next() {
            Some("FUNCTION" | "PROCEDURE") => Some("EXECUTE"),
            Some("TYPE" | "LANGUAGE") => Some("USAGE"),
            _ => None,
        };
        statements.extend(public.map(|privilege| format!("GRANT {} TO PUBLIC", on(privilege))));
    }
    statements
}

/// One line of an ACL: `rr SELECT with grant option by postgres`.
#[derive(PartialEq, Eq)]
struct Grant {
    role: String,
    privilege: String,
    option: bool,
    grantor: String,
}

impl Grant {
    fn of(line: &str) -> Option<Self> {
        let (rest, grantor) = line.rsplit_once(" by ")?;
        let without = rest.strip_suffix(" with grant option");
        let (role, privilege) = without.unwrap_or(rest).rsplit_once(' ')?;
        Some(Self {
            role: role.to_owned(),
            privilege: privilege.to_owned(),
            option: without.is_some(),
            grantor: grantor.to_owned(),
        })
    }

    fn to(&self) -> String {
        match self.role.as_str() {
            "PUBLIC" => "PUBLIC".to_owned(),
            role => quote::ident(role),
        }
    }
}

/// What GRANT calls the object that an ACL is about, and the column.
fn target(key: &ObjectKey) -> Option<(String, Option<String>)> {
    if key.kind != ObjectKind::Acl {
        return None;
    }
    let (identity, word, grant) = about::said_of(&key.name)?;
    let grant = grant?;
    if word == "COLUMN" {
        let (table, column) = split_column(identity)?;
        return Some((format!("{grant} {table}"), Some(column.to_owned())));
    }
    Some((format!("{grant} {identity}"), None))
}

/// `app.t."a.b"` at its last dot outside quotes.
fn split_column(identity: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let mut last = None;
    for (at, byte) in identity.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'.' if !quoted => last = Some(at),
            _ => {}
        }
    }
    last.map(|at| (&identity[..at], &identity[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::super::Object;
    use super::*;

    fn acl(name: &str) -> ObjectKey {
        ObjectKey {
            kind: ObjectKind::Acl,
            schema: "app".to_owned(),
            table: None,
            name: name.to_owned(),
        }
    }

    fn catalog(key: &ObjectKey, definition: Option<&str>) -> Catalog {
        let mut catalog = Catalog::default();
        if let Some(definition) = definition {
            catalog.insert(key.clone(), Object::new(definition, None));
        }
        catalog
    }

    #[test]
    fn default_privileges_are_taken_back() {
        let key = acl("table app.t");
        let now = "me SELECT by me\nOdd role SELECT by me";
        assert_eq!(
            privileges(&catalog(&key, None), &catalog(&key, Some(now)), &key),
            ["REVOKE SELECT ON TABLE app.t FROM \"Odd role\""]
        );
    }

    #[test]
    fn lost_privileges_are_given_back() {
        let key = acl("table column app.t.\"a.b\"");
        let had = "rr UPDATE with grant option by me";
        assert_eq!(
            privileges(&catalog(&key, Some(had)), &catalog(&key, None), &key),
            ["GRANT UPDATE (\"a.b\") ON TABLE app.t TO \"rr\" WITH GRANT OPTION"]
        );
    }

    #[test]
    fn functions_are_for_everyone_again() {
        let key = acl("function app.f()");
        let now = "me EXECUTE by me";
        assert_eq!(
            privileges(&catalog(&key, None), &catalog(&key, Some(now)), &key),
            ["GRANT EXECUTE ON FUNCTION app.f() TO PUBLIC"]
        );
    }
}
