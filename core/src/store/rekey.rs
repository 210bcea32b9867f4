//! Operators come and go: new wraps of the backup identity, while everything else stays as it is.
//!
//! Stopped anywhere, every operator who stays can open the backup: a wrap is exchanged by one
//! rename, and the list beside the wraps names the old and the new one until that has happened.

use std::collections::BTreeSet;

use age::x25519;

use crate::clock;
use crate::error::Error;
use crate::error::Result;
use crate::ident::Digest;
use crate::model::secret::Secret;
use crate::store::age_key;
use crate::store::backup::Backup;
use crate::store::folder::Folder;
use crate::store::identities::Identities;
use crate::store::identities::Key;
use crate::store::layout;
use crate::store::layout::Object;
use crate::store::operators;
use crate::store::recipients::Operator;
use crate::store::recipients::Recipients;
use crate::store::unlock;
use crate::store::verify::Broken;
use crate::store::wire;

/// What is to change.
#[derive(Debug, Default)]
pub struct Rekey {
    /// Those who shall be able to open it, in place of all who are now; `None` leaves those.
    pub operators: Option<Vec<String>>,
    /// Those who shall be able to open it besides.
    pub add: Vec<String>,
    /// A passphrase that shall open it besides.
    pub passphrase: Option<Secret>,
    /// No passphrase of now shall open it any more.
    pub remove_passphrases: bool,
}

/// A backup identity at hand, and the wraps there are.
pub struct Opened {
    backup: Backup,
    identity: x25519::Identity,
    wraps: Vec<wire::Wrap>,
}

impl Backup {
    /// Opens the wraps with one of `identities`.
    pub fn open_wraps(self, identities: &Identities) -> Result<Opened> {
        let names: BTreeSet<String> = (self.files().walk()?.into_iter())
            .filter(|entry| entry.size.is_some())
            .map(|entry| entry.name)
            .filter(|name| Object::of(name) == Some(Object::Key))
            .collect();
        let mut broken = Broken::default();
        let identity = unlock::open_key(&self, &names, identities, &mut broken)?;
        broken.into_result(&self.facts().id)?;
        let identity = identity.ok_or_else(|| Error::failed("no wrap was opened"))?;
        let wraps = wraps(&self, &names)?;
        Ok(Opened {
            backup: self,
            identity,
            wraps,
        })
    }
}

/// The wraps called `names`, with what is known of each.
fn wraps(backup: &Backup, names: &BTreeSet<String>) -> Result<Vec<wire::Wrap>> {
    let files = backup.files();
    let list = operators::read(files)?;
    let known: Vec<&wire::Wrap> = list
        .as_ref()
        .map(|list| operators::current(files, list))
        .unwrap_or_default();
    let mut wraps = Vec::new();
    for name in names {
        let bytes = files.get(name, 1 << 20)?.unwrap_or_default();
        let noted = known.iter().find(|w| w.object == *name);
        // Before anything changed, the manifest speaks of the wraps that were made with it.
        let first = list.is_none() && name == layout::FIRST_KEY;
        wraps.push(wire::Wrap {
            object: name.clone(),
            sha256: Digest::of(&bytes).to_string(),
            passphrase: age_key::is_by_passphrase(&bytes),
            recipients: match noted {
                Some(wrap) => wrap.recipients.clone(),
                None if first => backup.manifest().public.recipients.clone(),
                None => Vec::new(),
            },
        });
    }
    Ok(wraps)
}

impl Opened {
    /// True when `change` leaves a wrap that one of `identities` opens, as far as can be told
    /// without asking anybody.
    pub fn stays_open(&self, identities: &Identities, change: &Rekey) -> Result<bool> {
        let Some(texts) = &change.operators else {
            return Ok(true);
        };
        let recipients = Recipients::parse(texts)?;
        Ok(recipients
            .operators()
            .iter()
            .any(|o| identities.holds(&o.fingerprint.to_string())))
    }

