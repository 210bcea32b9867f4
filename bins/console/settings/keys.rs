//! Who can open new backups, and what opens existing ones.

use std::path::{Path, PathBuf};

use pgbelay_core::error::{Error, Result};
use pgbelay_core::ops::context::{Named, Signers};
use pgbelay_core::store::keygen;

use crate::args::Shared;
use crate::environment::Environment;
use crate::settings::config::Layer;

/// The user's own key files: `identity.txt` and `recipients.txt` in the config folder.
pub fn config_folder_files(environment: &Environment) -> Option<(PathBuf, PathBuf)> {
    let folder = environment.config_folder()?;
    Some((folder.join("identity.txt"), folder.join("recipients.txt")))
}

/// The recipients of new backups, and where they are named: those of the first source that names any,
/// since adding more would let people in whom nobody asked for.
pub fn recipients(
    shared: &Shared,
    environment: &Environment,
    layers: &[&Layer],
    config: Option<&Path>,
) -> Result<(Vec<String>, Named)> {
    let named = |by: String, in_dotenv: bool| Named {
        by,
        in_dotenv,
        before: None,
    };
    if !shared.recipients.is_empty() || shared.recipients_file.is_some() {
        let by = match &shared.recipients_file {
            Some(file) => format!("--recipients-file {}", file.display()),
            None => "--recipient".to_owned(),
        };
        let all = join(&shared.recipients, shared.recipients_file.as_deref())?;
        return Ok((all, named(by, false)));
    }
    let variable = "PGBELAY_RECIPIENTS_FILE";
    if let Some(file) = environment.path(variable) {
        let by = format!("{}: {}", environment.source(variable), file.display());
        return Ok((lines(&file)?, named(by, environment.is_from_file(variable))));
    }
    for layer in layers {
        if layer.recipients.is_some() || layer.recipients_file.is_some() {
            let texts = layer.recipients.as_deref().unwrap_or_default();
            let all = join(texts, layer.recipients_file.as_deref())?;
            let (by, in_dotenv) = by_config(shared, environment, config);
            return Ok((all, named(by, in_dotenv)));
        }
    }
    match config_folder_files(environment) {
        Some((_, file)) if file.exists() => {
            let moved = ["XDG_CONFIG_HOME", "HOME"];
            let moved = moved
                .into_iter()
                .find(|name| environment.is_from_file(name));
            let by = match moved {
                Some(name) => format!("{}, by {name} in .env", file.display()),
                None => file.display().to_string(),
            };
            Ok((lines(&file)?, named(by, moved.is_some())))
        }
        _ => Ok((Vec::new(), Named::default())),
    }
}

/// The config file in words, and whether `.env` names it: whoever chooses the file chooses what
/// stands in it.
fn by_config(shared: &Shared, environment: &Environment, file: Option<&Path>) -> (String, bool) {
    let file = file.unwrap_or(Path::new("pgbelay.toml")).display();
    if shared.config.is_none() && environment.is_from_file("PGBELAY_CONFIG") {
        return (format!("{file}, the PGBELAY_CONFIG in .env"), true);
    }
    (file.to_string(), false)
}

/// The file with the key that signs new backups.
pub fn signing_key(
    shared: &Shared,
    environment: &Environment,
    layers: &[&Layer],
) -> Option<PathBuf> {
    (shared.signing_key.clone())
        .or_else(|| environment.path("PGBELAY_SIGNING_KEY"))
        .or_else(|| layers.iter().find_map(|layer| layer.signing_key.clone()))
}

/// The file that lists whose signatures count, and who says so.
pub fn allowed_signers(
    shared: &Shared,
    environment: &Environment,
    layers: &[&Layer],
    config: Option<&Path>,
) -> Option<Signers> {
    let signers = |file: PathBuf, by: String, in_dotenv: bool| Signers {
        file,
        by,
        in_dotenv,
    };
    if let Some(file) = &shared.allowed_signers {
        return Some(signers(file.clone(), "--allowed-signers".to_owned(), false));
    }
    let variable = "PGBELAY_ALLOWED_SIGNERS";
    if let Some(file) = environment.path(variable) {
        let by = environment.source(variable);
        return Some(signers(file, by, environment.is_from_file(variable)));
    }
    let mut named = layers
        .iter()
        .filter_map(|layer| layer.allowed_signers.clone());
    let (by, in_dotenv) = by_config(shared, environment, config);
    // A path in it may begin with ~/.
    let moved = environment.is_from_file("HOME");
    let by = if moved && !in_dotenv {
        format!("{by}, by HOME in .env")
    } else {
        by
    };
    Some(signers(named.next()?, by, in_dotenv || moved))
}

/// The files with identities, of the first source that names any.
pub fn identities(shared: &Shared, environment: &Environment, layers: &[&Layer]) -> Vec<PathBuf> {
    if !shared.identities.is_empty() {
        return shared.identities.clone();
    }
    if let Some(file) = environment.path("PGBELAY_IDENTITY") {
        return vec![file];
    }
    let configured = layers.iter().find_map(|layer| layer.identities.clone());
    let own = || config_folder_files(environment).map(|(identity, _)| identity);
    configured.unwrap_or_else(|| own().into_iter().collect())
}

fn join(named: &[String], file: Option<&Path>) -> Result<Vec<String>> {
    let mut all = named.to_vec();
    if let Some(file) = file {
        all.extend(lines(file)?);
    }
    Ok(all)
}

/// The recipients in a recipients file.
fn lines(file: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(file).map_err(|e| {
        Error::usage(format!(
            "the recipients file {} can't be read",
            file.display()
        ))
        .caused_by(e)
    })?;
    keygen::parse_recipients_file(&text).map_err(|e| {
        e.wrap(format!(
            "the recipients file {} can't be used",
            file.display()
        ))
    })
}
