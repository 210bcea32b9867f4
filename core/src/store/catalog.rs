//! The store: where backups lie, which there are, and where new ones begin.

use std::fs;
use std::path::Path;

use crate::clock;
use crate::error::Error;
use crate::error::Result;
use crate::ident::BackupId;
use crate::model::backup::BackupFacts;
use crate::model::location::Location;
use crate::store::age_key;
use crate::store::backup::Backup;
use crate::store::backup::NotComplete;
use crate::store::codec;
use crate::store::facts::NewBackup;
use crate::store::folder::Folder;
use crate::store::incomplete;
use crate::store::layout;
use crate::store::place::Place;
use crate::store::reach;
use crate::store::recipients::Recipients;
use crate::store::wire;
use crate::store::writer::Opening;
use crate::store::writer::Writer;

/// How often another id is tried when one is taken.
const ATTEMPTS: usize = 16;

/// A folder of backups.
#[derive(Debug, Clone)]
pub struct Store {
    root: Place,
    location: Location,
}

impl Store {
    /// The store at `location`: a folder, or `s3://bucket/prefix`. It need not exist before the first backup is begun.
    pub fn open(location: &Location) -> Result<Self> {
        if location.place.is_empty() {
            return Err(Error::usage("the location of the backups is empty"));
        }
        Ok(Self {
            root: Place::open(location)?,
            location: location.clone(),
        })
    }

    /// Where the backups of `database` lie.
    pub(super) fn database(&self, database: &str) -> Place {
        self.root.join(&layout::database_folder(database))
    }

    /// Begins a backup: its folder, its intent, and a key of its own wrapped to the recipients.
    pub fn begin(&self, new: NewBackup) -> Result<Writer> {
        let operators = Recipients::parse(&new.recipients)?;
        let (codec, level) = codec::method(new.compression)?;
        let (recipient, wraps) = age_key::make(&operators)?;
        let started = clock::now();
        let (id, folder, target) = self.make_folder(&new, started)?;
        let writer = Writer::new(Opening {
            id,
            started,
            new,
            folder,
            target,
            operators,
            recipient,
            codec,
            level,
        });
        let begin = wire::to_json(&begin_of(&writer))?;
        writer.objects.claim(layout::BEGIN, &begin)?;
        for (number, wrapped) in wraps.iter().enumerate() {
            writer.objects.put(&layout::key(number), wrapped)?;
        }
        Ok(writer)
    }

    /// Makes the folder of a backup under an id that no other has.
    fn make_folder(
        &self,
        new: &NewBackup,
        started: clock::Timestamp,
    ) -> Result<(BackupId, Folder, Place)> {
        let database = self.database(&new.database);
        for _ in 0..ATTEMPTS {
            let (kind, label) = (new.kind.as_str(), new.label.as_deref());
            let id: BackupId = layout::id(started, kind, label, rand::random()).parse()?;
            let target = database.join(id.as_str());
            let partial = target.partial();
            if !target.exists()? && partial.make()? {
                return Ok((id, Folder::new(partial), target));
            }
        }
        Err(Error::failed("cannot find an id that no backup has"))
    }

    /// All backups (of one database, or of all), oldest first, incomplete ones too.
    pub fn list(&self, database: Option<&str>) -> Result<Vec<BackupFacts>> {
        let mut found = Vec::new();
        for folder in self.database_folders(database)? {
            found.extend(in_folder(&folder)?);
        }
        found.sort_by(|a, b| (a.started, &a.id).cmp(&(b.started, &b.id)));
        Ok(found)
    }

    fn database_folders(&self, database: Option<&str>) -> Result<Vec<Place>> {
        if let Some(database) = database {
            return Ok(vec![self.database(database)]);
        }
        let folders = self.root.folders()?;
        let known = |(name, _): &(String, Place)| layout::database_of(name).is_some();
        Ok(folders.into_iter().filter(known).map(|(_, p)| p).collect())
    }

