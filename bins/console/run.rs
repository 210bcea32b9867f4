//! From the command line to the exit code.

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use pgbelay_core::error::{Context as _, Error, Kind, Result};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{ColorWhen, Shared, value};
use crate::environment::Environment;
use crate::output::Output;
use crate::report::failure;
use crate::shell::{Ending, Shell, colours};

/// Parses the command line. Whoever asked for help or made a mistake is answered already; then
/// the exit code is returned.
pub fn parse<C: Parser>() -> Result<C, ExitCode> {
    let raw: Vec<OsString> = std::env::args_os().collect();
    C::try_parse_from(&raw).map_err(|e| explain(&e, &raw))
}

/// Like [`parse`], but a command line without a sub-command is read as one of `command`.
pub fn parse_or<C: Parser>(command: &str) -> Result<C, ExitCode> {
    let raw: Vec<OsString> = std::env::args_os().collect();
    let first = match C::try_parse_from(&raw) {
        Ok(parsed) => return Ok(parsed),
        Err(e) if !lacks_command(&e) || raw.len() < 2 => return Err(explain(&e, &raw)),
        Err(e) => e,
    };
    let mut with_command = raw.clone();
    with_command.insert(1, command.into());
    C::try_parse_from(with_command).map_err(|second| {
        let misspelt =
            invalid_command(&first).is_some_and(|word| !value::looks_like_revision(&word));
        explain(if misspelt { &first } else { &second }, &raw)
    })
}

/// True when a sub-command put in front could mend the mistake.
fn lacks_command(e: &clap::Error) -> bool {
    use ErrorKind::{InvalidSubcommand, MissingSubcommand, UnknownArgument};
    matches!(
        e.kind(),
        InvalidSubcommand | MissingSubcommand | UnknownArgument
    )
}

fn invalid_command(e: &clap::Error) -> Option<String> {
    match e.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(word)) => Some(word.clone()),
        _ => None,
    }
}

/// Answers a request for help, or explains a mistake; with `--json` also as JSON.
fn explain(e: &clap::Error, raw: &[OsString]) -> ExitCode {
    let output = Output::real();
    let words: Vec<&str> = raw
        .iter()
        .skip(1)
        .filter_map(|word| word.to_str())
        .collect();
    let has = |flag: &str| words.iter().take_while(|w| **w != "--").any(|w| *w == flag);
    let terminal = if e.use_stderr() {
        output.err_is_terminal()
    } else {
        output.out_is_terminal()
    };
    let when = if has("--color=never") {
        ColorWhen::Never
    } else {
        ColorWhen::Auto
    };
    let paint = colours(when, &Environment::read(), terminal);
    let styled = e.render();
    let text = if paint.is_on() {
        styled.ansi().to_string()
    } else {
        styled.to_string()
    };
    if !e.use_stderr() {
        output.out(&text);
        return ExitCode::SUCCESS;
    }
    output.err(&without_secrets(text, &words));
    if has("--json") {
        let message = without_secrets(styled.to_string(), &words);
        let mut lines = message.lines();
        let first = lines.next().unwrap_or_default();
        let mut error = Error::usage(first.trim_start_matches("error: "));
        for tip in lines.filter_map(|line| line.trim().strip_prefix("tip: ")) {
            error = error.hint(tip);
        }
        output.out(&failure::json(&error));
    }
    ExitCode::from(Kind::Usage.exit_code())
}

/// `text` without the words that may hold a password: they are there by mistake.
fn without_secrets(mut text: String, words: &[&str]) -> String {
    for word in words {
        let flag_value = word.split_once('=').filter(|_| word.starts_with('-'));
        let value = flag_value.map_or(*word, |(_, value)| value);
        if value.contains("://") || value.contains("password=") {
            text = text.replace(value, "…");
        }
    }
    text
}

/// Runs `command` until it ends or the user interrupts it, and reports how it ended.
pub fn run<F>(shared: Shared, command: F) -> ExitCode
where
    F: AsyncFnOnce(&Shell) -> Result<Ending>,
{
    let output = Arc::new(Output::real());
    let shell = Shell::new(shared, Environment::read(), Arc::clone(&output));
    let ended = catch_unwind(AssertUnwindSafe(|| supervise(&shell, command)));
    let ended = ended.unwrap_or_else(|_| Err(Error::failed("go on: this is a bug in pgbelay")));
    shell.rest();
    match ended.and_then(|ending| output.finish().map(|()| ending)) {
        Ok(ending) => ExitCode::from(ending.exit().code()),
        Err(error) => {
            report(&shell, &error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}

fn supervise<F>(shell: &Shell, command: F) -> Result<Ending>
where
    F: AsyncFnOnce(&Shell) -> Result<Ending>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start")?;
    let ended = runtime.block_on(async {
        tokio::select! {
            biased;
            () = interruption() => {}
            ended = command(shell) => return ended,
        }
        // The operation is dropped; a moment for what it sends on its way out.
        tokio::time::sleep(Duration::from_millis(100)).await;
        Err(Error::new(Kind::Interrupted, "interrupted"))
    });
    // A question nobody answered keeps a thread; don't wait for it.
    runtime.shutdown_background();
    ended
}

/// Waits for the first SIGINT or SIGTERM.
async fn interruption() {
    let signals = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    );
    if let (Ok(mut interrupt), Ok(mut terminate)) = signals {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    } else {
        std::future::pending::<()>().await;
    }
}

fn report(shell: &Shell, error: &Error) {
    let output = shell.output();
    if error.kind() == Kind::Interrupted && output.err_is_terminal() {
        // Whatever hid the cursor is gone; the line with ^C ends here.
        output.err("\x1b[?25h\n");
    }
    if shell.json() {
        output.out(&failure::json(error));
    } else {
        output.err(&failure::human(error, shell.err_paint()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_show_no_password() {
        let words = ["postgres://u:pw@h/d", "--data-url=postgres://u:pw@h/e"];
        let text = format!("unexpected '{}' and '{}'", words[0], words[1]);
        let shown = without_secrets(text, &words);
        assert_eq!(shown, "unexpected '…' and '--data-url=…'");
    }
}