    /// Makes `change`. Returns the backup with whoever can open it now.
    pub fn rekey(self, identities: &Identities, change: &Rekey, actor: &str) -> Result<Backup> {
        let mut wanted: Vec<(wire::Wrap, Option<Vec<u8>>)> = Vec::new();
        let keeps = |wrap: &wire::Wrap| {
            if wrap.passphrase {
                !change.remove_passphrases
            } else {
                change.operators.is_none()
            }
        };
        for wrap in self.wraps.iter().filter(|w| keeps(w)) {
            wanted.push((wrap.clone(), None));
        }
        if let Some(texts) = &change.operators {
            self.wrap_to(texts, &mut wanted, true)?;
        }
        if !change.add.is_empty() {
            self.wrap_to(&change.add, &mut wanted, false)?;
        }
        if let Some(passphrase) = &change.passphrase {
            let bytes = age_key::wrap_by_passphrase(&self.identity, passphrase)?;
            self.push(&mut wanted, bytes, true, Vec::new(), false);
        }
        if wanted.is_empty() {
            return Err(Error::usage("nobody could open the backup any more"));
        }
        for (wrap, bytes) in &wanted {
            if let Some(bytes) = bytes.as_ref().filter(|_| !wrap.passphrase) {
                self.opens_again(bytes, identities)?;
            }
        }
        self.write(&wanted, actor)?;
        let folder = Folder::new(self.backup.files().place().clone());
        Backup::open(folder)
    }

    fn wrap_to(
        &self,
        texts: &[String],
        wanted: &mut Vec<(wire::Wrap, Option<Vec<u8>>)>,
        in_place: bool,
    ) -> Result<()> {
        let recipients = Recipients::parse(texts)?;
        let wraps = age_key::wrap(&self.identity, &recipients)?;
        for (group, bytes) in recipients.groups().iter().zip(wraps) {
            let who = group.iter().map(|o| wire_recipient(o)).collect();
            self.push(wanted, bytes, false, who, in_place);
        }
        Ok(())
    }

    /// Adds a wrap under the first name that is free: in place of an old one, or beside all.
    fn push(
        &self,
        wanted: &mut Vec<(wire::Wrap, Option<Vec<u8>>)>,
        bytes: Vec<u8>,
        passphrase: bool,
        recipients: Vec<wire::Recipient>,
        in_place: bool,
    ) {
        let old = |name: &String| !in_place && self.wraps.iter().any(|w| w.object == *name);
        let new = |name: &String| wanted.iter().any(|(w, _)| w.object == *name);
        let mut names = (0..).map(layout::key);
        let object = names.find(|name| !old(name) && !new(name));
        let wrap = wire::Wrap {
            object: object.unwrap_or_default(),
            sha256: Digest::of(&bytes).to_string(),
            passphrase,
            recipients,
        };
        wanted.push((wrap, Some(bytes)));
    }

    /// Reads a new wrap back, where one of `identities` can.
    fn opens_again(&self, bytes: &[u8], identities: &Identities) -> Result<()> {
        let keys = identities.keys().iter().map(Key::identity);
        let Ok(identity) = age_key::unwrap(bytes, keys) else {
            return Ok(());
        };
        let digest = |i: &x25519::Identity| age_key::public_digest(&i.to_public());
        if digest(&identity) == digest(&self.identity) {
            Ok(())
        } else {
            Err(Error::failed("a new wrap holds another key"))
        }
    }

    fn write(&self, wanted: &[(wire::Wrap, Option<Vec<u8>>)], actor: &str) -> Result<()> {
        let files = self.backup.files();
        let list = |wraps: Vec<wire::Wrap>| {
            files.replace(
                layout::OPERATORS,
                &wire::to_json(&wire::Operators {
                    actor: actor.to_owned(),
                    at: wire::Time(clock::now()),
                    tool: wire::Tool::this(),
                    wraps,
                })?,
            )
        };
        let exists = |name: &str| self.wraps.iter().any(|w| w.object == name);
        for (wrap, bytes) in wanted {
            if let Some(bytes) = bytes.as_ref().filter(|_| !exists(&wrap.object)) {
                files.put(&wrap.object, bytes)?;
            }
        }
        let all: Vec<wire::Wrap> = wanted.iter().map(|(wrap, _)| wrap.clone()).collect();
        let exchanged = |w: &&wire::Wrap| {
            wanted
                .iter()
                .any(|(n, b)| b.is_some() && n.object == w.object)
        };
        let old = self.wraps.iter().filter(exchanged).cloned();
        list(old.chain(all.iter().cloned()).collect())?;
        for (wrap, bytes) in wanted {
            if let Some(bytes) = bytes.as_ref().filter(|_| exists(&wrap.object)) {
                files.replace(&wrap.object, bytes)?;
            }
        }
        list(all.clone())?;
        for wrap in &self.wraps {
            if !all.iter().any(|w| w.object == wrap.object) {
                files.remove(&wrap.object)?;
            }
        }
        Ok(())
    }
}

/// An operator as it stands in lists and manifests.
pub fn wire_recipient(operator: &Operator) -> wire::Recipient {
    wire::Recipient {
        fingerprint: operator.fingerprint.to_string(),
        label: operator.label.clone(),
    }
}
