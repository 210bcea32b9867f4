//! Consent: the name of the database, typed or given by flag.

use std::io::{self, IsTerminal as _};

use dialoguer::Input;
use pgbelay_core::error::{Context as _, Error, Kind, Result};
use pgbelay_core::model::consent::Consent;

use crate::shell::Shell;
use crate::text::safe;

/// Obtains consent to changing `database`: by `--confirm`, or by asking on a terminal. What
/// destroys nothing may also be agreed to with `--yes` or a plain yes.
pub async fn obtain(shell: &Shell, database: &str, destroys: bool) -> Result<Consent> {
    if let Some(name) = &shell.shared().confirm {
        return Consent::by_flag(name, database);
    }
    if !destroys {
        agree(
            shell,
            &format!("go on with database {}?", safe(database)),
            None,
        )
        .await?;
        return Consent::by_flag(database, database);
    }
    if !can_ask() {
        return Err(
            Error::refused("data would be destroyed, and nobody can be asked for consent")
                .hint(format!("to consent, add --confirm {}", word(database))),
        );
    }
    let prompt = format!(
        "type the name of the database ({}) to go on",
        safe(database)
    );
    let answer = ask(shell, prompt).await?;
    Consent::typed(&answer, database)
}

/// Obtains agreement to what destroys nothing: by `--yes`, by `--confirm` (which must name the
/// database, when there is one), or by asking on a terminal.
pub async fn agree(shell: &Shell, question: &str, database: Option<&str>) -> Result<()> {
    if let (Some(name), Some(database)) = (&shell.shared().confirm, database) {
        return Consent::by_flag(name, database).map(drop);
    }
    if shell.shared().yes || shell.shared().confirm.is_some() {
        return Ok(());
    }
    if !can_ask() {
        return Err(
            Error::refused("nobody can be asked whether to go on").hint("to agree, add --yes")
        );
    }
    let answer = ask(shell, format!("{question} [y/N]")).await?;
    if ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) {
        Ok(())
    } else {
        Err(Error::refused("that was not a yes").hint("nothing was changed"))
    }
}

fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for a line of text, on a thread of its own so that an interruption is heard.
async fn ask(shell: &Shell, prompt: String) -> Result<String> {
    shell.rest();
    let question = move || {
        Input::<String>::new()
            .with_prompt(prompt)
            .allow_empty(true)
            .report(false)
            .interact()
    };
    let answer = tokio::task::spawn_blocking(question).await;
    let answer = answer.map_err(|e| Error::failed("consent can't be asked for").caused_by(e))?;
    match answer.map_err(io::Error::from) {
        Ok(answer) => Ok(answer),
        Err(e) if e.kind() == io::ErrorKind::Interrupted => {
            Err(Error::new(Kind::Interrupted, "interrupted"))
        }
        Err(e) => Err(e).context("consent can't be asked for"),
    }
}

/// `name` as one word of a shell.
fn word(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !name.is_empty() && name.chars().all(plain) && !name.starts_with('-') {
        name.to_owned()
    } else {
        format!("'{}'", name.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_can_be_pasted() {
        assert_eq!(word("shop_eu"), "shop_eu");
        assert_eq!(word("my shop"), "'my shop'");
        assert_eq!(word("it's"), "'it'\\''s'");
    }
}
