//! Throwaway servers: one shared by the tests of a process, or private ones; nothing stays behind.

use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use super::database::Session;
use super::installation::{Installation, copy};

/// What every server gets: no network, nothing durable, room for many tests at once.
const SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", ""),
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("max_connections", "200"),
    ("max_prepared_transactions", "20"),
    ("logging_collector", "off"),
    ("timezone", "UTC"),
    ("log_line_prefix", "%m [%p] %d %a "),
];

/// The longest name that a socket may have everywhere.
const SOCKET_NAME: usize = 103;

/// A PostgreSQL server in a folder of its own, on a Unix socket.
///
/// The folder holds `data`, `log`, the socket, and the work folders of the tests that use it.
/// A small shell process waits on a pipe from this one; when the pipe closes, for whatever
/// reason, it stops the server and removes the folder.
#[derive(Debug)]
pub struct Cluster {
    /// The folder of all that belongs to the server; also where its socket is.
    pub folder: PathBuf,
    /// PostgreSQL's programs.
    pub installation: &'static Installation,
    settings: Vec<(String, String)>,
    server: Mutex<Option<Child>>,
    watchdog: Mutex<Child>,
    databases: AtomicU32,
}

impl Cluster {
    /// The server shared by the tests of this process.
    pub fn shared() -> Arc<Self> {
        static SHARED: OnceLock<Result<Arc<Cluster>, String>> = OnceLock::new();
        match SHARED.get_or_init(|| Self::start(&[])) {
            Ok(cluster) => cluster.clone(),
            Err(message) => panic!("{message}"),
        }
    }

    /// A server of one's own, with settings beside the usual ones; gone when dropped.
    pub fn private(settings: &[(&str, &str)]) -> Arc<Self> {
        Self::start(settings).unwrap_or_else(|message| panic!("{message}"))
    }

    /// The same with other programs than those that all other tests use.
    pub fn of(installation: &'static Installation, settings: &[(&str, &str)]) -> Arc<Self> {
        Self::with(installation, settings).unwrap_or_else(|message| panic!("{message}"))
    }

    /// A hot standby of this server, which stops for a moment: all that it holds, to be read only.
    /// It waits for changes that never come.
    pub fn standby(&self) -> Arc<Self> {
        self.stop();
        let copied = |data: &Path| {
            copy(&self.folder.join("data"), data)?;
            File::create(data.join("standby.signal")).map_err(|error| error.to_string())?;
            Ok(())
        };
        let standby = Self::holding(self.installation, &[], copied);
        self.start_again();
        standby.unwrap_or_else(|message| panic!("{message}"))
    }

    fn start(settings: &[(&str, &str)]) -> Result<Arc<Self>, String> {
        Self::with(installation()?, settings)
    }

    fn with(
        installation: &'static Installation,
        settings: &[(&str, &str)],
    ) -> Result<Arc<Self>, String> {
        Self::holding(installation, settings, |data| {
            installation.make_data_folder(data)
        })
    }

    /// A server on a data folder that `fill` makes.
    fn holding(
        installation: &'static Installation,
        settings: &[(&str, &str)],
        fill: impl FnOnce(&Path) -> Result<(), String>,
    ) -> Result<Arc<Self>, String> {
        let folder = make_folder(installation)?;
        let watchdog = watch(&folder);
        let cluster = Self {
            installation,
            settings: SETTINGS
                .iter()
                .chain(settings)
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            server: Mutex::new(None),
            watchdog: Mutex::new(watchdog),
            databases: AtomicU32::new(0),
            folder,
        };
        fill(&cluster.folder.join("data"))?;
        cluster.start_server()?;
        Ok(Arc::new(cluster))
    }

    /// Starts the server again after [`stop`](Self::stop) or [`kill`](Self::kill).
    pub fn start_again(&self) {
        self.start_server()
            .unwrap_or_else(|message| panic!("{message}"));
    }

    /// The same with the programs of another minor version.
    pub fn start_again_with(&self, installation: &'static Installation) {
        self.start_with(installation)
            .unwrap_or_else(|message| panic!("{message}"));
    }

    /// Stops the server in the orderly way that disconnects everybody.
    pub fn stop(&self) {
        self.end_server("INT");
    }

