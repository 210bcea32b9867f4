//! Running the real binaries: with a clean environment, a deadline, and a kill when one is wanted.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::cluster::send;

/// How long a run may take unless the test says otherwise.
const PATIENCE: Duration = Duration::from_mins(2);

/// The file of a binary.
pub fn path_of(tool: &str) -> &'static str {
    match tool {
        "migrate" => env!("CARGO_BIN_EXE_migrate"),
        "rollback" => env!("CARGO_BIN_EXE_rollback"),
        "backup" => env!("CARGO_BIN_EXE_backup"),
        "validate" => env!("CARGO_BIN_EXE_validate"),
        other => panic!("there is no binary `{other}`"),
    }
}

/// A run in the making.
pub struct Run {
    command: Command,
    label: String,
    stdin: Option<Vec<u8>>,
    patience: Duration,
}

impl Run {
    /// A run of `tool` with nothing in its environment.
    pub fn new(tool: &str) -> Self {
        Self::of_program(path_of(tool), tool)
    }

    /// The same for any program.
    pub fn of_program(program: &str, label: &str) -> Self {
        let mut command = Command::new(program);
        // A group of its own, so that the deadline ends its children too.
        command.env_clear().process_group(0);
        Self {
            command,
            label: label.to_owned(),
            stdin: None,
            patience: PATIENCE,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        let arg = arg.into();
        let _ = write!(self.label, " {}", arg.to_string_lossy());
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args(self, args: &[&str]) -> Self {
        args.iter().fold(self, |run, arg| run.arg(*arg))
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.command.env(name, value.into());
        self
    }

    /// Removes a variable that the sandbox has set.
    pub fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Runs in another folder.
    pub fn current_dir(mut self, folder: &std::path::Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Gives text to read on stdin; without it stdin is empty.
    pub fn stdin(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(text.into());
        self
    }

    /// Sets how long the run may take.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Runs to the end.
    pub fn run(self) -> Output {
        self.start().wait()
    }

    /// Starts, and returns while it runs.
    pub fn start(mut self) -> Running {
        let stdin = if self.stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        };
        self.command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = self
            .command
            .spawn()
            .unwrap_or_else(|error| panic!("can't run `{}`: {error}", self.label));
        if let (Some(mut pipe), Some(text)) = (child.stdin.take(), self.stdin.take()) {
            // It may end without having read all; that is its right.
            thread::spawn(move || pipe.write_all(&text));
        }
        Running {
            stdout: Capture::of(child.stdout.take().unwrap()),
            stderr: Capture::of(child.stderr.take().unwrap()),
            deadline: Instant::now() + self.patience,
            label: self.label,
            child,
            ended: None,
        }
    }
}

/// A run under way. Dropped before its end, it is killed.
pub struct Running {
    child: Child,
    label: String,
    stdout: Capture,
    stderr: Capture,
    deadline: Instant,
    ended: Option<ExitStatus>,
}

impl Running {
    /// Waits for the end; panics when the deadline passes first.
    pub fn wait(mut self) -> Output {
        self.poll(|_| false);
        self.finish()
    }

    /// Waits until stdout holds `lines` lines; false when the run ended before.
    pub fn wait_for_lines(&mut self, lines: usize) -> bool {
        self.poll(|running| running.stdout.lines() >= lines)
    }

    /// Waits until stdout or stderr holds `text`; false when the run ended before.
    pub fn wait_for_text(&mut self, text: &str) -> bool {
        self.poll(|running| {
            running.stdout.text().contains(text) || running.stderr.text().contains(text)
        })
    }

    /// Waits until stdout is as `enough` wants it, but no longer than `time`; false when it is
    /// not, or the run ended before.
    pub fn wait_until(&mut self, time: Duration, enough: impl Fn(&str) -> bool) -> bool {
        let until = Instant::now() + time;
        self.poll(|running| enough(&running.stdout.text()) || Instant::now() > until);
        self.is_running() && enough(&self.stdout.text())
    }

    /// Kills (as `kill -9` does) once stdout holds `lines` lines. A run that ends before that is
    /// returned as it ended: [`Output::killed`] tells.
    pub fn kill_after_lines(mut self, lines: usize) -> Output {
        self.wait_for_lines(lines);
        self.kill()
    }

    /// Kills after a time, or returns the run as it ended before that.
    pub fn kill_after(mut self, time: Duration) -> Output {
        let until = Instant::now() + time;
        self.poll(|_| Instant::now() >= until);
        self.kill()
    }

    /// Kills now.
    pub fn kill(mut self) -> Output {
        let _ = self.child.kill();
        self.poll(|_| false);
        self.finish()
    }

    /// Kills as soon as stdout is as `enough` wants it, or returns the run as it ended.
    pub fn kill_when(mut self, enough: impl Fn(&str) -> bool) -> Output {
        self.poll(|running| enough(&running.stdout.text()));
        self.kill()
    }

    /// The process, for signals.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends what Ctrl-C sends.
    pub fn interrupt(&self) {
        send("INT", self.child.id());
    }

    /// True while it runs.
    pub fn is_running(&mut self) -> bool {
        self.ended.is_none() && matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until `enough` or the end; false for the end.
    fn poll(&mut self, enough: impl Fn(&Self) -> bool) -> bool {
        loop {
            if self.ended.is_none() {
                self.ended = self.child.try_wait().unwrap();
            }
            // Asked after the status: of a run that has ended, all output counts.
            if self.ended.is_some() {
                self.stdout.settle();
                self.stderr.settle();
            }
            if enough(self) {
                return true;
            }
            if self.ended.is_some() {
                return false;
            }
            if Instant::now() > self.deadline {
                self.kill_group();
                panic!(
                    "`{}` did not end in time\n--- stdout\n{}\n--- stderr\n{}",
                    self.label,
                    self.stdout.text(),
                    self.stderr.text()
                );
            }
            thread::sleep(Duration::from_micros(500));
        }
    }

    fn finish(&mut self) -> Output {
        let status = self.ended.unwrap();
        Output {
            label: self.label.clone(),
            code: status.code(),
            signal: status.signal(),
            stdout: self.stdout.text(),
            stderr: self.stderr.text(),
        }
    }

    fn kill_group(&mut self) {
        let _ = Command::new("kill")
            .args(["-s", "KILL", "--", &format!("-{}", self.child.id())])
            .stderr(Stdio::null())
            .status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.kill_group();
        }
    }
}

/// What a stream has said so far.
#[derive(Clone)]
struct Capture {
    bytes: Arc<Mutex<Vec<u8>>>,
    lines: Arc<AtomicUsize>,
    closed: Arc<AtomicBool>,
}

impl Capture {
    fn of(mut stream: impl Read + Send + 'static) -> Self {
        let capture = Self {
            bytes: Arc::default(),
            lines: Arc::default(),
            closed: Arc::default(),
        };
        let writer = capture.clone();
        thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(read) = stream.read(&mut buffer) {
                if read == 0 {
                    break;
                }
                let read = &buffer[..read];
                writer.bytes.lock().unwrap().extend_from_slice(read);
                let lines = read.split(|byte| *byte == b'\n').count() - 1;
                writer.lines.fetch_add(lines, Ordering::Release);
            }
            writer.closed.store(true, Ordering::Release);
        });
        capture
    }

