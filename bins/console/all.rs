//! `--all`: the same command on every database of the config file, each in a process of its own.
//!
//! Whatever one database does to its process, the others don't notice, and every command can be
//! run that way. Nobody is asked: what needs consent needs its flag.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::{Duration, Instant};

use pgbelay_core::error::{Context as _, Error, Kind, Result};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::shell::{Ending, Exit, Shell};
use crate::table::Table;
use crate::text::{many, safe, safe_lines, took};

/// How one database fared.
struct Ended {
    name: String,
    code: u8,
    took: Duration,
    stdout: String,
    stderr: String,
}

/// Runs the command line `raw` for each database.
pub async fn run(shell: &Shell, raw: &[OsString]) -> Result<Ending> {
    let settings = shell.settings()?;
    let mut names = settings.databases;
    if names.is_empty() {
        return Err(Error::usage("the config file lists no databases")
            .hint("write a table for each: [databases.NAME] with the key url"));
    }
    if let Some(canary) = &shell.shared().canary {
        let place = names.iter().position(|name| name == canary);
        let place = place.ok_or_else(|| {
            Error::usage(format!("there is no database '{canary}' to begin with"))
                .hint(format!("the config file has: {}", names.join(", ")))
        })?;
        let first = names.remove(place);
        names.insert(0, first);
    }
    let width = usize::from(shell.shared().parallel.unwrap_or(4));
    let mut waiting = names.clone().into_iter();
    let mut running = JoinSet::new();
    let mut ended: Vec<Ended> = Vec::new();
    loop {
        let failed = ended.iter().any(|e| failure(e.code));
        // The canary goes alone.
        let alone = shell.shared().canary.is_some() && ended.is_empty();
        let room = if alone { 1 } else { width };
        while running.len() < room && !failed {
            let Some(name) = waiting.next() else { break };
            running.spawn(one(raw.to_vec(), name));
        }
        let Some(next) = running.join_next().await else {
            break;
        };
        let next =
            next.map_err(|e| Error::failed("a run could not be followed").caused_by(e))??;
        told(shell, &next);
        ended.push(next);
    }
    finish(shell, &names, &ended)
}

/// A check that found something stops nobody.
const fn failure(code: u8) -> bool {
    !matches!(code, 0 | 4)
}

async fn one(raw: Vec<OsString>, name: String) -> Result<Ended> {
    let began = Instant::now();
    let program = std::env::current_exe().context("this program can't find itself")?;
    let output = Command::new(program)
        .args(for_one(&raw, &name))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("this program can't be started again")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Ended {
        name,
        // Whoever was killed has no code.
        code: output.status.code().map_or(1, |code| code as u8),
        took: began.elapsed(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    })
}

/// The command line for one database.
fn for_one(raw: &[OsString], name: &str) -> Vec<OsString> {
    let mut words = raw.iter().skip(1);
    let mut line = Vec::new();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        match text.split('=').next().unwrap_or_default() {
            "--all" => {}
            "--parallel" | "--canary" => {
                if !text.contains('=') {
                    words.next();
                }
            }
            _ => line.push(word.clone()),
        }
    }
    line.push("--database".into());
    line.push(name.into());
    line
}

fn told(shell: &Shell, ended: &Ended) {
    if shell.json() {
        let lines = ended.stdout.lines();
        for line in lines.filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let fields = json!({"database": ended.name, "line": line});
            shell.part("database", &fields, |_| String::new());
        }
        return;
    }
    shell.part("database", &(), |paint| {
        let title = paint.bold(&format!("{}:", safe(&ended.name)));
        let mut text = format!("{title}\n{}", safe_lines(&ended.stdout));
        if failure(ended.code) {
            text.push_str(&safe_lines(&ended.stderr));
        }
        text
    });
}

fn finish(shell: &Shell, names: &[String], ended: &[Ended]) -> Result<Ending> {
    let of = |name: &str| ended.iter().find(|e| e.name == name);
    let lines: Vec<Value> = names
        .iter()
        .map(|name| {
            let ended = of(name);
            json!({
                "name": name,
                "exit_code": ended.map(|e| e.code),
                "took_ms": ended.map(|e| e.took.as_millis() as u64),
            })
        })
        .collect();
    let mut table = Table::new(&["database", "outcome", ">took", "last word"]);
    for name in names {
        let cells = match of(name) {
            None => [
                name.clone(),
                "not begun".to_owned(),
                String::new(),
                String::new(),
            ],
            Some(e) => {
                let said = if failure(e.code) {
                    first_error(&e.stderr)
                } else {
                    e.stdout.lines().last()
                };
                let outcome = match e.code {
                    0 => "done".to_owned(),
                    4 => "found something".to_owned(),
                    code => format!("failed (exit {code})"),
                };
                let said = said.filter(|_| !shell.json()).unwrap_or_default();
                [name.clone(), outcome, took(e.took), said.to_owned()]
            }
        };
        table.row(cells);
    }
    let failed: Vec<&Ended> = ended.iter().filter(|e| failure(e.code)).collect();
    let Some(first) = failed.first() else {
        let exit = Exit::found(ended.iter().any(|e| e.code == 4));
        let fields = json!({ "databases": lines });
        return Ok(shell.done(exit, &fields, |_| format!("\n{}", table.render())));
    };
    shell.part("databases", &json!({ "databases": lines }), |_| {
        format!("\n{}", table.render())
    });
    let not_begun = names.len() - ended.len();
    let failed = many(failed.len() as u64, "database", "databases");
    Err(Error::new(
        kind(first.code),
        format!("{failed} failed, {not_begun} not begun"),
    )
    .hint("what is done stays done; the same command goes on with the rest"))
}

fn first_error(stderr: &str) -> Option<&str> {
    stderr.lines().find(|line| line.starts_with("error:"))
}

/// The kind of failure that ends with `code`.
fn kind(code: u8) -> Kind {
    use Kind::{Busy, Damaged, Failed, Found, Interrupted, Refused, Usage};
    let all = [Failed, Usage, Refused, Found, Busy, Damaged, Interrupted];
    let found = all.into_iter().find(|kind| kind.exit_code() == code);
    found.unwrap_or(Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gets_the_command_line_for_itself() {
        let raw = "migrate upgrade --all --parallel 3 --canary=a --canary b --json -m x";
        let raw: Vec<OsString> = raw.split(' ').map(OsString::from).collect();
        let line: Vec<String> = for_one(&raw, "shop")
            .iter()
            .map(|w| w.to_string_lossy().into_owned())
            .collect();
        assert_eq!(line.join(" "), "upgrade --json -m x --database shop");
    }
}
