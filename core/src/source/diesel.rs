//! diesel: a folder for each migration, with `up.sql`, `down.sql` and `metadata.toml`.

use std::fs;
use std::path::Path;

use crate::model::migration::Script;
use crate::source::part::Part;

/// The part in `file` at `path`; a problem in words. The folder bears the name, with a version that
/// may be divided by dashes.
pub(super) fn part(path: &Path, file: &str, script: Script) -> Result<Part, String> {
    let folder = path.parent().unwrap_or(path);
    let stem = folder.file_name().and_then(|name| name.to_str());
    let (version, name) = stem
        .map(|stem| stem.split_once('_').unwrap_or((stem, "")))
        .unwrap_or_default();
    let revision = version.replace('-', "").parse();
    let revision =
        revision.map_err(|_| format!("'{}' is not named <version>_<name>", folder.display()))?;
    let metadata = fs::read_to_string(folder.join("metadata.toml")).unwrap_or_default();
    let outside = |line: &str| line.replace(' ', "") == "run_in_transaction=false";
    Ok(Part {
        revision,
        name: name.to_owned(),
        down: file == "down.sql",
        no_transaction: metadata.lines().any(|line| outside(line.trim())),
        script,
    })
}
