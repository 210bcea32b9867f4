//! Operators' secret keys: what opens a backup.

use std::fs::File;
use std::io::ErrorKind;
use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use age::Decryptor;
use age::armor::ArmoredReader;
use age::plugin;
use age::scrypt;
use age::ssh;
use age::x25519;

use crate::error::Error;
use crate::error::Result;
use crate::ident::Digest;
use crate::model::ask::Ask;
use crate::model::ask::Nobody;
use crate::model::secret::Secret;
use crate::store::age_key::BackupKey;
use crate::store::asking::Asking;

/// No key file is larger.
const FILE_CAP: u64 = 1024 * 1024;

/// How often a passphrase is asked for.
pub const TRIES: usize = 3;

/// The identities that were given. `Debug` shows none of them.
pub struct Identities {
    keys: Vec<Key>,
    locked: Vec<LockedFile>,
    missing: Vec<PathBuf>,
    own: Vec<BackupKey>,
    asking: Asking,
}

/// One identity.
pub struct Key {
    identity: Box<dyn age::Identity + Send + Sync>,
    /// Digest of the matching recipient, as it stands in manifests.
    fingerprint: Option<Digest>,
}

impl Key {
    /// The identity, for age.
    pub fn identity(&self) -> &dyn age::Identity {
        self.identity.as_ref()
    }
}

/// A file of identities behind a passphrase, which is asked for only when nothing else fits.
pub struct LockedFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Identities {
    /// Reads files with identities of age, of its plugins, and of ssh. What is behind a passphrase
    /// stays so until it is needed; then `ask` is asked. A file that doesn't exist is skipped
    /// (defaults need not exist) but remembered for the message, should no key fit.
    pub fn load(files: &[PathBuf], ask: Arc<dyn Ask>) -> Result<Self> {
        let mut identities = Self {
            keys: Vec::new(),
            locked: Vec::new(),
            missing: Vec::new(),
            own: Vec::new(),
            asking: Asking::new(ask),
        };
        for path in files {
            let Some(bytes) = read(path)? else {
                identities.missing.push(path.clone());
                continue;
            };
            if bytes.starts_with(b"age-encryption.org/") || bytes.starts_with(b"-----BEGIN AGE") {
                let path = path.clone();
                identities.locked.push(LockedFile { path, bytes });
            } else {
                let keys = parse(path, bytes, &identities.asking)?;
                identities.keys.extend(keys);
            }
        }
        Ok(identities)
    }

    /// Those of backups that this run has made itself.
    pub fn of_this_run(own: Vec<BackupKey>) -> Self {
        Self {
            keys: Vec::new(),
            locked: Vec::new(),
            missing: Vec::new(),
            own,
            asking: Asking::new(Arc::new(Nobody)),
        }
    }

    /// The identities of backups that this run has made.
    pub(super) fn own(&self) -> &[BackupKey] {
        &self.own
    }

    /// True when there is none.
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.locked.is_empty()
    }

    /// The files that were named but don't exist.
    pub(super) fn missing(&self) -> &[PathBuf] {
        &self.missing
    }

    /// The identities that are at hand.
    pub(super) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The files that need a passphrase first.
    pub(super) fn locked(&self) -> &[LockedFile] {
        &self.locked
    }

    /// Whom to ask.
    pub(super) const fn asking(&self) -> &Asking {
        &self.asking
    }

    /// True when one of them belongs to the recipient with this fingerprint.
    pub(super) fn holds(&self, fingerprint: &str) -> bool {
        let equal = |f: Digest| f.to_string() == fingerprint;
        self.keys.iter().filter_map(|k| k.fingerprint).any(equal)
    }
}

impl Default for Identities {
    fn default() -> Self {
        Self {
            own: Vec::new(),
            keys: Vec::new(),
            locked: Vec::new(),
            missing: Vec::new(),
            asking: Asking::new(Arc::new(Nobody)),
        }
    }
}

impl std::fmt::Debug for Identities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identities({})", self.keys.len() + self.locked.len())
    }
}

