//! Which words of a command line are URLs: told by the flag that they stand behind, not by their looks.

use std::ffi::OsString;

use clap::{Arg, Command};

/// What is written in a secret's place.
const MASK: &str = "***";

/// The flags of a tool, as far as reading past them takes.
#[derive(Debug, Default)]
struct Flags {
    /// Long flags whose value is a URL.
    long: Vec<String>,
    /// Short ones.
    short: Vec<char>,
    /// Short flags with another value: what follows in the same word is theirs.
    valued: Vec<char>,
}

impl Flags {
    fn of(command: &Command) -> Self {
        let mut flags = Self::default();
        flags.add(command);
        flags
    }

    fn add(&mut self, command: &Command) {
        for arg in command.get_arguments() {
            let shorts = arg.get_short_and_visible_aliases().unwrap_or_default();
            if is_url(arg) {
                let longs = arg.get_long_and_visible_aliases().unwrap_or_default();
                self.long.extend(longs.into_iter().map(str::to_owned));
                self.short.extend(shorts);
            } else if arg.get_action().takes_values() {
                self.valued.extend(shorts);
            }
        }
        for command in command.get_subcommands() {
            self.add(command);
        }
    }

    /// How many bytes of the cluster of short flags `word` (`-qdURL`) stand before the URL, if there is
    /// one, in this word or the next.
    fn before_url(&self, word: &str) -> Option<usize> {
        let cluster = word
            .strip_prefix('-')
            .filter(|rest| !rest.starts_with('-'))?;
        for (at, flag) in cluster.char_indices() {
            if self.short.contains(&flag) {
                return Some(1 + at + flag.len_utf8());
            }
            if self.valued.contains(&flag) {
                return None;
            }
        }
        None
    }
}

/// True for an argument that holds a URL: the help calls its value so.
fn is_url(arg: &Arg) -> bool {
    let names = arg.get_value_names().unwrap_or_default();
    names.iter().any(|name| name.contains("URL"))
}

/// The words of the command line `raw` of `command`, the program without its folder, and `***` for what
/// may hold a password.
pub fn masked(command: &Command, raw: &[OsString]) -> Vec<String> {
    let flags = Flags::of(command);
    let mut hide_next = false;
    let mut words = Vec::with_capacity(raw.len());
    for (place, word) in raw.iter().enumerate() {
        let word = word.to_string_lossy();
        if place == 0 {
            words.push(word.rsplit('/').next().unwrap_or_default().to_owned());
            continue;
        }
        if std::mem::take(&mut hide_next) {
            words.push(MASK.to_owned());
            continue;
        }
        words.push(one(&flags, &word, &mut hide_next));
    }
    words
}

fn one(flags: &Flags, word: &str, hide_next: &mut bool) -> String {
    let is = |flag: &str| flags.long.iter().any(|long| long == flag);
    if let Some(long) = word.strip_prefix("--") {
        match long.split_once('=') {
            Some((flag, _)) if is(flag) => return format!("--{flag}={MASK}"),
            None if is(long) => *hide_next = true,
            _ => {}
        }
    } else if let Some(end) = flags.before_url(word) {
        let (shown, value) = word.split_at(end);
        *hide_next = value.is_empty();
        return match value.strip_prefix('=') {
            Some(_) => format!("{shown}={MASK}"),
            None if value.is_empty() => shown.to_owned(),
            None => format!("{shown}{MASK}"),
        };
    }
    // A net below: a URL has no place elsewhere, but may be there by mistake.
    if word.contains("://") || word.contains("password=") {
        return MASK.to_owned();
    }
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Shared;
    use clap::Args as _;

    fn words(line: &[&str]) -> String {
        let into = Arg::new("into").long("into").value_name("FILE|DIR|URL");
        let command = Shared::augment_args(Command::new("x"));
        let command = command.subcommand(Command::new("restore").arg(into));
        let raw: Vec<OsString> = line.iter().map(OsString::from).collect();
        masked(&command, &raw).join(" ")
    }

    #[test]
    fn a_url_is_known_by_its_flag() {
        let secret = "host=h user=u pass=hunter2";
        for (line, expected) in [
            (&["/bin/x", "-d", secret] as &[&str], "x -d ***"),
            (
                &["x", "--database-url", secret, "-q"],
                "x --database-url *** -q",
            ),
            (&["x", "--database-url=hunter2"], "x --database-url=***"),
            (&["x", "-dhunter2"], "x -d***"),
            (&["x", "-d=hunter2"], "x -d=***"),
            (&["x", "-qd", secret, "to"], "x -qd *** to"),
            (&["x", "-qydhunter2"], "x -qyd***"),
            (&["x", "-vd=hunter2"], "x -vd=***"),
            (
                &["x", "restore", "--into", "hunter2"],
                "x restore --into ***",
            ),
            (&["x", "restore", "--into=hunter2"], "x restore --into=***"),
            (&["x", "-mdb/d", "-q", "up"], "x -mdb/d -q up"),
            (&["x", "-m", "-d", "hunter2"], "x -m -d ***"),
            (&["x", "p://u:hunter2@h"], "x ***"),
            (
                &["x", "to", "0041", "--reason", "d"],
                "x to 0041 --reason d",
            ),
        ] {
            assert_eq!(words(line), expected);
            assert!(!words(line).contains("hunter2"));
        }
    }
}
