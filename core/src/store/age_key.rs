//! The identity made for one backup: wrapped to the operators, unwrapped by one of them.

use std::fmt;
use std::io::ErrorKind;
use std::io::Read as _;
use std::io::Write as _;

use age::DecryptError;
use age::Decryptor;
use age::Encryptor;
use age::secrecy::ExposeSecret as _;
use age::secrecy::SecretString;
use age::x25519;

use crate::error::Context as _;
use crate::error::Result;
use crate::ident::Digest;
use crate::model::secret::Secret;
use crate::store::recipients;
use crate::store::recipients::Recipients;

/// The most that a wrap may hold; a secret key takes 75 bytes.
const KEY_CAP: u64 = 4096;

/// Why a wrap did not open.
#[derive(Debug)]
pub enum Unopened {
    /// None of the identities is among those it was made for.
    NotOurs,
    /// An identity is locked by a passphrase, and that was wrong or not to be had.
    Locked,
    /// A plugin that was to open it could not.
    Plugin(String),
    /// It is no valid age file, or holds no identity.
    Damaged(String),
}

/// The identity of a backup that this very run makes: as long as it is held, the backup can be read
/// without an operator's key. It is written down nowhere but in its wraps.
#[derive(Clone)]
pub struct BackupKey(pub(super) x25519::Identity);

impl fmt::Debug for BackupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackupKey(…)")
    }
}

/// Makes a backup identity: itself, and wrapped to `operators`. One wrap for each group of them that
/// can share an age file.
pub fn make(operators: &Recipients) -> Result<(BackupKey, Vec<Vec<u8>>)> {
    let identity = x25519::Identity::generate();
    let wraps = wrap(&identity, operators)?;
    Ok((BackupKey(identity), wraps))
}

/// Wraps `identity` to `operators`.
pub fn wrap(identity: &x25519::Identity, operators: &Recipients) -> Result<Vec<Vec<u8>>> {
    let secret = identity.to_string();
    let text = Secret::new(format!("{}\n", secret.expose_secret()));
    let groups = operators.groups();
    let wraps = (groups.iter()).map(|group| recipients::encrypt(group, text.reveal().as_bytes()));
    wraps.collect()
}

/// Wraps `identity` behind a passphrase: alone in its file, as age wants it.
pub fn wrap_by_passphrase(identity: &x25519::Identity, passphrase: &Secret) -> Result<Vec<u8>> {
    let secret = identity.to_string();
    let text = Secret::new(format!("{}\n", secret.expose_secret()));
    let passphrase = SecretString::from(passphrase.reveal().to_owned());
    let encryptor = Encryptor::with_user_passphrase(passphrase);
    seal(encryptor, text.reveal().as_bytes())
}

/// `secret` as an age file.
pub fn seal(encryptor: Encryptor, secret: &[u8]) -> Result<Vec<u8>> {
    let mut sealed = Vec::new();
    let context = "cannot encrypt to the recipients";
    let mut writer = encryptor.wrap_output(&mut sealed).context(context)?;
    writer.write_all(secret).context(context)?;
    writer.finish().context(context)?;
    Ok(sealed)
}

/// True when a wrap is opened by a passphrase.
pub fn is_by_passphrase(wrapped: &[u8]) -> bool {
    Decryptor::new_buffered(wrapped).is_ok_and(|d| d.is_scrypt())
}

/// Opens a wrap with any of `identities`.
pub fn unwrap<'a>(
    wrapped: &[u8],
    identities: impl Iterator<Item = &'a dyn age::Identity>,
) -> Result<x25519::Identity, Unopened> {
    let damaged = |e: DecryptError| match e {
        DecryptError::NoMatchingKeys => Unopened::NotOurs,
        DecryptError::KeyDecryptionFailed => Unopened::Locked,
        e @ (DecryptError::PluginResolve(_) | DecryptError::Plugin(_)) => {
            Unopened::Plugin(e.to_string())
        }
        // The wrap itself is in memory: a pipe leads to a plugin.
        DecryptError::Io(e) if e.kind() == ErrorKind::BrokenPipe => {
            Unopened::Plugin("an age plugin stopped early".to_owned())
        }
        e => Unopened::Damaged(e.to_string()),
    };
    let plain = Decryptor::new_buffered(wrapped)
        .and_then(|d| d.decrypt(identities))
        .map_err(damaged)?;
    let mut text = String::new();
    plain
        .take(KEY_CAP)
        .read_to_string(&mut text)
        .map_err(|e| Unopened::Damaged(e.to_string()))?;
    // The parser's own message is dropped: nothing of the secret may reach an error.
    let secret = Secret::new(text);
    secret
        .reveal()
        .trim()
        .parse()
        .map_err(|_| Unopened::Damaged("it holds no age identity".to_owned()))
}

/// The digest that stands in the manifest for the public half, which is published nowhere.
pub fn public_digest(public: &x25519::Recipient) -> Digest {
    Digest::of(public.to_string())
}
