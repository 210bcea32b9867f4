//! Runs `pg_dump` for the schema: the one thing nobody should write again.
//!
//! Everything about the connection goes by environment variables of the child, never by its
//! arguments, which other users of the machine can read.

use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;

use futures_util::try_join;
use tokio::process::Command;

use crate::error::Error;
use crate::error::Result;
use crate::pg::options::ConnectOptions;
use crate::pg::options::Host;
use crate::pg::options::SslMode;

/// How long `pg_dump` waits for a table's lock; left alone it waits for ever.
const LOCK_WAIT: &str = "--lock-wait-timeout=30s";

/// The schemas of the ledger and of rows saved by hand.
const OURS: [&str; 2] = ["pgbelay", "pgbelay_saved"];

/// What libpq would read besides what is set here: none of it may leak in from our environment.
const LIBPQ_VARIABLES: [&str; 30] = [
    "PGHOST",
    "PGHOSTADDR",
    "PGPORT",
    "PGDATABASE",
    "PGUSER",
    "PGPASSWORD",
    "PGPASSFILE",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGOPTIONS",
    "PGAPPNAME",
    "PGSSLMODE",
    "PGREQUIRESSL",
    "PGSSLCERT",
    "PGSSLKEY",
    "PGSSLROOTCERT",
    "PGSSLCRL",
    "PGSSLCRLDIR",
    "PGSSLNEGOTIATION",
    "PGSSLCERTMODE",
    "PGREQUIREPEER",
    "PGREQUIREAUTH",
    "PGGSSENCMODE",
    "PGCHANNELBINDING",
    "PGTARGETSESSIONATTRS",
    "PGLOADBALANCEHOSTS",
    "PGCONNECT_TIMEOUT",
    "PGCLIENTENCODING",
    "PGDATESTYLE",
    "PGTZ",
];

/// The schema of a database as plain SQL, just as `pg_dump` wrote it (`\restrict` lines included).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaDump {
    /// What must be there before the data: types, functions, tables, views.
    pub pre: Vec<u8>,
    /// What comes after it: indexes, constraints, triggers.
    pub post: Vec<u8>,
    /// What `pg_dump --version` says.
    pub version: String,
}

/// A `pg_dump` that can dump the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgDump {
    /// The program.
    pub path: PathBuf,
    /// Its major version.
    pub major: i32,
    /// What it says of its version.
    pub version: String,
}

/// The `pg_dump` in `folders` with the smallest major version that is not below the server's.
pub async fn find(folders: &[PathBuf], server_version_num: i32) -> Result<PgDump> {
    let wanted = server_version_num / 10_000;
    let mut best: Option<PgDump> = None;
    let mut seen = Vec::new();
    for folder in folders {
        let Some(found) = probe(&folder.join("pg_dump")).await else {
            continue;
        };
        seen.push(found.major);
        if found.major >= wanted && best.as_ref().is_none_or(|b| found.major < b.major) {
            best = Some(found);
        }
    }
    best.ok_or_else(|| {
        seen.sort_unstable();
        let message = seen.last().map_or_else(
            || "no pg_dump was found".to_owned(),
            |newest| {
                format!(
                    "the newest pg_dump found is {newest}, but the server is PostgreSQL {wanted}"
                )
            },
        );
        Error::failed(message).hint(format!(
            "install the client programs of PostgreSQL {wanted} or newer \
             (Debian: postgresql-client-{wanted}), or name their folder"
        ))
    })
}

/// The program at `path`, when it runs and says a version.
async fn probe(path: &Path) -> Option<PgDump> {
    let output = Command::new(path)
        .arg("--version")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .ok()?;
    let version = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    Some(PgDump {
        path: path.to_owned(),
        major: major(&version)?,
        version,
    })
}

/// 15 of `pg_dump (PostgreSQL) 15.18 (Debian 15.18-1)`, 19 of `… 19beta1`.
fn major(version: &str) -> Option<i32> {
    let digits = |word: &str| -> String { word.chars().take_while(char::is_ascii_digit).collect() };
    version
        .split(' ')
        .find_map(|word| digits(word).parse().ok())
}

/// Dumps the schema of the whole database, our own schemas left out, as `snapshot` sees it.
///
/// A snapshot belongs to one server: `options` lead to the one that answered them before.
pub async fn schema(
    options: &ConnectOptions,
    folders: &[PathBuf],
    server_version_num: i32,
    snapshot: Option<&str>,
) -> Result<SchemaDump> {
    let program = find(folders, server_version_num).await?;
    with(&program, options, snapshot, &OURS).await
}

