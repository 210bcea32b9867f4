//! What a command gets: its flags, its settings, and the ways to answer.

use std::sync::{Arc, OnceLock};

use pgbelay_core::error::Result;
use pgbelay_core::model::event::Observer;
use pgbelay_core::model::secret::Secret;
use pgbelay_core::ops::context::Context;
use pgbelay_core::pg::options::ConnectOptions;
use serde::Serialize;

use crate::args::{ColorWhen, Shared};
use crate::asking::Terminal;
use crate::environment::Environment;
use crate::output::Output;
use crate::paint::Paint;
use crate::report::lines::{self, Lines};
use crate::report::progress::Progress;
use crate::settings::{Choice, Settings};
use crate::target::Target;

/// How a command that did not fail exits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done,
    /// A check found something.
    Found,
}

impl Exit {
    /// [`Exit::Found`] when `found`.
    pub const fn found(found: bool) -> Self {
        if found { Self::Found } else { Self::Done }
    }

    /// The exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Found => 4,
        }
    }
}

/// The proof that a command closed its output; only [`Shell::answer`], [`Shell::text`] and
/// [`Shell::done`] make one.
#[derive(Debug)]
#[must_use]
pub struct Ending(Exit);

impl Ending {
    /// How to exit.
    pub const fn exit(&self) -> Exit {
        self.0
    }
}

/// What a command writes to standard output with `--json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// One document, at once: events are not shown there.
    Answer,
    /// One line for each event, and a closing line.
    Work,
}

/// The surroundings of a command.
pub struct Shell {
    shared: Shared,
    environment: Environment,
    output: Arc<Output>,
    progress: Arc<Progress>,
    out: Paint,
    err: Paint,
    target: OnceLock<Target>,
}

impl Shell {
    /// A shell with these flags, this environment, and this output.
    pub fn new(shared: Shared, environment: Environment, output: Arc<Output>) -> Self {
        let on = |terminal| colours(shared.color, &environment, terminal);
        let (out, err) = (on(output.out_is_terminal()), on(output.err_is_terminal()));
        let quiet = shared.quiet || shared.json;
        let notes = shared.verbose;
        Self {
            progress: Arc::new(Progress::new(Arc::clone(&output), err, quiet, notes)),
            shared,
            environment,
            output,
            out,
            err,
            target: OnceLock::new(),
        }
    }

    /// The flags.
    pub const fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The environment.
    pub const fn environment(&self) -> &Environment {
        &self.environment
    }

    /// True with `--json`.
    pub const fn json(&self) -> bool {
        self.shared.json
    }

    /// The streams, for the module that reports failures.
    pub(crate) fn output(&self) -> &Output {
        &self.output
    }

    /// Colours of standard error.
    pub(crate) const fn err_paint(&self) -> Paint {
        self.err
    }

    /// Everything that flags, environment and config file say.
    pub fn settings(&self) -> Result<Settings> {
        Settings::resolve(&self.shared, &self.environment)
    }

    /// The surroundings of an operation on the database.
    pub fn context(&self, flow: Flow) -> Result<Context> {
        self.context_for(flow, None)
    }

    /// The surroundings of an operation on the database that the flag `into` names, else on the
    /// usual one.
    pub fn context_for(&self, flow: Flow, into: Option<(&str, &Secret)>) -> Result<Context> {
        let mut settings = self.settings()?;
        if let Some((flag, url)) = into {
            settings.database = Choice::by_flag(flag, url);
        }
        let (environment, source) = (settings.env.clone(), settings.database.source.clone());
        let mut context = settings.context(&self.environment, self.observer(flow))?;
        context.ask = Arc::new(self.terminal());
        self.aim(Target {
            environment,
            options: Some(context.database.clone()),
            source,
        });
        Ok(context)
    }

    /// The database that a command without a flag of its own would work on, if there is one.
    pub fn usual_database(&self) -> Option<ConnectOptions> {
        let settings = self.settings().ok()?;
        let context = settings.context(&self.environment, self.observer(Flow::Work));
        Some(context.ok()?.database)
    }

