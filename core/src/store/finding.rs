//! Finding one backup. It is found by its own path: what else lies in the store is in nobody's way.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};
use crate::ident::{BackupId, Digest};
use crate::store::backup::Backup;
use crate::store::catalog::Store;
use crate::store::folder::Folder;
use crate::store::place::Place;
use crate::store::{layout, reach, survey};

/// Where a backup lies whose name was found.
struct Named {
    id: BackupId,
    place: Place,
}

impl Store {
    /// The backup that `selector` names: an id, the beginning of one, `latest` (complete ones
    /// only), or the path of a backup's folder or manifest.
    pub fn find(&self, selector: &str, database: Option<&str>) -> Result<Backup> {
        let path_like = selector.contains(['/', '\\']) || selector.ends_with(layout::MANIFEST);
        if path_like || selector.starts_with('.') {
            return self.at_path(selector);
        }
        if selector == "latest" {
            return self.latest(database);
        }
        let mut named = self.named(selector, database)?;
        if named.is_empty() {
            if Path::new(selector).is_dir() {
                return self.at_path(selector);
            }
            return Err(
                Error::usage(format!("there is no backup '{selector}'")).hint("see `backup list`")
            );
        }
        if named.iter().any(|n| n.id.as_str() == selector) {
            named.retain(|n| n.id.as_str() == selector);
        }
        let ids: Vec<&str> = named.iter().map(|n| n.id.as_str()).collect();
        if ids.iter().any(|id| *id != ids[0]) {
            let error = Error::usage(format!("'{selector}' begins more than one id"));
            return Err(error.hint(format!("give more of it: {}", ids.join(", "))));
        }
        // Under one id, in the folders of several databases: those that can't be read are passed
        // over where another can.
        let places: Vec<String> = named.iter().map(|n| n.place.to_string()).collect();
        let mut opened: Vec<Result<Backup>> = named.into_iter().map(Named::open).collect();
        opened.sort_by_key(Result::is_err);
        if opened.iter().filter(|o| o.is_ok()).count() > 1 {
            let error = Error::usage(format!("more than one backup has the id {selector}"));
            return Err(error.hint(format!("give its path: {}", places.join(", "))));
        }
        opened.swap_remove(0)
    }

    /// The backup `id` of `database`, whose manifest is to have a digest. It is looked for where it
    /// was written, and under the same name in the folders of other databases, since databases are
    /// renamed.
    pub fn find_made(
        &self,
        id: &BackupId,
        manifest: Option<Digest>,
        database: &str,
    ) -> Result<Backup> {
        let fits = |backup: &Backup| manifest.is_none() || backup.facts().manifest == manifest;
        let own = self.own(id, database);
        if own.as_ref().is_ok_and(fits) {
            return own;
        }
        // What is wrong with its own place is told, unless it is somewhere else.
        let elsewhere = self.named(id.as_str(), None).unwrap_or_default();
        let mut elsewhere = elsewhere.into_iter().filter(|n| n.id == *id);
        let found = elsewhere.find_map(|n| n.open().ok().filter(fits));
        found.map_or(own, Ok)
    }

    fn own(&self, id: &BackupId, database: &str) -> Result<Backup> {
        let folder = self.database(database);
        for place in [folder.join(id.as_str()), folder.join(id.as_str()).partial()] {
            if place.exists()? {
                return (Named {
                    id: id.clone(),
                    place,
                })
                .open();
            }
        }
        self.find(id.as_str(), None)
    }

    /// The newest complete backup.
    fn latest(&self, database: Option<&str>) -> Result<Backup> {
        let all = self.list(database)?;
        let newest = all.iter().rfind(|facts| facts.complete).ok_or_else(|| {
            Error::usage("there is no complete backup").hint("`backup create` makes one")
        })?;
        let place = self.place_of(newest)?;
        (Named {
            id: newest.id.clone(),
            place,
        })
        .open()
    }

    /// The backups whose ids begin like `selector`, of one database or of all.
    fn named(&self, selector: &str, database: Option<&str>) -> Result<Vec<Named>> {
        let mut named = Vec::new();
        for folder in self.database_folders(database)? {
            let inside = match folder.folders() {
                Err(error) if reach::is_out_of_reach(&error) => return Err(error),
                // Somebody else's folder, which `list` shows.
                inside => inside.unwrap_or_default(),
            };
            for (name, place) in inside {
                let id = survey::id_of(&name);
                let begins =
                    |id: &BackupId| !selector.is_empty() && id.as_str().starts_with(selector);
                named.extend(id.filter(begins).map(|id| Named { id, place }));
            }
        }
        named.sort_by(|a, b| (&a.id, a.place.name()).cmp(&(&b.id, b.place.name())));
        Ok(named)
    }

    /// The backup at a path or URL given by hand, which need not lie in a store.
    fn at_path(&self, selector: &str) -> Result<Backup> {
        let place = if selector.contains("://") {
            Place::open(&self.location().at(selector))?
        } else {
            Place::Disk(fs::canonicalize(selector).map_err(|e| {
                Error::usage(format!("there is no backup at {selector}")).caused_by(e)
            })?)
        };
        Backup::open(Folder::new(if place.name() == layout::MANIFEST {
            place.parent()
        } else {
            place
        }))
    }
}

impl Named {
    /// Opens it, if it is what its place says.
    fn open(self) -> Result<Backup> {
        let Self { id, place } = self;
        let database = layout::database_of(&place.parent().name());
        let backup = Backup::open(Folder::new(place))?;
        let found = backup.facts();
        if found.id == id && Some(&found.database) == database.as_ref() {
            return Ok(backup);
        }
        Err(Error::damaged(format!(
            "the folder of backup {id} holds the manifest of another, {}",
            found.id
        )))
    }
}
