//! Folders of migrations.

mod create;
mod file_name;
mod folder;
mod header;
mod order;
mod resolve;
#[cfg(test)]
mod scratch;

pub use create::create;
pub use folder::read;
pub use resolve::resolve;
