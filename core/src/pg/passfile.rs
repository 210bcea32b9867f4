//! libpq's files: passwords (`~/.pgpass`) and services (`~/.pg_service.conf`).

use std::io::ErrorKind;
use std::path::Path;

use crate::error::{Context, Error, Result};
use crate::model::secret::Secret;

use super::conninfo::Parameters;
use super::options::Host;

/// Where PostgreSQL's packages put the socket; libpq calls it `localhost` in password files.
pub(super) const SOCKET_FOLDER: &str = "/var/run/postgresql";

/// The password that the file at `path` holds for the first of `hosts` it knows.
pub(super) fn password(
    path: &Path,
    hosts: &[Host],
    database: &str,
    user: &str,
) -> Result<Option<Secret>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context("could not read the password file"),
    };
    let found = hosts.iter().find_map(|host| {
        let name = if host.name == SOCKET_FOLDER {
            "localhost"
        } else {
            &host.name
        };
        find_password(&text, [name, &host.port.to_string(), database, user])
    });
    match found {
        Some(_) if readable_by_others(path)? => Err(Error::usage(
            "the password file can be read by others, so it is not used",
        )
        .hint("run: chmod 0600 ~/.pgpass (or the file that PGPASSFILE names)")),
        found => Ok(found.map(Secret::new)),
    }
}

#[cfg(unix)]
fn readable_by_others(path: &Path) -> Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = std::fs::metadata(path).context("could not read the password file")?;
    Ok(metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn readable_by_others(_path: &Path) -> Result<bool> {
    Ok(false)
}

/// The first line `host:port:database:user:password` whose first four fields match `wanted`.
fn find_password(text: &str, wanted: [&str; 4]) -> Option<String> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| {
            let mut fields = fields(line);
            let password = (fields.len() == 5).then(|| fields.pop()).flatten()?;
            let matches = fields
                .iter()
                .zip(wanted)
                .all(|((raw, value), wanted)| raw == "*" || value == wanted);
            (matches && !password.1.is_empty()).then_some(password.1)
        })
}

/// Fields between colons, raw and with backslash escapes undone. The fifth takes the rest.
fn fields(line: &str) -> Vec<(String, String)> {
    let mut fields = vec![(String::new(), String::new())];
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        let last = fields.len() == 5;
        let Some((raw, value)) = fields.last_mut() else {
            break;
        };
        match c {
            ':' if !last => fields.push((String::new(), String::new())),
            '\\' => {
                let next = characters.next();
                raw.push('\\');
                raw.extend(next);
                value.extend(next);
            }
            c => {
                raw.push(c);
                value.push(c);
            }
        }
    }
    fields
}

/// The parameters of `[service]` in the file at `path`.
pub(super) fn service(path: Option<&Path>, service: &str) -> Result<Parameters> {
    let unknown = || {
        Error::usage("the service that PGSERVICE (or service=…) names is not defined")
            .hint("services stand in ~/.pg_service.conf or the file that PGSERVICEFILE names")
    };
    let path = path.ok_or_else(unknown)?;
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(unknown()),
        Err(error) => return Err(error).context("could not read the service file"),
    };
    find_service(&text, service).ok_or_else(unknown)
}

fn find_service(text: &str, service: &str) -> Option<Parameters> {
    let heading = format!("[{service}]");
    let mut lines = text.lines().map(str::trim);
    lines.by_ref().find(|line| *line == heading)?;
    Some(
        lines
            .take_while(|line| !line.starts_with('['))
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_once('='))
            .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
            .filter(|(_, value)| !value.is_empty())
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_found_by_libpqs_rules() {
        let file = "# comment\n\
                    db:5432:app:me:one\n\
                    *:*:*:a\\:b:two:with\\\\slash\n\
                    localhost:*:*:me:three\n\
                    short:line\n";
        let find = |wanted| find_password(file, wanted);
        assert_eq!(find(["db", "5432", "app", "me"]).as_deref(), Some("one"));
        assert_eq!(
            find(["x", "1", "y", "a:b"]).as_deref(),
            Some("two:with\\slash")
        );
        assert_eq!(
            find(["localhost", "5433", "z", "me"]).as_deref(),
            Some("three")
        );
        assert_eq!(find(["db", "5433", "app", "me"]), None);
    }

    #[test]
    fn services_end_at_the_next_heading() {
        let file = "[a]\nhost=x\n[b]\n # no\nhost = y\nport=1\n[c]\nport=2\n";
        let found = find_service(file, "b").unwrap();
        assert_eq!(found.get("host").map(String::as_str), Some("y"));
        assert_eq!(found.get("port").map(String::as_str), Some("1"));
        assert_eq!(found.len(), 2);
        assert!(find_service(file, "d").is_none());
    }
}