    /// The surroundings of an operation that needs no database.
    pub fn offline(&self, flow: Flow) -> Result<Context> {
        let settings = self.settings()?;
        let environment = settings.env.clone();
        let mut context = settings.offline(self.observer(flow));
        context.ask = Arc::new(self.terminal());
        self.aim(Target {
            environment,
            ..Target::default()
        });
        Ok(context)
    }

    /// Remembers where the command works, and says so before anything happens.
    fn aim(&self, target: Target) {
        let shown = self.target.get_or_init(|| target);
        if shown.options.is_some() && !self.json() && !self.shared.quiet {
            let text = self.err.dim(&shown.announcement());
            self.output.err(&format!("{text}\n"));
        }
    }

    /// The first line of a report: the database that it is about. Empty at a terminal, which has shown
    /// it.
    pub fn heading(&self) -> String {
        let shown = self.output.out_is_terminal() && self.output.err_is_terminal();
        match self.target().words() {
            words if shown || words.is_empty() => String::new(),
            words => format!("{words}\n"),
        }
    }

    /// Where the command works, as far as that is known by now.
    pub fn target(&self) -> Target {
        self.target.get().cloned().unwrap_or_default()
    }

    /// Asks for passphrases.
    pub fn terminal(&self) -> Terminal {
        Terminal::new(Arc::clone(&self.progress), Arc::clone(&self.output))
    }

    fn observer(&self, flow: Flow) -> Arc<dyn Observer> {
        if self.json() && flow == Flow::Work {
            Arc::new(Lines::new(Arc::clone(&self.output)))
        } else {
            Arc::clone(&self.progress) as Arc<dyn Observer>
        }
    }

    /// Takes progress bars off the terminal, before a question or the end.
    pub fn rest(&self) {
        self.progress.rest();
    }

    /// Answers at once: one JSON document, or text.
    pub fn answer(
        &self,
        exit: Exit,
        document: &impl Serialize,
        human: impl FnOnce(Paint) -> String,
    ) -> Ending {
        if self.json() {
            self.output.out(&lines::document(document, &self.target()));
        } else {
            self.say(human);
        }
        Ending(exit)
    }

    /// Answers with text that is the same for people and machines, such as a script.
    pub fn text(&self, text: &str) -> Ending {
        self.output.out(text);
        Ending(Exit::Done)
    }

    /// Closes a command that worked on: the JSON line `done` with `fields`, or text.
    pub fn done(
        &self,
        exit: Exit,
        fields: &impl Serialize,
        human: impl FnOnce(Paint) -> String,
    ) -> Ending {
        if self.json() {
            let line = lines::done(exit.code(), fields, &self.target());
            self.output.out(&line);
        } else {
            self.say(human);
        }
        Ending(exit)
    }

    /// Writes a part of the answer of a command that works on: a JSON line of type `kind`, or
    /// text.
    pub fn part(&self, kind: &str, fields: &impl Serialize, human: impl FnOnce(Paint) -> String) {
        if self.json() {
            self.output.out(&lines::about(kind, fields, &self.target()));
        } else {
            self.say(human);
        }
    }

    /// Shows what a question is about: a JSON line of type `kind`, or text beside the question.
    pub fn announce(
        &self,
        kind: &str,
        fields: &impl Serialize,
        human: impl FnOnce(Paint) -> String,
    ) {
        self.rest();
        if self.json() {
            self.output.out(&lines::about(kind, fields, &self.target()));
        }
        let asks = self.shared.confirm.is_none() && !self.shared.yes;
        let reads = !self.json() || self.output.err_is_terminal();
        if reads && (asks || !self.shared.quiet) {
            self.output.err(&human(self.err));
        }
    }

    fn say(&self, human: impl FnOnce(Paint) -> String) {
        self.rest();
        self.output.out(&human(self.out));
    }
}

/// Colours on a stream.
pub(crate) fn colours(when: ColorWhen, environment: &Environment, terminal: bool) -> Paint {
    let dumb = environment.get("TERM") == Some("dumb");
    Paint::new(match when {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto => terminal && !dumb && environment.get("NO_COLOR").is_none(),
    })
}