    /// The backup that `selector` names: an id, the beginning of one, `latest` (complete ones
    /// only), or the path of a backup's folder or manifest.
    pub fn find(&self, selector: &str, database: Option<&str>) -> Result<Backup> {
        let path_like = selector.contains(['/', '\\']) || selector.ends_with(layout::MANIFEST);
        if path_like || selector.starts_with('.') {
            return self.at_path(selector);
        }
        let all = self.list(database)?;
        let chosen = if selector == "latest" {
            all.iter().rfind(|facts| facts.complete).ok_or_else(|| {
                Error::usage("there is no complete backup").hint("`backup create` makes one")
            })?
        } else {
            let named = |facts: &&BackupFacts| {
                !selector.is_empty() && facts.id.as_str().starts_with(selector)
            };
            let exact = all.iter().find(|facts| facts.id.as_str() == selector);
            let matching: Vec<&BackupFacts> = all.iter().filter(named).collect();
            match (exact, matching.as_slice()) {
                (Some(facts), _) => facts,
                (None, [facts]) => facts,
                (None, []) if Path::new(selector).is_dir() => return self.at_path(selector),
                (None, []) => {
                    return Err(Error::usage(format!("there is no backup '{selector}'"))
                        .hint("see `backup list`"));
                }
                (None, several) => {
                    let ids: Vec<&str> = several.iter().map(|f| f.id.as_str()).collect();
                    return Err(
                        Error::usage(format!("'{selector}' begins more than one id"))
                            .hint(format!("give more of it: {}", ids.join(", "))),
                    );
                }
            }
        };
        let backup = Backup::open(Folder::new(self.place_of(chosen)?))?;
        let found = backup.facts();
        if (&found.id, &found.database) == (&chosen.id, &chosen.database) {
            Ok(backup)
        } else {
            Err(Error::damaged(format!(
                "the folder of backup {} holds the manifest of another, {}",
                chosen.id, found.id
            )))
        }
    }

    /// The backup at a path or URL given by hand, which need not lie in a store.
    fn at_path(&self, selector: &str) -> Result<Backup> {
        let place = if selector.contains("://") {
            Place::open(&self.location.at(selector))?
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

    pub(super) fn place_of(&self, facts: &BackupFacts) -> Result<Place> {
        let place = self.database(&facts.database).join(facts.id.as_str());
        if place.exists()? {
            return Ok(place);
        }
        Ok(place.partial())
    }
}

fn begin_of(writer: &Writer) -> wire::Begin {
    let new = &writer.new;
    let host = new.actor.rsplit_once('@').map_or("", |(_, host)| host);
    wire::Begin {
        format: wire::FORMAT,
        id: writer.id.to_string(),
        kind: new.kind.as_str().to_owned(),
        name: new.name.clone(),
        reason: new.reason.clone(),
        database: new.database.clone(),
        host: host.to_owned(),
        actor: new.actor.clone(),
        pid: std::process::id(),
        tool: wire::Tool::this(),
        started: wire::Time(writer.started),
    }
}

/// All backups in the folder of one database.
pub fn in_folder(place: &Place) -> Result<Vec<BackupFacts>> {
    let database = layout::database_of(&place.name());
    let mut found = Vec::new();
    for (name, place) in place.folders()? {
        let id = name.strip_suffix(layout::PARTIAL).unwrap_or(&name);
        let (Ok(id), Some(database)) = (id.parse::<BackupId>(), &database) else {
            continue;
        };
        let folder = Folder::new(place);
        let incomplete = |folder: &Folder| incomplete::facts(folder, &id, database);
        match Backup::look(&folder) {
            // A backup under another's name or database is not what its place says.
            Ok((_, facts)) if facts.id == id && facts.database == *database => found.push(facts),
            Ok(_) | Err(NotComplete::Incomplete(_)) => found.push(incomplete(&folder)),
            // Later versions' backups must not be taken for rubbish.
            Err(NotComplete::Newer(_)) => found.push(BackupFacts {
                complete: true,
                ..incomplete(&folder)
            }),
            Err(NotComplete::Unreadable(e)) => return Err(e),
        }
    }
    Ok(found)
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
