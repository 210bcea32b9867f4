//! What one test works in: a database, folders, keys, and the binaries set up to use them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::binary::{Output, Run};
use super::cluster::Cluster;
use super::database::Session;
use super::state::{self, Catalog};

/// A database of its own, a work folder with `migrations/` and `backups/`, and age keys.
///
/// When the test passes, database and folder go at once; when it fails they go with the server.
pub struct Sandbox {
    /// The server.
    pub cluster: Arc<Cluster>,
    /// The database's name.
    pub database: String,
    /// The folder the binaries are run in; `migrations`, `backups` and `home` are in it.
    pub folder: PathBuf,
    /// The age recipient of the key pair; empty without keys.
    pub recipient: String,
}

impl Sandbox {
    /// A sandbox with keys, made by `backup keygen`, on the shared server.
    pub fn new() -> Self {
        let mut sandbox = Self::bare();
        sandbox.make_keys();
        sandbox
    }

    /// A sandbox without keys.
    pub fn bare() -> Self {
        let cluster = Cluster::shared();
        let name = cluster.fresh_name();
        Self::called(cluster, &name)
    }

    /// A sandbox with keys on a server of the test's own.
    pub fn on(cluster: &Arc<Cluster>) -> Self {
        let name = cluster.fresh_name();
        let mut sandbox = Self::called(cluster.clone(), &name);
        sandbox.make_keys();
        sandbox
    }

    /// A sandbox without keys whose database has a name that the test depends on; on the shared
    /// server it has to be one that no other test takes.
    pub fn called(cluster: Arc<Cluster>, database: &str) -> Self {
        let quoted = database.replace('"', "\"\"");
        cluster
            .connect("postgres", "postgres")
            .run(&format!("create database \"{quoted}\" template template0"));
        let folder = cluster
            .folder
            .join(format!("w{:08x}", super::cluster::nonce() as u32));
        for part in ["migrations", "backups", "home/.config"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        Self {
            cluster,
            database: database.to_owned(),
            folder,
            recipient: String::new(),
        }
    }

    /// Makes the key pair with `backup keygen`, where the binaries look for it.
    pub fn make_keys(&mut self) {
        let output = self.run("backup", &["keygen"]);
        output.assert_exit(0);
        output
            .stdout
            .split_whitespace()
            .find(|word| word.starts_with("age1"))
            .unwrap_or_else(|| panic!("no recipient from\n{output}"))
            .clone_into(&mut self.recipient);
    }

    // ---- the binaries -------------------------------------------------------------------------

    /// Runs a binary in the work folder, with `DATABASE_URL` set, to its end.
    pub fn run(&self, tool: &str, args: &[&str]) -> Output {
        self.tool(tool).args(args).run()
    }

    /// A run to be refined: stdin, environment, deadline, kill.
    pub fn tool(&self, tool: &str) -> Run {
        Run::new(tool)
            .current_dir(&self.folder)
            .env("PATH", self.cluster.installation.path())
            .env("HOME", self.home())
            .env("XDG_CONFIG_HOME", self.config())
            .env("LC_ALL", "C")
            .env("DATABASE_URL", self.url())
    }

    /// The database's URL, as a superuser.
    pub fn url(&self) -> String {
        self.url_as("postgres")
    }

    /// The database's URL, as another role.
    pub fn url_as(&self, role: &str) -> String {
        self.url_of(&self.database, role)
    }

    /// The URL of another database of the same server.
    pub fn url_of(&self, database: &str, role: &str) -> String {
        format!(
            "postgresql:///{database}?host={}&user={role}",
            self.cluster.folder.display()
        )
    }

    // ---- folders ------------------------------------------------------------------------------

    /// The home of the binaries.
    pub fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    /// Their `XDG_CONFIG_HOME`: keys are in `pgbelay` in it.
    pub fn config(&self) -> PathBuf {
        self.folder.join("home/.config")
    }

    /// The age identity made by `backup keygen`.
    pub fn identity(&self) -> PathBuf {
        self.config().join("pgbelay/identity.txt")
    }

    /// The folder of migrations.
    pub fn migrations(&self) -> PathBuf {
        self.folder.join("migrations")
    }

    /// The folder of backups.
    pub fn backups(&self) -> PathBuf {
        self.folder.join("backups")
    }

    /// Writes a migration and its rollback: `0001_init.sql` and `0001_init_rollback.sql`.
    pub fn migration(&self, name: &str, up: &str, down: &str) {
        self.write(&format!("migrations/{name}.sql"), up);
        self.write(&format!("migrations/{name}_rollback.sql"), down);
    }

    /// Writes a file of the work folder.
    pub fn write(&self, file: &str, text: &str) {
        let path = self.folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Every file and folder of the backups, with length and digest.
    pub fn tree(&self) -> BTreeMap<String, String> {
        state::tree(&self.backups())
    }

    // ---- the database -------------------------------------------------------------------------

    /// A connection as a superuser.
    pub fn session(&self) -> Session {
        self.session_as("postgres")
    }

    /// A connection as another role.
    pub fn session_as(&self, role: &str) -> Session {
        self.cluster.connect(&self.database, role)
    }

    /// Runs statements as a superuser.
    #[track_caller]
    pub fn sql(&self, sql: &str) {
        self.session().run(sql);
    }

    /// The answer of a query, as `psql -At` prints it.
    #[track_caller]
    pub fn query_text(&self, sql: &str) -> String {
        self.session().text(sql)
    }

    /// Every table's and sequence's content, as a count and a digest that no order changes.
    /// The schemas of pgbelay are left out.
    pub fn content(&self) -> BTreeMap<String, String> {
        state::content(&self.session())
    }

    /// The schema, as `pg_dump` writes it. The schemas of pgbelay are left out.
    pub fn catalog(&self) -> Catalog {
        Catalog::of(&self.cluster.installation.bin.join("pg_dump"), &self.url())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        // As far as possible: what stays goes with the server.
        if let Ok(session) = Session::connect(&self.cluster.folder, "postgres", "postgres") {
            let quoted = self.database.replace('"', "\"\"");
            let _ = session.try_run(&format!(
                "drop database if exists \"{quoted}\" with (force)"
            ));
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The paths under `folder`, sorted.
pub fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(next) = todo.pop() {
        for entry in fs::read_dir(next).into_iter().flatten().flatten() {
            if entry.file_type().unwrap().is_dir() {
                todo.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found.sort();
    found
}