    /// Waits for the end of the stream, but not for long: a child left over may hold it open.
    fn settle(&self) {
        let until = Instant::now() + Duration::from_secs(2);
        while !self.closed.load(Ordering::Acquire) && Instant::now() < until {
            thread::sleep(Duration::from_micros(200));
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    fn lines(&self) -> usize {
        self.lines.load(Ordering::Acquire)
    }
}

/// How a run ended, and what it said.
#[derive(Debug, Clone)]
pub struct Output {
    /// The command line.
    pub label: String,
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it answered.
    pub stdout: String,
    /// Progress, questions and diagnostics.
    pub stderr: String,
}

impl Output {
    /// Panics with everything said unless the run ended with `code`.
    #[track_caller]
    pub fn assert_exit(&self, code: i32) -> &Self {
        assert!(self.code == Some(code), "expected exit {code} of\n{self}");
        self
    }

    /// Panics unless stdout or stderr holds `text`.
    #[track_caller]
    pub fn assert_says(&self, text: &str) -> &Self {
        assert!(self.says(text), "expected {text:?} from\n{self}");
        self
    }

    /// Panics when stdout or stderr holds `text`: for secrets and row values.
    #[track_caller]
    pub fn assert_silent_about(&self, text: &str) -> &Self {
        assert!(!self.says(text), "{text:?} must not be said by\n{self}");
        self
    }

    /// True when stdout or stderr holds `text`.
    pub fn says(&self, text: &str) -> bool {
        self.stdout.contains(text) || self.stderr.contains(text)
    }

    /// True when `kill -9` came before the end.
    pub fn killed(&self) -> bool {
        self.signal == Some(9)
    }

    /// The values of stdout: one document, or one per line.
    #[track_caller]
    pub fn json(&self) -> Vec<Value> {
        serde_json::Deserializer::from_str(&self.stdout)
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap_or_else(|error| panic!("stdout is not JSON ({error}):\n{self}"))
    }

    /// The lines of one `type`.
    #[track_caller]
    pub fn events(&self, kind: &str) -> Vec<Value> {
        let mut events = self.json();
        events.retain(|event| event["type"] == kind);
        events
    }

    /// The last line, which has to be of type `done` or `error`.
    #[track_caller]
    pub fn last(&self) -> Value {
        let last = self
            .json()
            .pop()
            .unwrap_or_else(|| panic!("nothing on stdout:\n{self}"));
        assert!(
            last["type"] == "done" || last["type"] == "error",
            "no closing line:\n{self}"
        );
        last
    }

    /// The last line of stdout, where commands that write a backup print its id.
    #[track_caller]
    pub fn last_line(&self) -> &str {
        self.stdout
            .lines()
            .next_back()
            .unwrap_or_else(|| panic!("nothing on stdout:\n{self}"))
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`, which ended ", self.label)?;
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "with exit {code}")?,
            (None, signal) => write!(f, "by signal {}", signal.unwrap_or_default())?,
        }
        write!(
            f,
            "\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout, self.stderr
        )
    }
}
