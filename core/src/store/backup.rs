//! One complete backup, known by its manifest. What it holds is out of reach until verified.

use crate::clock::Timestamp;
use crate::error::Error;
use crate::error::Result;
use crate::ident::Digest;
use crate::model::backup::BackupFacts;
use crate::model::backup::BackupKind;
use crate::model::backup::VerifyLevel;
use crate::model::event::Observer;
use crate::model::signature::Signature;
use crate::store::allowed_signers::AllowedSigners;
use crate::store::convert;
use crate::store::folder::Folder;
use crate::store::identities::Identities;
use crate::store::layout;
use crate::store::operators;
use crate::store::place::Place;
use crate::store::reach;
use crate::store::recipients::Opener;
use crate::store::sidecar;
use crate::store::signature;
use crate::store::verified::Verified;
use crate::store::verify;
use crate::store::wire;
use crate::store::wire::FORMAT;

/// No manifest is larger: 50,000 tables take about 5 MB.
pub const MANIFEST_CAP: u64 = 64 << 20;

/// A complete backup. Its objects were not looked at yet.
#[derive(Debug)]
pub struct Backup {
    folder: Folder,
    manifest: wire::Manifest,
    facts: BackupFacts,
}

/// Why there is no complete backup in a folder.
#[derive(Debug)]
pub enum NotComplete {
    /// It has no valid manifest.
    Incomplete(String),
    /// Its manifest is in a format of a later version.
    Newer(u32),
    /// It could not be looked at.
    Unreadable(Error),
}

impl Backup {
    /// The complete backup in `folder`.
    pub(super) fn open(folder: Folder) -> Result<Self> {
        let name = folder.place().to_string();
        let (manifest, facts) = Self::look(&folder).map_err(|e| match e {
            NotComplete::Incomplete(why) => {
                Error::damaged(format!("the backup in {name} is incomplete: {why}"))
            }
            NotComplete::Newer(format) => Error::damaged(format!(
                "the backup in {name} has format {format}, which this version can't read"
            ))
            .hint("use the version that made it, or a later one"),
            NotComplete::Unreadable(e) => e,
        })?;
        Ok(Self {
            folder,
            manifest,
            facts,
        })
    }

    /// The manifest in `folder` and what it says, or why there is no complete backup.
    pub(super) fn look(folder: &Folder) -> Result<(wire::Manifest, BackupFacts), NotComplete> {
        let incomplete = |why: &str| NotComplete::Incomplete(why.to_owned());
        if folder.place().is_partial() {
            return Err(incomplete("it was never completed"));
        }
        let json = folder
            .get(layout::MANIFEST, MANIFEST_CAP)
            .map_err(NotComplete::Unreadable)?
            .ok_or_else(|| incomplete("it has no manifest.json"))?;
        Self::read(folder, &json)
    }

    /// The backup in `folder`, whose manifest is to be `json` once everything was checked.
    pub(super) fn assemble(folder: Folder, json: &[u8]) -> Result<Self> {
        let (manifest, facts) = Self::read(&folder, json).map_err(|e| match e {
            NotComplete::Incomplete(why) => Error::damaged(why),
            NotComplete::Newer(format) => Error::damaged(format!(
                "the backup has format {format}, which this version can't read"
            )),
            NotComplete::Unreadable(e) => e,
        })?;
        Ok(Self {
            folder,
            manifest,
            facts,
        })
    }

    fn read(folder: &Folder, json: &[u8]) -> Result<(wire::Manifest, BackupFacts), NotComplete> {
        let incomplete = |why: &str| NotComplete::Incomplete(why.to_owned());
        match wire::format_of(json) {
            Some(FORMAT) => {}
            Some(other) => return Err(NotComplete::Newer(other)),
            None => return Err(incomplete("its manifest.json is damaged")),
        }
        let manifest: wire::Manifest = wire::from_json(layout::MANIFEST, json)
            .map_err(|e| NotComplete::Incomplete(e.to_string()))?;
        let facts = facts(folder, &manifest, Digest::of(json)).map_err(|e| {
            if reach::is_out_of_reach(&e) {
                NotComplete::Unreadable(e)
            } else {
                NotComplete::Incomplete(format!("its manifest.json is damaged: {e}"))
            }
        })?;
        Ok((manifest, facts))
    }

    /// What its manifest says.
    pub const fn facts(&self) -> &BackupFacts {
        &self.facts
    }

