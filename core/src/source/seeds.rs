//! Scripts beside the migrations: seeds, and the repeatable ones of Flyway.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};
use crate::model::layout::Layout;
use crate::model::migration::Script;
use crate::model::seed::Seed;
use crate::source::flyway;
use crate::source::flyway::Name;
use crate::source::folder;
use crate::source::header;
use crate::source::layout;

/// The seeds in `folder`, in the order of their names. The name is that of the file, without
/// `.sql`; a header line `repeatable: on` runs one again whenever it was changed.
pub fn seeds(folder: &Path) -> Result<Vec<Seed>> {
    if !folder.exists() {
        return Err(Error::usage(format!(
            "there is no folder of seeds '{}'",
            folder.display()
        ))
        .hint("put SQL files there, or name the folder with --seeds"));
    }
    let mut found = Vec::new();
    for path in folder::files(folder)? {
        let script = read(&path)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        found.push(Seed {
            name: name.into_owned(),
            repeatable: header::read(&script.text).repeatable,
            script,
        });
    }
    Ok(found)
}

/// The repeatable scripts of a folder of migrations, in the order in which they run.
pub fn repeatables(folder: &Path, layout: Layout) -> Result<Vec<Seed>> {
    let mut found = Vec::new();
    if layout != Layout::Flyway {
        return Ok(found);
    }
    for path in layout::files(folder::list(folder)?, layout)? {
        let file = path.file_name().and_then(|name| name.to_str());
        let Some(Name::Repeatable(name)) = file.and_then(flyway::parse) else {
            continue;
        };
        let script = read(&path)?;
        if let Some(why) = flyway::beyond(&script.text) {
            return Err(Error::usage(format!("'{}': {why}", script.path)));
        }
        found.push(Seed {
            name,
            repeatable: true,
            script,
        });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn read(path: &Path) -> Result<Script> {
    let shown = path.display().to_string();
    let text = fs::read(path)
        .map_err(|e| Error::usage(format!("'{shown}' can't be read")).caused_by(e))?;
    let text = String::from_utf8(text)
        .map_err(|_| Error::usage(format!("'{shown}' is not text in UTF-8")))?;
    Ok(Script::new(shown, &text))
}