/// As [`schema`], our own schemas included.
pub async fn everything(
    options: &ConnectOptions,
    folders: &[PathBuf],
    server_version_num: i32,
    snapshot: Option<&str>,
) -> Result<SchemaDump> {
    let program = find(folders, server_version_num).await?;
    with(&program, options, snapshot, &[]).await
}

async fn with(
    program: &PgDump,
    options: &ConnectOptions,
    snapshot: Option<&str>,
    without: &[&str],
) -> Result<SchemaDump> {
    let (pre, post) = try_join!(
        section(program, options, "pre-data", snapshot, without),
        section(program, options, "post-data", snapshot, without),
    )?;
    Ok(SchemaDump {
        pre,
        post,
        version: program.version.clone(),
    })
}

async fn section(
    program: &PgDump,
    options: &ConnectOptions,
    section: &str,
    snapshot: Option<&str>,
    without: &[&str],
) -> Result<Vec<u8>> {
    let mut command = Command::new(&program.path);
    command
        .args(["--schema-only", "--format=plain", "--encoding=UTF8"])
        .args(["--no-password", LOCK_WAIT])
        .args(without.iter().map(|s| format!("--exclude-schema={s}")))
        .arg(format!("--section={section}"))
        .args(snapshot.map(|s| format!("--snapshot={s}")))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    connect(&mut command, options, program.major);
    let output = command
        .output()
        .await
        .map_err(|e| Error::failed("failed to run pg_dump").caused_by(e))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = redacted(&String::from_utf8_lossy(&output.stderr), options);
    Err(Error::failed(format!("pg_dump failed on the {section} section")).caused_by(said))
}

/// Sets the environment that makes libpq connect as `options` say.
fn connect(command: &mut Command, options: &ConnectOptions, major: i32) {
    for name in LIBPQ_VARIABLES {
        command.env_remove(name);
    }
    let places = options.places();
    let join = |part: fn(&Host) -> String| {
        let parts: Vec<String> = places.iter().map(part).collect();
        parts.join(",")
    };
    // A name may have several addresses, and a snapshot belongs to one server.
    if places.iter().any(|host| host.address.is_some()) {
        let address = |host: &Host| host.address.map(|a| a.to_string()).unwrap_or_default();
        command.env("PGHOSTADDR", join(address));
    }
    command
        .env("PGHOST", join(|host| host.name.clone()))
        .env("PGPORT", join(|host| host.port.to_string()))
        .env("PGUSER", &options.user)
        .env("PGDATABASE", &options.database)
        .env("PGSSLMODE", ssl_mode(options.ssl_mode))
        .env(
            "PGCONNECT_TIMEOUT",
            options.connect_timeout.as_secs().max(2).to_string(),
        )
        .env("PGAPPNAME", "pgbelay")
        // Messages are read by us; a wrapper script may need the rest of the environment.
        .env("LC_MESSAGES", "C");
    if let Some(password) = &options.password {
        command.env("PGPASSWORD", password.reveal());
    }
    if let Some(given) = &options.options {
        command.env("PGOPTIONS", given);
    }
    if let Some(root) = &options.ssl_root_cert {
        command.env("PGSSLROOTCERT", root);
    } else if options.ssl_mode == SslMode::VerifyFull && major >= 16 {
        // Older ones can't use the system's roots and say so themselves.
        command.env("PGSSLROOTCERT", "system");
    }
    if let Some((certificate, key)) = &options.ssl_client {
        command.env("PGSSLCERT", certificate).env("PGSSLKEY", key);
    }
}

const fn ssl_mode(mode: SslMode) -> &'static str {
    match mode {
        SslMode::Disable => "disable",
        SslMode::Allow | SslMode::Prefer => "prefer",
        SslMode::Require => "require",
        SslMode::VerifyCa => "verify-ca",
        SslMode::VerifyFull => "verify-full",
    }
}

/// The first lines of what `pg_dump` said, without details, which may hold data, and without the
/// password.
fn redacted(stderr: &str, options: &ConnectOptions) -> String {
    let secret = options.password.as_ref().map(|p| p.reveal().to_owned());
    let telling = |line: &&str| {
        let upper = line.to_ascii_uppercase();
        !line.trim().is_empty() && !upper.contains("DETAIL:") && !upper.contains("CONTEXT:")
    };
    let lines: Vec<&str> = stderr.lines().filter(telling).take(5).collect();
    let said = lines.join("; ");
    match secret.filter(|s| !s.is_empty()) {
        Some(secret) => said.replace(&secret, "…"),
        None => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(
            major("pg_dump (PostgreSQL) 15.18 (Debian 15.18-1)"),
            Some(15)
        );
        assert_eq!(major("pg_dump (PostgreSQL) 19beta1"), Some(19));
        assert_eq!(major("pg_dump"), None);
    }
}
