//! The last steps of a backup: facts, digests, a second look, the manifest, the rename.

use std::collections::BTreeMap;

use crate::clock;
use crate::error::Error;
use crate::error::Result;
use crate::ident::Digest;
use crate::model::backup::BackupFacts;
use crate::model::backup::BackupKind;
use crate::store::backup::Backup;
use crate::store::convert;
use crate::store::decrypt::PRIVATE_CAP;
use crate::store::facts::CommitFacts;
use crate::store::folder::Folder;
use crate::store::layout;
use crate::store::layout::Object;
use crate::store::place::Place;
use crate::store::restore_text;
use crate::store::sidecar;
use crate::store::signing_key::SigningKey;
use crate::store::statement_writer;
use crate::store::sums;
use crate::store::survey;
use crate::store::wire;
use crate::store::wire::FORMAT;
use crate::store::wire_private::Private;
use crate::store::writer::Writer;

impl Writer {
    /// Completes the backup: everything is synced, read back and compared before it counts.
    pub fn commit(mut self, facts: CommitFacts) -> Result<BackupFacts> {
        if !self.pending.is_empty() {
            return Err(Error::failed("a part of the backup was not finished"));
        }
        self.lane.close()?;
        let public = convert::public(&self, &facts, self.previous()?);
        self.put_private(&public, facts)?;
        let text = restore_text::text(&self);
        self.objects.put(layout::RESTORE, text.as_bytes())?;
        self.put_sums()?;
        self.objects.wait()?;
        self.objects.folder().sync()?;
        self.objects.read_back(threads())?;
        if matches!(
            self.new.kind,
            BackupKind::Premigrate | BackupKind::Prerollback
        ) {
            let reason = format!("made as {}", self.new.kind.as_str());
            sidecar::write_pin(self.objects.folder(), &reason, &self.new.actor, None)?;
        }
        self.put_manifest(public)?;
        self.objects.folder().sync()?;
        let target = self.publish()?;
        Ok(Backup::open(Folder::new(target))?.facts().clone())
    }

    /// The last complete backup of the same database.
    fn previous(&self) -> Result<Option<wire::Previous>> {
        let newest = survey::in_folder(&self.target.parent())?
            .backups
            .into_iter()
            .filter(|facts| facts.complete && facts.id != self.id)
            .max_by(|a, b| (a.started, &a.id).cmp(&(b.started, &b.id)));
        Ok(newest.and_then(|facts| {
            Some(wire::Previous {
                id: facts.id.to_string(),
                manifest_sha256: facts.manifest?.to_string(),
            })
        }))
    }

    fn put_private(&mut self, public: &wire::Public, facts: CommitFacts) -> Result<()> {
        let private = Private {
            format: FORMAT,
            public: public.clone(),
            parts: self.parts.iter().map(convert::part_to_wire).collect(),
            objects: self.objects.written().plain.values().cloned().collect(),
            sequences: self
                .sequences
                .iter()
                .map(convert::sequence_to_wire)
                .collect(),
            large_objects: self.large_objects.map(statement_writer::to_wire),
            settings: facts.settings,
            pg_dump_version: facts.pg_dump_version,
            extensions: facts.extensions,
            details: facts.details,
        };
        let json = wire::to_json(&private)?;
        if json.len() as u64 > PRIVATE_CAP {
            return Err(Error::failed(
                "the backup's private facts are too large to read back",
            ));
        }
        let codec = self.objects.codec();
        self.objects.seal(layout::private(codec), &json)
    }

    fn put_sums(&mut self) -> Result<()> {
        let summed = |name: &&String| Object::of(name).is_some_and(Object::is_summed);
        let written = self.objects.written();
        let digests: BTreeMap<String, Digest> = written
            .objects
            .iter()
            .filter(|(name, _)| summed(name))
            .map(|(name, (_, digest))| (name.clone(), *digest))
            .collect();
        drop(written);
        let text = sums::to_text(&digests);
        self.objects.put(layout::SUMS, text.as_bytes())
    }

    fn put_manifest(&mut self, public: wire::Public) -> Result<()> {
        let fixed = |name: &&String| Object::of(name).is_some_and(|o| !o.is_sidecar());
        let written = self.objects.written();
        let sizes: BTreeMap<String, u64> = written
            .objects
            .iter()
            .filter(|(name, _)| fixed(name))
            .map(|(name, (size, _))| (name.clone(), *size))
            .collect();
        let sums = written.objects.get(layout::SUMS);
        let sums = sums.map(|(_, digest)| digest.to_string());
        drop(written);
        let manifest = wire::Manifest {
            format: FORMAT,
            public,
            finished: wire::Time(clock::now()),
            objects: sizes.len() as u64,
            bytes: sizes.values().sum(),
            sizes: Some(sizes),
            sums_sha256: sums.unwrap_or_default(),
            signer: self.signer.as_ref().map(SigningKey::fingerprint),
        };
        let json = wire::to_json(&manifest)?;
        self.put_signature(&json)?;
        self.objects.put(layout::MANIFEST, &json)
    }

    /// Before the manifest itself, so that no complete backup is without.
    fn put_signature(&self, manifest: &[u8]) -> Result<()> {
        let Some(signer) = &self.signer else {
            return Ok(());
        };
        let text = signer.sign(manifest)?;
        self.objects.put(layout::SIGNATURE, text.as_bytes())?;
        let read = (self.objects.folder()).get(layout::SIGNATURE, text.len() as u64)?;
        if read.as_deref() == Some(text.as_bytes()) {
            return Ok(());
        }
        Err(Error::failed(format!(
            "{} reads back other than it was written",
            layout::SIGNATURE
        ))
        .hint("what it was written to can't be trusted; write to another place"))
    }

    /// Gives the folder its final name: from here on the backup is complete.
    fn publish(&mut self) -> Result<Place> {
        let target = self.target.clone();
        self.objects.folder().place().publish(&target)?;
        self.done = true;
        target.parent().sync()?;
        Ok(target)
    }
}

/// How many threads read back at a time: more would not help one disk.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get().min(4))
}
