//! Folders of migrations.

mod create;
mod file_name;
mod folder;
#[cfg(test)]
mod folder_for_tests;
mod header;
mod order;
mod resolve;

pub use create::create;
pub use folder::read;
pub use order::heads;
pub use resolve::resolve;
