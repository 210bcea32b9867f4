//! Settings: resolved once, from flag to default, into the plain values the core takes.

mod config;
mod database;
mod keys;
mod postgres;
mod resolve;

pub use database::Choice;
pub use keys::config_folder_files;
pub use resolve::Settings;
