//! Reading the command line, and what is said when it can't be read.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use pgbelay_core::error::{Error, Kind};

use crate::args::{ColorWhen, value};
use crate::environment::Environment;
use crate::output::Output;
use crate::report::failure;
use crate::shell::colours;
use crate::target::Target;

/// Parses the command line. Whoever asked for help or made a mistake is answered already; then
/// the exit code is returned.
pub fn parse<C: Parser>() -> Result<C, ExitCode> {
    let raw: Vec<OsString> = std::env::args_os().collect();
    C::try_parse_from(&raw).map_err(|e| explain(&e, &raw))
}

/// Like [`parse`], but a command line without a sub-command is read as one of `command`.
pub fn parse_or<C: Parser>(command: &str) -> Result<C, ExitCode> {
    let raw: Vec<OsString> = std::env::args_os().collect();
    read_or(&raw, command).map_err(|e| explain(&e, &raw))
}

fn read_or<C: Parser>(raw: &[OsString], command: &str) -> Result<C, clap::Error> {
    let first = match C::try_parse_from(raw) {
        Err(e) if lacks_command(&e) && raw.len() > 1 => e,
        answer => return answer,
    };
    let mut with_command = raw.to_vec();
    with_command.insert(1, command.into());
    C::try_parse_from(with_command).map_err(|second| {
        let misspelt = invalid_command(&first).filter(|word| !value::looks_like_revision(word));
        if misspelt.is_some() { first } else { second }
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
    let when = match color(&words) {
        Some("never") => ColorWhen::Never,
        Some("always") => ColorWhen::Always,
        _ => ColorWhen::Auto,
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
        let first = message
            .lines()
            .map(str::trim)
            .take_while(|line| !line.is_empty());
        let first = first.collect::<Vec<&str>>().join(" ");
        let mut error = Error::usage(first.trim_start_matches("error: "));
        for tip in message
            .lines()
            .filter_map(|line| line.trim().strip_prefix("tip: "))
        {
            error = error.hint(tip);
        }
        output.out(&failure::json(&error, &Target::default()));
    }
    ExitCode::from(Kind::Usage.exit_code())
}

/// The value of `--color`, of a command line that could not be parsed.
fn color<'a>(words: &[&'a str]) -> Option<&'a str> {
    let at = words.iter().position(|word| word.starts_with("--color"))?;
    let value = words[at].split_once('=').map(|(_, value)| value);
    value.or_else(|| words.get(at + 1).copied())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[arg(long, global = true)]
        url: Option<String>,
        #[command(subcommand)]
        command: Command,
    }

    #[derive(Debug, clap::Subcommand)]
    enum Command {
        To {
            #[arg(allow_negative_numbers = true, value_parser = value::revision)]
            revision: String,
            #[arg(long)]
            dry_run: bool,
        },
        Undo,
    }

    fn read(words: &str) -> Result<Cli, clap::Error> {
        let raw: Vec<OsString> = words.split(' ').map(OsString::from).collect();
        read_or(&raw, "to")
    }

    #[test]
    fn a_bare_revision_is_the_default_command() {
        for (words, expected) in [
            ("rollback 0041", "0041"),
            ("rollback --url x 0041 --dry-run", "0041"),
            ("rollback --dry-run 0041", "0041"),
            ("rollback -1", "-1"),
            ("rollback to base", "base"),
            ("rollback --url to base", "base"),
        ] {
            let cli = read(words).unwrap();
            assert!(
                matches!(&cli.command, Command::To { revision, .. } if revision == expected),
                "{words}: {cli:?}"
            );
        }
        assert!(matches!(
            read("rollback --url x undo").unwrap().command,
            Command::Undo
        ));
    }

    #[test]
    fn a_misspelt_command_is_no_revision() {
        let kind = |words: &str| read(words).unwrap_err().kind();
        assert_eq!(kind("rollback undoo"), ErrorKind::InvalidSubcommand);
        assert_eq!(kind("rollback 0041 --bogus"), ErrorKind::UnknownArgument);
        assert_eq!(kind("rollback --help"), ErrorKind::DisplayHelp);
    }

    #[test]
    fn mistakes_show_no_password() {
        let words = ["postgres://u:pw@h/d", "--data-url=postgres://u:pw@h/e"];
        let text = format!("unexpected '{}' and '{}'", words[0], words[1]);
        let shown = without_secrets(text, &words);
        assert_eq!(shown, "unexpected '…' and '--data-url=…'");
    }
}
