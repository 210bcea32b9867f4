//! Finding the wrap that one of the operator's identities opens, and saying why none does.

use std::collections::BTreeSet;

use age::scrypt;
use age::x25519;

use crate::error::Error;
use crate::error::Result;
use crate::store::age_key;
use crate::store::age_key::Unopened;
use crate::store::backup::Backup;
use crate::store::identities::Identities;
use crate::store::identities::Key;
use crate::store::identities::TRIES;
use crate::store::layout;
use crate::store::layout::Object;
use crate::store::operators;
use crate::store::verify::Broken;

/// No wrap of the backup identity is larger: room for hundreds of operators.
const WRAP_CAP: u64 = 1 << 20;

/// What was tried, and what came of it.
struct Attempt<'a> {
    backup: &'a Backup,
    /// Wraps with a name, those for keys before those for passphrases.
    wraps: Vec<(&'a String, Vec<u8>)>,
    damaged: Vec<(String, String)>,
    /// Reasons that lie with the keys, not with the backup.
    reasons: Vec<String>,
}

/// Unwraps the backup identity. A key that doesn't fit is the caller's mistake and told apart
/// from a wrap that is damaged. Passphrases are asked for only when nothing else fits.
pub fn open_key(
    backup: &Backup,
    names: &BTreeSet<String>,
    identities: &Identities,
    broken: &mut Broken,
) -> Result<Option<x25519::Identity>> {
    let mut attempt = Attempt {
        backup,
        wraps: Vec::new(),
        damaged: Vec::new(),
        reasons: Vec::new(),
    };
    for name in names {
        if Object::of(name) == Some(Object::Key) {
            let wrapped = backup.files().get(name, WRAP_CAP)?.unwrap_or_default();
            attempt.wraps.push((name, wrapped));
        }
    }
    let mut own = identities.own().iter().map(|key| &key.0);
    if let Some(identity) = own.find(|identity| attempt.is_right(identity)) {
        return Ok(Some(identity.clone()));
    }
    if let Some(identity) = attempt.with(identities.keys(), identities) {
        return Ok(Some(identity));
    }
    if attempt.damaged.is_empty() {
        for file in identities.locked() {
            let keys = file.open(identities.asking())?;
            if let Some(identity) = attempt.with(&keys, identities) {
                return Ok(Some(identity));
            }
        }
        if let Some(identity) = attempt.by_passphrase(identities) {
            return Ok(Some(identity));
        }
    }
    if !attempt.damaged.is_empty() {
        for (name, why) in attempt.damaged {
            broken.add(&name, why);
        }
        return Ok(None);
    }
    // What else was found is said first: a damaged backup needs no better key.
    std::mem::take(broken).into_result(&backup.facts().id)?;
    Err(attempt.unopened(identities))
}

impl Attempt<'_> {
    /// Tries `keys` on all wraps.
    fn with(&mut self, keys: &[Key], identities: &Identities) -> Option<x25519::Identity> {
        let openers = operators::openers(self.backup.files(), &self.backup.manifest().public);
        for (name, wrapped) in &self.wraps {
            if age_key::is_by_passphrase(wrapped) {
                continue;
            }
            let outcome = age_key::unwrap(wrapped, keys.iter().map(Key::identity));
            match outcome {
                Ok(identity) if self.is_right(&identity) => return Some(identity),
                Ok(_) => {
                    let why = "holds another backup's key".to_owned();
                    self.damaged.push(((*name).clone(), why));
                }
                Err(Unopened::Damaged(why)) => {
                    let why = format!("is damaged: {why}");
                    self.damaged.push(((*name).clone(), why));
                }
                Err(Unopened::Locked) => {
                    let why = "the passphrase of an ssh key is wrong";
                    self.reasons.push(why.to_owned());
                }
                Err(Unopened::Plugin(why)) => self.reasons.push(why),
                Err(Unopened::NotOurs) => {
                    let mut operators = openers.recipients.iter();
                    let ours = operators.any(|r| identities.holds(&r.fingerprint));
                    if ours && *name == layout::FIRST_KEY {
                        let why = "does not open with an identity that it was made for";
                        self.damaged.push(((*name).clone(), why.to_owned()));
                    }
                }
            }
        }
        None
    }

    /// Asks for the passphrase of each wrap that has one.
    fn by_passphrase(&mut self, identities: &Identities) -> Option<x25519::Identity> {
        let asking = identities.asking();
        for (name, wrapped) in &self.wraps {
            if !age_key::is_by_passphrase(wrapped) {
                continue;
            }
            let question = format!("passphrase of backup {}", self.backup.facts().id);
            for _ in 0..TRIES {
                let Some(passphrase) = asking.passphrase(&question) else {
                    let why = "a passphrase opens it, and nobody can be asked for that";
                    self.reasons.push(why.to_owned());
                    break;
                };
                let key = scrypt::Identity::new(passphrase);
                let key: &dyn age::Identity = &key;
                match age_key::unwrap(wrapped, std::iter::once(key)) {
                    Ok(identity) if self.is_right(&identity) => return Some(identity),
                    Ok(_) => {
                        let why = "holds another backup's key".to_owned();
                        self.damaged.push(((*name).clone(), why));
                        break;
                    }
                    Err(_) => {
                        asking.forget(&question);
                        let why = "that passphrase does not open it";
                        self.reasons.push(why.to_owned());
                    }
                }
            }
        }
        None
    }

    fn is_right(&self, identity: &x25519::Identity) -> bool {
        let digest = age_key::public_digest(&identity.to_public());
        digest.to_string() == self.backup.manifest().public.identity_sha256
    }

    /// The error for keys that don't fit.
    fn unopened(mut self, identities: &Identities) -> Error {
        let facts = self.backup.facts();
        let message = if identities.is_empty() {
            format!("backup {} can't be decrypted without an identity", facts.id)
        } else {
            format!(
                "backup {} can't be decrypted with the identities given",
                facts.id
            )
        };
        let mut error = Error::damaged(message)
            .hint(format!(
                "it needs the key of: {}",
                facts.recipients.join(", ")
            ))
            .hint("give an identity file with --identity");
        self.reasons.dedup();
        if identities.asking().unanswered() && self.reasons.is_empty() {
            let why = "a key has a passphrase, and nobody can be asked for it";
            self.reasons.push(why.to_owned());
        }
        for reason in self.reasons {
            error = error.hint(reason);
        }
        for path in identities.missing() {
            error = error.hint(format!("{} does not exist", path.display()));
        }
        error
    }
}
