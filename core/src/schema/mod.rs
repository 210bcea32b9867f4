//! The catalog as a model that can be compared: objects, differences, fingerprints.

mod about;
mod again;
pub mod bookkeeping;
mod catalog;
pub mod changed;
mod delta;
mod diff;
mod dump;
mod family;
pub mod fillings;
mod fingerprint;
pub mod kinds;
mod missing;
mod normal;
mod privileges;
pub mod rebuild;
mod removals;
pub mod render;
mod repair;

pub use catalog::Catalog;
pub use catalog::Object;
pub use catalog::ObjectKey;
pub use delta::Delta;
pub use diff::Change;
pub use diff::Diff;
pub use diff::diff;
pub use dump::ENTRY_SETTINGS;
pub use dump::Entry;
pub use dump::Phase;
pub use dump::dump_entries;
pub use fingerprint::Lines;
pub use kinds::ObjectKind;
pub use missing::missing_statements;
pub use privileges::privileges;
pub use render::without_names_of_not_null;
