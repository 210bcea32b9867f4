//! PostgreSQL's programs, the user who runs its server, and data folders fresh from `initdb`.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// How many data folders were made: each is kept under a name of its own at first.
static MADE: AtomicU32 = AtomicU32::new(0);

/// Where PostgreSQL's programs are, and who runs the server.
#[derive(Debug)]
pub struct Installation {
    /// The folder of `initdb`, `postgres`, `psql` and `pg_dump`.
    pub bin: PathBuf,
    /// The server's user, when it can't be the one who runs the tests: `initdb` refuses root.
    user: Option<(u32, u32)>,
    /// `postgres (PostgreSQL) 16.4`, as a name for files.
    version: String,
}

impl Installation {
    /// Asks `scripts/postgres`, which installs PostgreSQL when there is none.
    pub fn find() -> Result<Self, String> {
        let script = project().join("scripts/postgres");
        let output = Command::new(&script)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| format!("can't run {}: {error}", script.display()))?;
        if !output.status.success() {
            return Err(format!(
                "there is no PostgreSQL server to test with; run `{}` to see why, or set \
                 PGBELAY_TEST_PG_BIN to the folder of initdb",
                script.display()
            ));
        }
        let bin = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        Self::at(bin)
    }

    /// The installation whose programs are in `bin`.
    pub fn at(bin: PathBuf) -> Result<Self, String> {
        let version = stdout_of(Command::new(bin.join("postgres")).arg("--version"))?;
        Ok(Self {
            bin,
            user: server_user()?,
            version: version
                .chars()
                .map(|c| {
                    if c.is_ascii_alphanumeric() || c == '.' {
                        c
                    } else {
                        '_'
                    }
                })
                .collect(),
        })
    }

    /// The server's major version, such as 16.
    pub fn major(&self) -> u32 {
        let digits = self
            .version
            .trim_start_matches(|c: char| !c.is_ascii_digit());
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        digits[..end].parse().unwrap()
    }

    /// One of PostgreSQL's programs, to be run as the server's user, with a clean environment.
    pub fn server_program(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command
            .env_clear()
            .env("PATH", self.path())
            .env("LC_ALL", "C")
            .stdin(Stdio::null());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// A `PATH` with PostgreSQL's programs first.
    pub fn path(&self) -> String {
        format!("{}:/usr/local/bin:/usr/bin:/bin", self.bin.display())
    }

    /// Makes the file or folder belong to the server's user.
    pub fn give(&self, path: &Path) {
        if let Some((uid, gid)) = self.user {
            std::os::unix::fs::chown(path, Some(uid), Some(gid)).unwrap();
        }
    }

    /// Makes a data folder at `data`, whose parent the server's user can write to.
    ///
    /// `initdb` takes a second or more, so its result is kept under `target` and copied. It is
    /// written beside its place and renamed, so parallel runs don't see half of it.
    pub fn make_data_folder(&self, data: &Path) -> Result<(), String> {
        let owner = self
            .user
            .map_or_else(String::new, |(uid, _)| format!("-{uid}"));
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("template-1-{}{owner}", self.version));
        if kept.join("PG_VERSION").exists() && copy(&kept, data).is_ok() {
            return Ok(());
        }
        let _ = fs::remove_dir_all(data);
        let output = self
            .server_program("initdb")
            .current_dir(data.parent().unwrap())
            .args([
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C",
                "--no-sync",
                "-D",
            ])
            .arg(data)
            .output()
            .map_err(|error| format!("can't run initdb: {error}"))?;
        if !output.status.success() {
            return Err(format!(
                "initdb failed: {}",
                String::from_utf8_lossy(&output.stderr)
            ));
        }
        // Keeping it is a convenience: a target folder that can't be written to is no failure.
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let mut fresh = kept.clone().into_os_string();
        fresh.push(format!("-new-{}-{number}", std::process::id()));
        let fresh = PathBuf::from(fresh);
        if fs::create_dir_all(kept.parent().unwrap()).is_err()
            || copy(data, &fresh).is_err()
            || fs::rename(&fresh, &kept).is_err()
        {
            let _ = fs::remove_dir_all(&fresh);
        }
        Ok(())
    }
}

/// The project's folder.
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Copies a folder with owners and modes.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let output = Command::new("cp").arg("-a").arg(from).arg(to).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The user to run the server as: `None` for oneself, another one for root.
fn server_user() -> Result<Option<(u32, u32)>, String> {
    if stdout_of(Command::new("id").arg("-u"))? != "0" {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").map_err(|error| error.to_string())?;
    ["postgres", "nobody"]
        .into_iter()
        .find_map(|name| {
            users.lines().find_map(|line| {
                let fields: Vec<&str> = line.split(':').collect();
                match fields[..] {
                    [user, _, uid, gid, ..] if user == name => {
                        Some((uid.parse().ok()?, gid.parse().ok()?))
                    }
                    _ => None,
                }
            })
        })
        .map(Some)
        .ok_or_else(|| {
            "a server can't run as root, and there is no user `postgres` or `nobody`".into()
        })
}

fn stdout_of(command: &mut Command) -> Result<String, String> {
    let output = command
        .output()
        .map_err(|error| format!("can't run {command:?}: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
