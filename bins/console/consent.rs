//! Consent: the name of the database, typed or given by flag.

use std::io::{self, IsTerminal as _};

use dialoguer::Input;
use pgbelay_core::error::{Context as _, Error, Kind, Result};
use pgbelay_core::model::consent::Consent;

use crate::shell::Shell;
use crate::text::safe;

/// What a command is about to do to a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stakes {
    /// It destroys nothing: a plain yes will do.
    Nothing,
    /// It destroys data.
    Data,
    /// It destroys nothing, but the database is production.
    Production,
}

impl Stakes {
    /// The stakes of something that `destroys` data or not, in `production` or not.
    pub const fn of(destroys: bool, production: bool) -> Self {
        match (destroys, production) {
            (true, _) => Self::Data,
            (false, true) => Self::Production,
            (false, false) => Self::Nothing,
        }
    }
}

/// Obtains consent to changing `database`: by `--confirm`, or by asking on a terminal.
pub async fn obtain(shell: &Shell, database: &str, stakes: Stakes) -> Result<Consent> {
    if let Some(name) = &shell.shared().confirm {
        return Consent::by_flag(name, database);
    }
    let why = match stakes {
        Stakes::Nothing => {
            let question = format!("go on with {}?", named(shell, database));
            return agree(shell, &question, database).await;
        }
        Stakes::Data => "data would be destroyed",
        Stakes::Production => "this database is production",
    };
    let target = named(shell, database);
    if !can_ask() {
        return Err(Error::refused(format!(
            "{why}, and nobody can be asked for consent to changing {target}"
        ))
        .hint(format!("to consent, add --confirm {}", word(database))));
    }
    let name = safe(database);
    let prompt = format!("{why}: {target}; type the name of the database ({name}) to go on");
    let answer = ask(shell, prompt).await?;
    Consent::typed(&answer, database)
}

/// The database that a question is about, with host and environment.
pub fn named(shell: &Shell, database: &str) -> String {
    match shell.target().words() {
        words if words.is_empty() => format!("database {}", safe(database)),
        words => words,
    }
}

/// Obtains agreement to what destroys nothing: by `--confirm`, which must name the database, by
/// `--yes`, or by asking on a terminal.
pub async fn agree(shell: &Shell, question: &str, database: &str) -> Result<Consent> {
    if let Some(name) = &shell.shared().confirm {
        return Consent::by_flag(name, database);
    }
    if shell.shared().yes {
        return Ok(Consent::agreed(database));
    }
    if !can_ask() {
        let target = named(shell, database);
        return Err(Error::refused(format!(
            "nobody can be asked whether to go on with {target}"
        ))
        .hint("to agree, add --yes"));
    }
    let answer = ask(shell, format!("{question} [y/N]")).await?;
    if ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) {
        Ok(Consent::agreed(database))
    } else {
        Err(Error::refused("that was not a yes").hint("nothing was changed"))
    }
}

/// Agreement to the deletion of backups that rules on the command line don't keep. Those rules
/// are all the consent there can be where nobody can be asked (as for a nightly run); a person is
/// asked, and `--confirm` has to name the database of all of them.
pub async fn deletion(shell: &Shell, question: &str, databases: &[&str]) -> Result<()> {
    if let Some(name) = &shell.shared().confirm {
        for database in databases {
            Consent::by_flag(name, database)?;
        }
        return Ok(());
    }
    if shell.shared().yes || !can_ask() {
        return Ok(());
    }
    let answer = ask(shell, format!("{question} [y/N]")).await?;
    if ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) {
        Ok(())
    } else {
        Err(Error::refused("that was not a yes").hint("nothing was deleted"))
    }
}

/// Asks whether something is meant that no flag answers.
pub async fn meant(shell: &Shell, question: &str) -> Result<()> {
    let answer = ask(shell, format!("{question} [y/N]")).await?;
    if ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) {
        Ok(())
    } else {
        Err(Error::refused("that was not a yes").hint("nothing was changed"))
    }
}

/// True when somebody sits at a terminal.
pub fn can_ask() -> bool {
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
