//! Operators' public keys: who will be able to open a backup.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use age::Encryptor;
use age::NoCallbacks;
use age::plugin;

use crate::error::Error;
use crate::error::Result;
use crate::ident::Digest;
use crate::store::age_key;
use crate::store::identities;

/// One operator.
pub struct Operator {
    /// SHA-256 of the recipient's text without comment.
    pub fingerprint: Digest,
    /// The comment behind the key, if any.
    pub label: Option<String>,
    key: Public,
}

/// A public key, by what it can share an age file with.
enum Public {
    /// X25519, ssh, and hardware keys that need no plugin to encrypt to.
    Classic(Box<dyn age::Recipient + Send + Sync>),
    /// Safe from quantum computers, which it would not be beside a classic one.
    PostQuantum(Box<dyn age::Recipient + Send + Sync>),
    /// Known to a plugin alone, which may want to be alone.
    Plugin(plugin::Recipient),
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

    /// The operators, by the age file that they can share: the classic ones first.
    pub fn groups(&self) -> Vec<Vec<&Operator>> {
        fn rank(operator: &Operator) -> (u8, &str) {
            match &operator.key {
                Public::Classic(_) => (0, ""),
                Public::PostQuantum(_) => (1, ""),
                Public::Plugin(key) => (2, key.plugin()),
            }
        }
        let mut sorted: Vec<&Operator> = self.0.iter().collect();
        sorted.sort_by(|a, b| rank(a).cmp(&rank(b)));
        let mut groups: Vec<Vec<&Operator>> = Vec::new();
        for operator in sorted {
            match groups.last_mut() {
                Some(group) if group.iter().all(|o| rank(o) == rank(operator)) => {
                    group.push(operator);
                }
                _ => groups.push(vec![operator]),
            }
        }
        groups
    }
}

/// An age file that any of `group` can open and that holds `secret`. They can share one.
pub fn encrypt(group: &[&Operator], secret: &[u8]) -> Result<Vec<u8>> {
    let mut plugins: BTreeMap<&str, Vec<plugin::Recipient>> = BTreeMap::new();
    let mut keys: Vec<&dyn age::Recipient> = Vec::new();
    for operator in group {
        match &operator.key {
            Public::Classic(key) | Public::PostQuantum(key) => keys.push(key.as_ref()),
            Public::Plugin(key) => {
                let of = plugins.entry(key.plugin()).or_default();
                of.push(key.clone());
            }
        }
    }
    let mut foreign = Vec::new();
    for (name, recipients) in &plugins {
        let plugin = plugin::RecipientPluginV1::new(name, recipients, &[], NoCallbacks);
        foreign.push(plugin.map_err(|_| identities::missing_plugin(name))?);
    }
    keys.extend(foreign.iter().map(|p| -> &dyn age::Recipient { p }));
    let failed = |e| Error::failed("cannot encrypt to these recipients").caused_by(e);
    let encryptor = Encryptor::with_recipients(keys.into_iter()).map_err(failed)?;
    age_key::seal(encryptor, secret)
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
        key: public(&key)?,
    })
}

fn public(key: &str) -> Option<Public> {
    if key.starts_with("ssh-") {
        let key = age::ssh::Recipient::from_str(key).ok()?;
        return Some(Public::Classic(Box::new(key)));
    }
    if let Ok(key) = age::x25519::Recipient::from_str(key) {
        return Some(Public::Classic(Box::new(key)));
    }
    if let Ok(key) = age::tag::Recipient::from_str(key) {
        return Some(Public::Classic(Box::new(key)));
    }
    if let Ok(key) = age::tagpq::Recipient::from_str(key) {
        return Some(Public::PostQuantum(Box::new(key)));
    }
    plugin::Recipient::from_str(key).ok().map(Public::Plugin)
}

/// Who can open a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opener {
    /// SHA-256 of the recipient's text without comment.
    pub fingerprint: String,
    /// The recipient itself, or the comment behind it, or its fingerprint: what is known of it.
    pub shown: String,
}

/// Those who could open a backup made for the recipients `texts`.
pub fn openers(texts: &[String]) -> Result<Vec<Opener>> {
    let mut openers: Vec<Opener> = Vec::new();
    for text in texts {
        let operators = Recipients::parse(std::slice::from_ref(text))?;
        let found = operators.operators().iter().map(|operator| Opener {
            fingerprint: operator.fingerprint.to_string(),
            shown: text.trim().to_owned(),
        });
        openers.extend(found);
    }
    Ok(openers)
}

/// Makes sure that there is a recipient, and that all are well formed and can be encrypted to.
pub fn check(texts: &[String]) -> Result<()> {
    let recipients = Recipients::parse(texts)?;
    for group in recipients.groups() {
        encrypt(&group, b"")?;
    }
    Ok(())
}

/// True when `text` is one recipient that backups can be encrypted to.
pub fn is_recipient(text: &str) -> bool {
    parse(text).is_some()
}