impl LockedFile {
    /// The identities in it, after its passphrase was asked for.
    pub fn open(&self, asking: &Asking) -> Result<Vec<Key>> {
        let path = self.path.display();
        let bad = |why: &str| Error::usage(format!("identity file {path} {why}"));
        let question = format!("passphrase of {path}");
        for _ in 0..TRIES {
            let Some(passphrase) = asking.passphrase(&question) else {
                return Err(Error::damaged(format!(
                    "identity file {path} has a passphrase, and nobody can be asked for it"
                ))
                .hint("run the command on a terminal")
                .hint("or decrypt it with `age -d` into a file only you can read, and give that"));
            };
            let key = scrypt::Identity::new(passphrase);
            let key: &dyn age::Identity = &key;
            let opened = Decryptor::new(ArmoredReader::new(self.bytes.as_slice()))
                .map_err(|_| bad("is malformed"))?
                .decrypt(std::iter::once(key));
            match opened {
                Ok(plain) => {
                    let mut text = Vec::new();
                    plain
                        .take(FILE_CAP)
                        .read_to_end(&mut text)
                        .map_err(|_| bad("is damaged"))?;
                    return parse(&self.path, text, asking);
                }
                Err(age::DecryptError::NoMatchingKeys) => {
                    return Err(bad("is encrypted, but not with a passphrase"));
                }
                Err(_) => asking.forget(&question),
            }
        }
        Err(Error::damaged(format!(
            "none of the passphrases opens identity file {path}"
        )))
    }
}

/// The identities in a file that is not encrypted as a whole.
fn parse(path: &Path, bytes: Vec<u8>, asking: &Asking) -> Result<Vec<Key>> {
    let bad = |why: &str| Error::usage(format!("identity file {} {why}", path.display()));
    let text = String::from_utf8(bytes).map_err(|_| bad("is no text"))?;
    let text = Secret::new(text);
    let text = text.reveal();
    if text.trim_start().starts_with("-----BEGIN") {
        return ssh_key(path, text, asking).map(|key| vec![key]);
    }
    let mut keys = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        keys.push(if let Ok(identity) = line.parse::<x25519::Identity>() {
            Key {
                fingerprint: Some(Digest::of(identity.to_public().to_string())),
                identity: Box::new(identity),
            }
        } else if let Ok(identity) = line.parse::<plugin::Identity>() {
            let name = identity.plugin().to_owned();
            let asking = asking.clone();
            let identity = plugin::IdentityPluginV1::new(&name, &[identity], asking)
                .map_err(|_| missing_plugin(&name))?;
            Key {
                fingerprint: None,
                identity: Box::new(identity),
            }
        } else {
            return Err(bad("is malformed").hint(format!("line {} is no age identity", number + 1)));
        });
    }
    if keys.is_empty() {
        return Err(bad("holds no identity"));
    }
    Ok(keys)
}

fn ssh_key(path: &Path, text: &str, asking: &Asking) -> Result<Key> {
    let name = path.display().to_string();
    match ssh::Identity::from_buffer(text.as_bytes(), Some(name)) {
        Ok(identity @ ssh::Identity::Unencrypted(_)) => {
            let public = ssh::Recipient::try_from(identity.clone()).ok();
            Ok(Key {
                identity: Box::new(identity),
                fingerprint: public.map(|public| Digest::of(public.to_string())),
            })
        }
        Ok(identity @ ssh::Identity::Encrypted(_)) => Ok(Key {
            identity: Box::new(identity.with_callbacks(asking.clone())),
            fingerprint: None,
        }),
        _ => Err(Error::usage(format!(
            "identity file {} is not an ssh key that age can use",
            path.display()
        ))
        .hint("ssh-ed25519 and ssh-rsa keys can be used")),
    }
}

/// The error for a plugin that is not installed.
pub fn missing_plugin(name: &str) -> Error {
    Error::usage(format!("the age plugin '{name}' is not installed")).hint(format!(
        "put the program age-plugin-{name} into a folder of PATH"
    ))
}

fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let unreadable = |e: std::io::Error| {
        Error::usage(format!("cannot read identity file {}", path.display())).caused_by(e)
    };
    let file = match File::open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        result => result.map_err(unreadable)?,
    };
    let mut bytes = Vec::new();
    file.take(FILE_CAP)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    Ok(Some(bytes))
}
