//! The store: where backups lie, and where new ones begin.

use crate::clock;
use crate::error::Error;
use crate::error::Result;
use crate::ident::BackupId;
use crate::model::backup::BackupFacts;
use crate::model::location::Location;
use crate::store::age_key;
use crate::store::codec;
use crate::store::facts::NewBackup;
use crate::store::folder::Folder;
use crate::store::layout;
use crate::store::place::Place;
use crate::store::recipients::Recipients;
use crate::store::signing_key::SigningKey;
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

    pub(super) const fn root(&self) -> &Place {
        &self.root
    }

    pub(super) const fn location(&self) -> &Location {
        &self.location
    }

    /// Where the backups of `database` lie.
    pub(super) fn database(&self, database: &str) -> Place {
        self.root.join(&layout::database_folder(database))
    }

    /// Begins a backup: its folder, its intent, and a key of its own wrapped to the recipients.
    pub fn begin(&self, new: NewBackup) -> Result<Writer> {
        let operators = Recipients::parse(&new.recipients)?;
        let signer = new
            .signing_key
            .as_deref()
            .map(SigningKey::load)
            .transpose()?;
        let (codec, level) = codec::method(new.compression)?;
        let (key, wraps) = age_key::make(&operators)?;
        let started = clock::now();
        let (id, folder, target) = self.make_folder(&new, started)?;
        let writer = Writer::new(Opening {
            id,
            started,
            new,
            folder,
            target,
            operators,
            key,
            signer,
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