    /// Ends the server as a power cut would: no process of it gets to do anything.
    pub fn kill(&self) {
        self.end_server("KILL");
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Connects to `database` as `role`; panics when that fails.
    pub fn connect(&self, database: &str, role: &str) -> Session {
        Session::connect(&self.folder, database, role)
            .unwrap_or_else(|error| panic!("can't connect to {database} as {role}: {error:?}"))
    }

    /// A name no other database of this server has.
    pub fn fresh_name(&self) -> String {
        format!(
            "sandbox_{}",
            self.databases.fetch_add(1, Ordering::Relaxed) + 1
        )
    }

    fn start_server(&self) -> Result<(), String> {
        self.start_with(self.installation)
    }

    fn start_with(&self, installation: &Installation) -> Result<(), String> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("log"))
            .map_err(|error| error.to_string())?;
        let mut command = installation.server_program("postgres");
        command
            .current_dir(&self.folder)
            .process_group(0)
            .arg("-D")
            .arg(self.folder.join("data"))
            .arg("-k")
            .arg(&self.folder)
            .stdout(log.try_clone().map_err(|error| error.to_string())?)
            .stderr(log);
        for (name, value) in &self.settings {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        let mut spawn = || {
            let child = command.spawn();
            child.map_err(|error| format!("can't run postgres: {error}"))
        };
        let mut child = spawn()?;

        let deadline = Instant::now() + Duration::from_mins(1);
        let failure = loop {
            match Session::connect(&self.folder, "postgres", "postgres") {
                Ok(_) => break None,
                Err(_) if Instant::now() < deadline => {}
                Err(error) => break Some(format!("{error:?}")),
            }
            std::thread::sleep(Duration::from_millis(20));
            if let Ok(Some(status)) = child.try_wait() {
                // A backend of the server that was killed may be a moment late in dying.
                if self.log().trim_end().ends_with(&self.in_use()) && Instant::now() < deadline {
                    child = spawn()?;
                } else {
                    break Some(status.to_string());
                }
            }
        };
        if let Some(failure) = failure {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!(
                "the server did not start: {failure}\n{}",
                self.log()
            ));
        }
        *self.server.lock().unwrap() = Some(child);
        Ok(())
    }

    /// How the log ends when processes of an earlier server still hold its shared memory.
    fn in_use(&self) -> String {
        let data = self.folder.join("data");
        format!(
            "Terminate any old server processes associated with data directory \"{}\".",
            data.display()
        )
    }

    fn end_server(&self, signal: &str) {
        let Some(mut child) = self.server.lock().unwrap().take() else {
            return;
        };
        if signal == "KILL" {
            // The postmaster first, so that it can't tell its children to finish in order. They
            // are in sessions of their own, and are found by their parent.
            let backends = children(child.id());
            send("KILL", child.id());
            for pid in backends {
                send("KILL", pid);
            }
        } else {
            send(signal, child.id());
        }
        let _ = child.wait();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.end_server("QUIT");
        // Closing its pipe makes the watchdog remove the folder.
        let mut watchdog = self.watchdog.lock().unwrap();
        drop(watchdog.stdin.take());
        let _ = watchdog.wait();
    }
}

/// Sends a signal to a process.
pub fn send(signal: &str, pid: u32) {
    let _ = Command::new("kill")
        .args(["-s", signal, &pid.to_string()])
        .stderr(Stdio::null())
        .status();
}

/// A number that differs between calls and between processes.
pub fn nonce() -> u64 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let calls = u64::from(CALLS.fetch_add(1, Ordering::Relaxed));
    let mut mixed = now.as_nanos() as u64 ^ (u64::from(std::process::id()) << 40) ^ (calls << 20);
    // splitmix64's finish: neighbours come out far apart.
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// PostgreSQL's programs, looked for once per process.
pub fn installation() -> Result<&'static Installation, String> {
    static INSTALLATION: OnceLock<Result<Installation, String>> = OnceLock::new();
    INSTALLATION
        .get_or_init(Installation::find)
        .as_ref()
        .map_err(Clone::clone)
}

/// Makes the folder of a server: with a short name, open to its user alone.
fn make_folder(installation: &Installation) -> Result<PathBuf, String> {
    let base = std::env::var("PGBELAY_TEST_TMPDIR").unwrap_or_else(|_| in_memory());
    let folder = Path::new(&base).join(format!("pgb-{:08x}", nonce() as u32));
    let socket = folder.join(".s.PGSQL.5432");
    if socket.as_os_str().len() > SOCKET_NAME {
        return Err(format!(
            "{base} is too long a path for a socket; set PGBELAY_TEST_TMPDIR"
        ));
    }
    fs::DirBuilder::new()
        .mode(0o700)
        .create(&folder)
        .map_err(|error| format!("can't make {}: {error}", folder.display()))?;
    installation.give(&folder);
    Ok(folder)
}

/// Starts the watchdog of a server's folder.
fn watch(folder: &Path) -> Child {
    // Signals from the terminal are meant for the tests; what they leave is cleaned up here.
    // A stopped server has removed its pid file; a killed one is no process any more.
    const SCRIPT: &str = r#"
        trap '' INT TERM HUP QUIT
        cd /
        read -r _
        if pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) && [ -n "$pid" ]; then
            kill -s QUIT "$pid" 2>/dev/null
            tries=0
            while [ -e "$1/data/postmaster.pid" ] && kill -0 "$pid" 2>/dev/null; do
                tries=$((tries + 1))
                if [ "$tries" -gt 100 ]; then kill -s KILL "$pid"; break; fi
                sleep 0.1
            done
        fi
        tries=0
        until rm -rf "$1" 2>/dev/null || [ "$tries" -gt 20 ]; do
            tries=$((tries + 1))
            sleep 0.1
        done
    "#;
    Command::new("sh")
        .args(["-c", SCRIPT, "watchdog"])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("sh is everywhere")
}

/// The processes whose parent is `pid`.
fn children(pid: u32) -> Vec<u32> {
    let output = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output();
    let listing = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&listing)
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace().map(str::parse::<u32>);
            match (fields.next(), fields.next()) {
                (Some(Ok(child)), Some(Ok(parent))) if parent == pid => Some(child),
                _ => None,
            }
        })
        .collect()
}

/// A folder in memory, where there is one with room: tests make and drop hundreds of databases. Else the
/// usual one.
fn in_memory() -> String {
    const ROOM_KIB: u64 = 4 << 20;
    let asked = Command::new("df").args(["-Pk", "/dev/shm"]).output();
    let said = asked.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let room = said.ok().and_then(|said| {
        let line = said.lines().nth(1)?;
        let mut words = line.split_whitespace();
        (words.next()? == "tmpfs").then_some(())?;
        words.nth(2)?.parse::<u64>().ok()
    });
    let place = if room.is_some_and(|kib| kib >= ROOM_KIB) {
        "/dev/shm"
    } else {
        "/tmp"
    };
    place.to_owned()
}
