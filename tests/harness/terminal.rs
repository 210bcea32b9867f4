//! A real terminal with somebody at its keyboard: util-linux' `script` makes it.

use std::fs::{self, File};
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use super::binary::{Output, Run, Running, path_of};
use super::sandbox::Sandbox;

/// A command on a terminal. What it writes, to stdout or stderr, is in `stdout`.
pub struct Terminal {
    run: Running,
    keys: File,
}

impl Terminal {
    /// Starts `tool` on a terminal.
    pub fn start(sandbox: &Sandbox, tool: &str, args: &[&str]) -> Self {
        let keyboard = sandbox.folder.join("keyboard");
        let _ = fs::remove_file(&keyboard);
        assert!(
            Command::new("mkfifo")
                .arg(&keyboard)
                .status()
                .unwrap()
                .success()
        );
        let words: Vec<String> = args.iter().map(|arg| format!("'{arg}'")).collect();
        let command = format!("{} {}", path_of(tool), words.join(" "));
        let shell = format!("exec script -qec \"{command}\" /dev/null < keyboard");
        let run = Run::of_program("sh", "sh")
            .args(&["-c", &shell])
            .current_dir(&sandbox.folder)
            .env("PATH", sandbox.cluster.installation.path())
            .env("HOME", sandbox.home())
            .env("XDG_CONFIG_HOME", sandbox.config())
            .env("DATABASE_URL", sandbox.url())
            .env("LC_ALL", "C")
            .env("TERM", "xterm")
            .env("SHELL", "/bin/sh")
            .start();
        let keys = File::options().write(true).open(&keyboard).unwrap();
        Self { run, keys }
    }

    /// Waits until `text` is on the screen.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> &mut Self {
        assert!(self.run.wait_for_text(text), "{text:?} never appeared");
        self
    }

    /// Types a line, again and again until it is heard: what is typed before a program reads is
    /// thrown away.
    pub fn answer(mut self, line: &str) -> Output {
        while self.run.is_running() {
            let _ = self.keys.write_all(format!("{line}\n").as_bytes());
            self.run.wait_until(Duration::from_secs(5), |_| false);
        }
        self.run.wait()
    }

    /// Presses Ctrl-C.
    pub fn interrupt(mut self) -> Output {
        self.keys.write_all(b"\x03").unwrap();
        self.run.wait()
    }

    /// Waits for the end.
    pub fn wait(self) -> Output {
        self.run.wait()
    }
}