    /// Looks who has signed it: with a list of those whose signatures count, also whether it is
    /// this manifest that they signed. What was found is among the facts, and a broken signature is
    /// named with what else is damaged.
    pub fn look_at_signature(&mut self, allowed: Option<&AllowedSigners>) -> Result<()> {
        let (folder, facts) = (&self.folder, &self.facts);
        self.facts.signature = match (allowed, facts.manifest) {
            (Some(allowed), Some(manifest)) => {
                let found = signature::check(folder, manifest, facts.started, allowed)?;
                Some(found)
            }
            // Where nobody's would count, that there is none is no news.
            _ => Some(signature::glance(folder)?)
                .filter(|found| *found != Signature::Missing || facts.signer.is_some()),
        };
        Ok(())
    }

    /// True when one of `identities` belongs to an operator whom it was made for.
    pub fn opens_with(&self, identities: &Identities) -> bool {
        let openers = operators::openers(&self.folder, &self.manifest.public);
        let mut recipients = openers.recipients.iter();
        recipients.any(|o| identities.holds(&o.fingerprint))
    }

    /// Those who can open it by a key.
    pub fn openers(&self) -> Vec<Opener> {
        let openers = operators::openers(&self.folder, &self.manifest.public);
        let opener = |who: wire::Recipient| Opener {
            shown: who.label.unwrap_or_else(|| who.fingerprint.clone()),
            fingerprint: who.fingerprint,
        };
        openers.recipients.into_iter().map(opener).collect()
    }

    /// Where it lies.
    pub const fn place(&self) -> &Place {
        self.folder.place()
    }

    /// Checks it to `level` (no deeper than [`VerifyLevel::Decrypted`]: restoring is up to the
    /// caller). All damaged objects are named in one error.
    pub fn verify(
        self,
        level: VerifyLevel,
        identities: &Identities,
        observer: &dyn Observer,
    ) -> Result<Verified> {
        verify::verify(self, level, identities, observer)
    }

    /// Checks its objects' digests and opens it: enough for who reads all of it anyway, into a
    /// place where nothing is lost when something turns out to be wrong.
    pub fn open_for_loading(
        self,
        identities: &Identities,
        observer: &dyn Observer,
    ) -> Result<Verified> {
        verify::opened(self, identities, observer)
    }

    /// Opens it, if this very program wrote it and read it back a moment ago: enough for who reads little
    /// of it, and gives that back.
    pub fn open_just_written(
        self,
        identities: &Identities,
        observer: &dyn Observer,
    ) -> Result<Verified> {
        verify::just_written(self, identities, observer)
    }

    /// Notes the result of a verification beside the backup.
    pub fn record_verification(
        &self,
        level: VerifyLevel,
        passed: bool,
        actor: &str,
        server_version: Option<&str>,
    ) -> Result<()> {
        let (folder, facts) = (&self.folder, &self.facts);
        sidecar::write_verification(folder, facts, level, passed, actor, server_version)
    }

    /// Keeps it from pruning, for ever or until an instant. An earlier pin is replaced.
    pub fn pin(&self, reason: &str, actor: &str, until: Option<Timestamp>) -> Result<()> {
        sidecar::write_pin(&self.folder, reason, actor, until)
    }

    /// Lets it be pruned.
    pub fn unpin(&self) -> Result<()> {
        self.folder.remove(layout::PIN)
    }

    pub(super) const fn files(&self) -> &Folder {
        &self.folder
    }

    pub(super) const fn manifest(&self) -> &wire::Manifest {
        &self.manifest
    }
}

fn facts(folder: &Folder, manifest: &wire::Manifest, digest: Digest) -> Result<BackupFacts> {
    let public = &manifest.public;
    let revision = |text: &Option<String>| text.as_deref().map(str::parse).transpose();
    let (tables, skipped) = convert::tables(public);
    let openers = operators::openers(folder, public);
    let verifications = sidecar::verifications(folder)?;
    let who = |r: &wire::Recipient| r.label.clone().unwrap_or_else(|| r.fingerprint.clone());
    Ok(BackupFacts {
        id: public.id.parse()?,
        kind: BackupKind::from_word(&public.kind),
        complete: true,
        started: public.started.0,
        finished: Some(manifest.finished.0),
        database: public.database.name.clone(),
        name: public.name.clone(),
        reason: public.reason.clone(),
        revision: revision(&public.revision)?,
        target: revision(&public.target)?,
        continues: public.continues.as_deref().map(str::parse).transpose()?,
        server_version: public.server.version.clone(),
        whole: public.kind != BackupKind::Prerollback.as_str()
            && public.scope.full
            && !public.scope.schema_only
            && !public.scope.data_only,
        tables,
        skipped,
        bytes: manifest.bytes,
        objects: manifest.objects,
        recipients: openers.recipients.iter().map(who).collect(),
        passphrases: openers.passphrases as u64,
        manifest: Some(digest),
        verified: verifications.passed,
        failed: verifications.failed,
        pinned: sidecar::pinned(folder),
        signer: manifest.signer.clone(),
        signature: None,
    })
}
