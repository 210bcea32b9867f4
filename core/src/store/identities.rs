//! Operators' secret keys: what opens a backup.

use std::fs::File;
use std::io::ErrorKind;
use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;

use age::ssh;
use age::x25519;

use crate::error::Error;
use crate::error::Result;
use crate::ident::Digest;
use crate::model::secret::Secret;

/// No key file is larger.
const FILE_CAP: u64 = 1024 * 1024;

/// The identities that were given. `Debug` shows none of them.
#[derive(Default)]
pub struct Identities {
    keys: Vec<Key>,
    missing: Vec<PathBuf>,
}

struct Key {
    identity: Box<dyn age::Identity + Send + Sync>,
    /// Digest of the matching recipient, as it stands in manifests.
    fingerprint: Option<Digest>,
}

impl Identities {
    /// Reads age identity files and unencrypted ssh private keys. A file that doesn't exist is
    /// skipped (defaults need not exist) but remembered for the message, should no key fit.
    pub fn load(files: &[PathBuf]) -> Result<Self> {
        let mut identities = Self::default();
        for path in files {
            match read(path)? {
                Some(text) => identities.parse(path, &text)?,
                None => identities.missing.push(path.clone()),
            }
        }
        Ok(identities)
    }

    fn parse(&mut self, path: &Path, text: &Secret) -> Result<()> {
        let bad = |why: &str| Error::usage(format!("identity file {} {why}", path.display()));
        let text = text.reveal();
        if text.starts_with("age-encryption.org/") || text.starts_with("-----BEGIN AGE") {
            return Err(bad("is encrypted")
                .hint("decrypt it with `age -d` into a file only you can read, and give that"));
        }
        if text.trim_start().starts_with("-----BEGIN") {
            return match ssh::Identity::from_buffer(text.as_bytes(), None) {
                Ok(identity @ ssh::Identity::Unencrypted(_)) => {
                    let public = ssh::Recipient::try_from(identity.clone()).ok();
                    self.keys.push(Key {
                        identity: Box::new(identity),
                        fingerprint: public.map(|public| Digest::of(public.to_string())),
                    });
                    Ok(())
                }
                Ok(ssh::Identity::Encrypted(_)) => Err(bad("is an ssh key with a passphrase")
                    .hint("give an unencrypted copy, or an age identity")),
                _ => Err(bad("is not an ssh key that age can use")
                    .hint("ssh-ed25519 and ssh-rsa keys can be used")),
            };
        }
        let before = self.keys.len();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let identity: x25519::Identity = line.parse().map_err(|_| {
                bad("is malformed").hint(format!("line {} is no age identity", number + 1))
            })?;
            self.keys.push(Key {
                fingerprint: Some(Digest::of(identity.to_public().to_string())),
                identity: Box::new(identity),
            });
        }
        if self.keys.len() == before {
            return Err(bad("holds no identity"));
        }
        Ok(())
    }

    /// True when there is none.
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The files that were named but don't exist.
    pub(super) fn missing(&self) -> &[PathBuf] {
        &self.missing
    }

    /// The identities, for age.
    pub(super) fn keys(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.keys.iter().map(|key| {
            let identity: &dyn age::Identity = key.identity.as_ref();
            identity
        })
    }

    /// True when one of them belongs to the recipient with this fingerprint.
    pub(super) fn holds(&self, fingerprint: &str) -> bool {
        let equal = |f: Digest| f.to_string() == fingerprint;
        self.keys.iter().filter_map(|k| k.fingerprint).any(equal)
    }
}

impl std::fmt::Debug for Identities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identities({})", self.keys.len())
    }
}

fn read(path: &Path) -> Result<Option<Secret>> {
    let unreadable = |e: std::io::Error| {
        Error::usage(format!("cannot read identity file {}", path.display())).caused_by(e)
    };
    let file = match File::open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        result => result.map_err(unreadable)?,
    };
    let mut text = String::new();
    file.take(FILE_CAP)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    Ok(Some(Secret::new(text)))
}
