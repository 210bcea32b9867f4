//! Golden transcripts: what commands say, with the accidental parts redacted, in a file.
//!
//! `PGBELAY_BLESS=1` writes the files instead of comparing with them.

use std::fmt::Write as _;
use std::fs;

use super::binary::Output;
use super::installation::project;
use super::sandbox::Sandbox;

/// A series of runs, to be compared with `tests/transcripts/<name>.txt`.
pub struct Transcript<'a> {
    sandbox: &'a Sandbox,
    name: &'static str,
    text: String,
}

impl<'a> Transcript<'a> {
    /// An empty transcript.
    pub fn new(sandbox: &'a Sandbox, name: &'static str) -> Self {
        Self {
            sandbox,
            name,
            text: String::new(),
        }
    }

    /// Runs a command and takes down what it says.
    pub fn run(&mut self, tool: &str, args: &[&str]) -> Output {
        let output = self.sandbox.run(tool, args);
        self.note(&output);
        output
    }

    /// Takes down what a command has said.
    pub fn note(&mut self, output: &Output) {
        let redact = |text: &str| redact(text, self.sandbox);
        let _ = writeln!(self.text, "$ {}", redact(&output.label));
        self.text.push_str(&redact(&output.stdout));
        for line in redact(&output.stderr).lines() {
            let _ = writeln!(self.text, "! {line}");
        }
        let code = output
            .code
            .map_or_else(|| "killed".to_owned(), |code| code.to_string());
        let _ = writeln!(self.text, "[exit {code}]\n");
    }

    /// Compares with the file; panics with the first line that differs.
    #[track_caller]
    pub fn check(self) {
        let file = project().join(format!("tests/transcripts/{}.txt", self.name));
        if std::env::var_os("PGBELAY_BLESS").is_some() {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, &self.text).unwrap();
            return;
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        if self.text == expected {
            return;
        }
        let same = self
            .text
            .lines()
            .zip(expected.lines())
            .take_while(|(a, b)| a == b)
            .count();
        panic!(
            "{} differs in line {}: PGBELAY_BLESS=1 rewrites it\nexpected: {:?}\n     got: {:?}\n\n{}",
            file.display(),
            same + 1,
            expected.lines().nth(same).unwrap_or("(nothing)"),
            self.text.lines().nth(same).unwrap_or("(nothing)"),
            self.text
        );
    }
}

/// Replaces what differs from run to run: paths, names, times, ids, digests, keys.
pub fn redact(text: &str, sandbox: &Sandbox) -> String {
    let text = text
        .replace(&sandbox.folder.display().to_string(), "[folder]")
        .replace(&sandbox.cluster.folder.display().to_string(), "[socket]");
    let mut result = String::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        if end == 0 {
            result.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        // The colon or full stop after a word is the sentence's.
        let word = rest[..end].trim_end_matches([':', '.']);
        let (word, after) = rest.split_at(if word.is_empty() { end } else { word.len() });
        result.push_str(redact_word(word, &sandbox.database).unwrap_or(word));
        rest = after;
    }
    result
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-:.+".contains(c)
}

/// What stands for a word; `None` for the word itself.
fn redact_word<'a>(word: &'a str, database: &str) -> Option<&'a str> {
    let shape: String = word
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let unit = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    if word == database {
        Some("[database]")
    } else if shape.starts_with("00000000T000000Z-") {
        Some("[backup]")
    } else if shape.starts_with("0000-00-00T00:00:00") {
        Some("[time]")
    } else if shape == "0000-00-00" {
        Some("[date]")
    } else if shape.starts_with("00:00:00") {
        Some("[clock]")
    } else if word.len() == 62 && word.starts_with("age1") {
        Some("[recipient]")
    } else if word.len() == 64 && word.chars().all(|c| c.is_ascii_hexdigit()) {
        Some("[digest]")
    } else if unit.len() < word.len() && ["ms", "s", "us"].contains(&unit) {
        Some("[duration]")
    } else {
        None
    }
}
