//! Folders of migrations, in the layouts of this project and of others.

mod alembic;
mod create;
mod diesel;
mod elsewhere;
mod file_name;
mod flyway;
mod folder;
#[cfg(test)]
mod folder_for_tests;
mod header;
mod layout;
mod one_file;
mod order;
mod part;
mod reading;
mod resolve;
mod seeds;

pub use create::{Body, create};
pub use elsewhere::checksum;
pub use folder::{read, read_as};
pub use layout::look;
pub use order::heads;
pub use resolve::resolve;
pub use seeds::{repeatables, seeds};
