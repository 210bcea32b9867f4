//! Who can open new backups, and what opens existing ones.

use std::path::{Path, PathBuf};

use pgbelay_core::error::{Error, Result};
use pgbelay_core::store::keygen;

use crate::args::Shared;
use crate::environment::Environment;
use crate::settings::config::Layer;

/// The user's own key files: `identity.txt` and `recipients.txt` in the config folder.
pub fn config_folder_files(environment: &Environment) -> Option<(PathBuf, PathBuf)> {
    let folder = environment.config_folder()?;
    Some((folder.join("identity.txt"), folder.join("recipients.txt")))
}

/// The recipients of new backups: those of the first source that names any, since adding more
/// would let people in whom nobody asked for.
pub fn recipients(
    shared: &Shared,
    environment: &Environment,
    layers: &[&Layer],
) -> Result<Vec<String>> {
    if !shared.recipients.is_empty() || shared.recipients_file.is_some() {
        return join(&shared.recipients, shared.recipients_file.as_deref());
    }
    if let Some(file) = environment.path("PGBELAY_RECIPIENTS_FILE") {
        return lines(&file);
    }
    for layer in layers {
        if layer.recipients.is_some() || layer.recipients_file.is_some() {
            let named = layer.recipients.as_deref().unwrap_or_default();
            return join(named, layer.recipients_file.as_deref());
        }
    }
    match config_folder_files(environment) {
        Some((_, file)) if file.exists() => lines(&file),
        _ => Ok(Vec::new()),
    }
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
