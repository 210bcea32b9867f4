//! What libpq would look at, and where PostgreSQL's own programs are.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pgbelay_core::model::secret::Secret;
use pgbelay_core::ops::context::Folders;
use pgbelay_core::pg::options::LibpqEnvironment;

use crate::environment::Environment;

/// The variables and files of libpq.
pub fn libpq(environment: &Environment) -> LibpqEnvironment {
    let get = |name| environment.get(name).map(str::to_owned);
    let home = |file: &str| environment.home().map(|home| home.join(file));
    LibpqEnvironment {
        host: get("PGHOST"),
        port: get("PGPORT"),
        user: get("PGUSER"),
        password: environment.get("PGPASSWORD").map(Secret::new),
        database: get("PGDATABASE"),
        ssl_mode: get("PGSSLMODE"),
        ssl_root_cert: get("PGSSLROOTCERT"),
        pass_file: environment.path("PGPASSFILE").or_else(|| home(".pgpass")),
        service: get("PGSERVICE"),
        service_file: environment
            .path("PGSERVICEFILE")
            .or_else(|| home(".pg_service.conf")),
        os_user: whoami::username().ok(),
    }
}

/// Folders where `pg_dump` and `psql` may be, best first: the search path, what `pg_config` says,
/// then the usual places, newest version first.
pub fn programs(environment: &Environment) -> Folders {
    let path = environment.get("PATH").unwrap_or_default().to_owned();
    Folders::new(move || find_programs(&path))
}

fn find_programs(path: &str) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .collect();
    folders.extend(pg_config(&folders));
    folders.extend(versions(Path::new("/usr/lib/postgresql"), "", "bin"));
    folders.extend(versions(Path::new("/usr"), "pgsql-", "bin"));
    folders.extend(versions(
        Path::new("/opt/homebrew/opt"),
        "postgresql",
        "bin",
    ));
    let mut seen = Vec::with_capacity(folders.len());
    for folder in folders {
        if !seen.contains(&folder) {
            seen.push(folder);
        }
    }
    seen
}

/// The answer of `pg_config --bindir`, when that program is in one of `folders`.
fn pg_config(folders: &[PathBuf]) -> Option<PathBuf> {
    let program = folders.iter().map(|folder| folder.join("pg_config"));
    let program = program.into_iter().find(|program| program.is_file())?;
    let output = Command::new(program)
        .arg("--bindir")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let folder = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    folder.is_dir().then_some(folder)
}

/// The folders `parent/<prefix><version>/<leaf>` that exist, newest version first.
fn versions(parent: &Path, prefix: &str, leaf: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(version) = name.strip_prefix(prefix) {
            let version = version.trim_start_matches('@').parse().unwrap_or(0.0_f64);
            let folder = entry.path().join(leaf);
            if folder.is_dir() && (version > 0.0 || !prefix.is_empty()) {
                found.push((version, folder));
            }
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.into_iter().map(|(_, folder)| folder).collect()
}
