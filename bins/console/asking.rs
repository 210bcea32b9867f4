//! Passphrases and the like, asked for on the terminal while an operation runs.

use std::sync::Arc;

use dialoguer::{Confirm, Input, Password};
use pgbelay_core::model::ask::Ask;
use pgbelay_core::model::secret::Secret;

use crate::consent::can_ask;
use crate::output::Output;
use crate::report::progress::Progress;
use crate::text::safe;

/// Asks on the terminal; answers nothing where there is none.
pub struct Terminal {
    progress: Arc<Progress>,
    output: Arc<Output>,
}

impl Terminal {
    /// Asks below the progress bars, which rest meanwhile.
    pub const fn new(progress: Arc<Progress>, output: Arc<Output>) -> Self {
        Self { progress, output }
    }

    /// Asks for a new passphrase, twice.
    pub fn new_passphrase(&self, question: &str) -> Option<Secret> {
        if !self.ready() {
            return None;
        }
        let answer = Password::new()
            .with_prompt(safe(question))
            .with_confirmation("again", "those two differ")
            .report(false)
            .interact();
        answer.ok().map(Secret::new)
    }

    fn ready(&self) -> bool {
        let ready = can_ask();
        if ready {
            self.progress.rest();
        }
        ready
    }
}

impl Ask for Terminal {
    fn passphrase(&self, question: &str) -> Option<Secret> {
        if !self.ready() {
            return None;
        }
        let answer = Password::new()
            .with_prompt(safe(question))
            .allow_empty_password(true)
            .report(false)
            .interact();
        answer.ok().map(Secret::new)
    }

    fn line(&self, question: &str) -> Option<String> {
        if !self.ready() {
            return None;
        }
        let question = Input::<String>::new().with_prompt(safe(question));
        question.allow_empty(true).report(false).interact().ok()
    }

    fn agree(&self, question: &str, yes: &str, no: &str) -> Option<bool> {
        if !self.ready() {
            return None;
        }
        let question = format!("{} ({} or {})", safe(question), safe(yes), safe(no));
        let question = Confirm::new().with_prompt(question).report(false);
        question.interact_opt().ok().flatten()
    }

    fn tell(&self, message: &str) {
        self.progress.rest();
        self.output.err(&format!("{}\n", safe(message)));
    }
}
