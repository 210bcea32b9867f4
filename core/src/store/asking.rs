//! Between age, which asks for passphrases in the middle of its work, and whoever can be asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use age::secrecy::SecretString;

use crate::model::ask::Ask;
use crate::model::secret::Secret;

/// Passes age's questions on, each passphrase once.
#[derive(Clone)]
pub struct Asking {
    ask: Arc<dyn Ask>,
    /// age asks again for every stanza that a key might open.
    known: Arc<Mutex<BTreeMap<String, Secret>>>,
    unanswered: Arc<AtomicBool>,
}

impl Asking {
    /// Asks `ask`.
    pub fn new(ask: Arc<dyn Ask>) -> Self {
        Self {
            ask,
            known: Arc::default(),
            unanswered: Arc::default(),
        }
    }

    /// Asks for a passphrase.
    pub fn passphrase(&self, question: &str) -> Option<SecretString> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let secret = if let Some(secret) = known.get(question) {
            secret.clone()
        } else {
            let answer = self.ask.passphrase(question);
            let missed = answer.is_none();
            self.unanswered.fetch_or(missed, Ordering::Relaxed);
            answer?
        };
        known.insert(question.to_owned(), secret.clone());
        Some(SecretString::from(secret.reveal().to_owned()))
    }

    /// True when a passphrase was asked for in vain.
    pub fn unanswered(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed)
    }

    /// Forgets a passphrase that was wrong.
    pub fn forget(&self, question: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(question);
    }
}

impl age::Callbacks for Asking {
    fn display_message(&self, message: &str) {
        self.ask.tell(message);
    }

    fn confirm(&self, message: &str, yes: &str, no: Option<&str>) -> Option<bool> {
        self.ask.agree(message, yes, no.unwrap_or("no"))
    }

    fn request_public_string(&self, description: &str) -> Option<String> {
        self.ask.line(description)
    }

    fn request_passphrase(&self, description: &str) -> Option<SecretString> {
        self.passphrase(description)
    }
}
