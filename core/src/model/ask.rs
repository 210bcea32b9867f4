//! Whoever can be asked while an operation runs. Core itself never asks anybody.

use crate::model::secret::Secret;

/// Asks a person. Every answer may be missing: then nobody is there, and what needed it fails.
pub trait Ask: Send + Sync {
    /// Asks for a passphrase that exists.
    fn passphrase(&self, question: &str) -> Option<Secret>;

    /// Asks for a line that may be seen by all.
    fn line(&self, question: &str) -> Option<String>;

    /// Asks whether to go on; `yes` and `no` are the words for it.
    fn agree(&self, question: &str, yes: &str, no: &str) -> Option<bool>;

    /// Tells something that a person should do, such as touching a key.
    fn tell(&self, message: &str);
}

/// Nobody is there.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

impl Ask for Nobody {
    fn passphrase(&self, _question: &str) -> Option<Secret> {
        None
    }

    fn line(&self, _question: &str) -> Option<String> {
        None
    }

    fn agree(&self, _question: &str, _yes: &str, _no: &str) -> Option<bool> {
        None
    }

    fn tell(&self, _message: &str) {}
}
