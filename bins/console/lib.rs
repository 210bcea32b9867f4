//! What the four tools share: arguments, configuration, consent, reporters and exit codes.
//!
//! The only room that knows a terminal, the environment or a config file. Whatever touches a
//! database, a backup or a migration is asked of the core.

#![expect(
    clippy::format_push_string,
    clippy::format_collect,
    reason = "reports are short, and writing to a String can't fail in a way worth handling"
)]

mod all;
pub mod args;
pub mod asking;
mod audit;
pub mod commands;
pub mod consent;
pub mod environment;
mod output;
mod paint;
mod parse;
pub mod recipients;
pub mod report;
mod run;
pub mod settings;
mod shell;
pub mod table;
mod target;
pub mod text;

pub use output::Output;
pub use paint::Paint;
pub use parse::{parse, parse_or};
pub use run::run;
pub use shell::{Ending, Exit, Flow, Shell};
pub use target::Target;
