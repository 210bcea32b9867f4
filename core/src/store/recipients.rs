//! Operators' public keys: who will be able to open a backup.

use std::str::FromStr as _;

use crate::error::Error;
use crate::error::Result;
use crate::ident::Digest;

/// One operator.
pub struct Operator {
    /// SHA-256 of the recipient's text without comment.
    pub fingerprint: Digest,
    /// The comment behind the key, if any.
    pub label: Option<String>,
    key: Box<dyn age::Recipient + Send + Sync>,
}

/// All operators of a backup: one at least.
pub struct Recipients(Vec<Operator>);

impl Recipients {
    /// Reads recipients: `age1…` or an ssh public key, each with an optional label behind it.
    pub fn parse(texts: &[String]) -> Result<Self> {
        let mut operators: Vec<Operator> = Vec::new();
        for (number, text) in texts.iter().enumerate() {
            let operator = parse(text).ok_or_else(|| {
                Error::usage(format!(
                    "recipient {} is neither an age recipient nor an ssh public key",
                    number + 1
                ))
                .hint("recipients look like age1… or ssh-ed25519 …; `backup keygen` makes one")
            })?;
            let known = |o: &Operator| o.fingerprint == operator.fingerprint;
            if !operators.iter().any(known) {
                operators.push(operator);
            }
        }
        if operators.is_empty() {
            return Err(
                Error::usage("there is no recipient to encrypt the backup to")
                    .hint("run `backup keygen` to make a key, or give --recipient"),
            );
        }
        Ok(Self(operators))
    }

    /// The operators.
    pub fn operators(&self) -> &[Operator] {
        &self.0
    }

    /// Their keys.
    pub fn keys(&self) -> impl Iterator<Item = &dyn age::Recipient> {
        self.0.iter().map(|o| {
            let key: &dyn age::Recipient = o.key.as_ref();
            key
        })
    }
}

fn parse(text: &str) -> Option<Operator> {
    let text = text.trim();
    let (key, label) = if text.starts_with("ssh-") {
        let mut words = text.splitn(3, char::is_whitespace);
        (format!("{} {}", words.next()?, words.next()?), words.next())
    } else {
        let mut words = text.splitn(2, char::is_whitespace);
        (words.next()?.to_owned(), words.next())
    };
    let label = label.map(str::trim).filter(|label| !label.is_empty());
    Some(Operator {
        fingerprint: Digest::of(&key),
        label: label.map(str::to_owned),
        key: if key.starts_with("ssh-") {
            Box::new(age::ssh::Recipient::from_str(&key).ok()?)
        } else {
            Box::new(age::x25519::Recipient::from_str(&key).ok()?)
        },
    })
}

/// Makes sure that there is a recipient, and that all are well formed.
pub fn check(texts: &[String]) -> Result<()> {
    Recipients::parse(texts).map(drop)
}

/// True when `text` is one recipient that backups can be encrypted to.
pub fn is_recipient(text: &str) -> bool {
    parse(text).is_some()
}
