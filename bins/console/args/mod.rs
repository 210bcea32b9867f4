//! The command line: flags shared by all tools, and how single values are read.

pub mod secret;
mod shared;
pub mod value;
mod vouch;
pub mod written;

pub use shared::{ColorWhen, Shared};
pub use vouch::Vouch;
