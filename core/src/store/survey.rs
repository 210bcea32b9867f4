//! Which backups there are. What can't be read is a row of its own, and in nobody's way.

use crate::error::{Error, Result};
use crate::ident::BackupId;
use crate::model::backup::{BackupFacts, Listing, Unreadable};
use crate::store::backup::{Backup, NotComplete};
use crate::store::catalog::Store;
use crate::store::folder::Folder;
use crate::store::place::Place;
use crate::store::{incomplete, layout, reach};

impl Store {
    /// All backups (of one database, or of all), oldest first, incomplete ones too, as far as they
    /// can be read.
    pub fn list(&self, database: Option<&str>) -> Result<Vec<BackupFacts>> {
        self.survey(database).map(|listing| listing.backups)
    }

    /// All backups (of one database, or of all), and what can't be read. A bucket that doesn't answer
    /// is an error: that says nothing about what it holds.
    pub fn survey(&self, database: Option<&str>) -> Result<Listing> {
        let mut listing = Listing::default();
        for folder in self.database_folders(database)? {
            match in_folder(&folder) {
                Ok(found) => {
                    listing.backups.extend(found.backups);
                    listing.unreadable.extend(found.unreadable);
                }
                Err(error) if reach::is_out_of_reach(&error) => return Err(error),
                Err(error) => listing.unreadable.push(Unreadable {
                    id: None,
                    database: layout::database_of(&folder.name()).unwrap_or_default(),
                    place: folder.to_string(),
                    why: told(&error),
                }),
            }
        }
        let backups = &mut listing.backups;
        backups.sort_by(|a, b| (a.started, &a.id).cmp(&(b.started, &b.id)));
        listing.unreadable.sort_by(|a, b| a.place.cmp(&b.place));
        Ok(listing)
    }

    /// The folder of `database`, or those of all.
    pub(super) fn database_folders(&self, database: Option<&str>) -> Result<Vec<Place>> {
        if let Some(database) = database {
            return Ok(vec![self.database(database)]);
        }
        let folders = self.root().folders()?;
        let known = |(name, _): &(String, Place)| layout::database_of(name).is_some();
        Ok(folders.into_iter().filter(known).map(|(_, p)| p).collect())
    }
}

/// All backups in the folder of one database, and what in it can't be read.
pub fn in_folder(place: &Place) -> Result<Listing> {
    let mut listing = Listing::default();
    let Some(database) = layout::database_of(&place.name()) else {
        return Ok(listing);
    };
    let unreadable = |place: &Place, id: BackupId, why: String| Unreadable {
        id: Some(id),
        database: database.clone(),
        place: place.to_string(),
        why,
    };
    for (name, place) in place.folders()? {
        let Some(id) = id_of(&name) else {
            continue;
        };
        let folder = Folder::new(place.clone());
        let incomplete = |folder: &Folder| incomplete::facts(folder, &id, &database);
        match Backup::look(&folder) {
            // A backup under another's name or database is not what its place says.
            Ok((_, facts)) if facts.id == id && facts.database == database => {
                listing.backups.push(facts);
            }
            Ok(_) | Err(NotComplete::Incomplete(_)) => listing.backups.push(incomplete(&folder)),
            // Later versions' backups must not be taken for rubbish.
            Err(NotComplete::Newer(_)) => listing.backups.push(BackupFacts {
                complete: true,
                ..incomplete(&folder)
            }),
            Err(NotComplete::Unreadable(e)) if reach::is_out_of_reach(&e) => return Err(e),
            Err(NotComplete::Unreadable(e)) => {
                listing.unreadable.push(unreadable(&place, id, told(&e)));
            }
        }
    }
    for (name, place) in place.strangers()? {
        if let Some(id) = id_of(&name).filter(incomplete::has_time) {
            let why = "it is no folder".to_owned();
            listing.unreadable.push(unreadable(&place, id, why));
        }
    }
    Ok(listing)
}

/// The id that the folder called `name` stands for, complete or not.
pub fn id_of(name: &str) -> Option<BackupId> {
    let id = name.strip_suffix(layout::PARTIAL).unwrap_or(name);
    id.parse().ok()
}

/// The complete backups in `place` that were made after `id`, as they say, each with the digest of
/// its manifest that they recorded.
pub fn successors(place: &Place, id: &BackupId) -> Result<Vec<(BackupId, String)>> {
    let mut found = Vec::new();
    for (_, place) in place.folders()? {
        let (manifest, facts) = match Backup::look(&Folder::new(place)) {
            Ok(found) => found,
            Err(NotComplete::Unreadable(e)) if reach::is_out_of_reach(&e) => return Err(e),
            Err(_) => continue,
        };
        if let Some(previous) = manifest.public.previous
            && previous.id == id.as_str()
        {
            found.push((facts.id, previous.manifest_sha256));
        }
    }
    Ok(found)
}

/// What `error` says, with its causes.
fn told(error: &Error) -> String {
    let mut all = vec![error.to_string()];
    all.extend(error.causes());
    all.join(": ")
}
