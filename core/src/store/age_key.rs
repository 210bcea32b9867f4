//! The identity made for one backup: wrapped to the operators, unwrapped by one of them.

use std::io::Read as _;
use std::io::Write as _;

use age::DecryptError;
use age::Decryptor;
use age::Encryptor;
use age::secrecy::ExposeSecret as _;
use age::x25519;

use crate::error::Context as _;
use crate::error::Error;
use crate::error::Result;
use crate::ident::Digest;
use crate::model::secret::Secret;
use crate::store::recipients::Recipients;

/// The most that a wrap may hold; a secret key takes 75 bytes.
const KEY_CAP: u64 = 4096;

/// Why a wrap did not open.
#[derive(Debug)]
pub enum Unopened {
    /// None of the identities is among those it was made for.
    NotOurs,
    /// It is no valid age file, or holds no identity.
    Damaged(String),
}

/// Makes a backup identity: its public half and itself, wrapped to `operators`.
pub fn make(operators: &Recipients) -> Result<(x25519::Recipient, Vec<u8>)> {
    let identity = x25519::Identity::generate();
    let secret = identity.to_string();
    let wrapped = wrap(secret.expose_secret(), operators)?;
    Ok((identity.to_public(), wrapped))
}

fn wrap(secret: &str, operators: &Recipients) -> Result<Vec<u8>> {
    let encryptor = Encryptor::with_recipients(operators.keys())
        .map_err(|e| Error::failed("cannot encrypt to these recipients").caused_by(e))?;
    let mut wrapped = Vec::new();
    let context = "cannot encrypt to the recipients";
    let mut writer = encryptor.wrap_output(&mut wrapped).context(context)?;
    writer
        .write_all(format!("{secret}\n").as_bytes())
        .context(context)?;
    writer.finish().context(context)?;
    Ok(wrapped)
}

/// Opens a wrap with any of `identities`.
pub fn unwrap<'a>(
    wrapped: &[u8],
    identities: impl Iterator<Item = &'a dyn age::Identity>,
) -> Result<x25519::Identity, Unopened> {
    let damaged = |e: DecryptError| match e {
        DecryptError::NoMatchingKeys => Unopened::NotOurs,
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
