//! One file per rule: what it finds in a script, why that matters, and the way out.

mod allow;
mod database;
mod delete;
mod delete_all;
mod drop_column;
mod drop_extension;
mod drop_schema;
mod drop_sequence;
mod drop_table;
mod drop_type;
mod empty;
mod forward;
mod merge;
mod missing;
mod narrow_type;
mod non_tx;
mod opaque;
mod refused;
mod registry;
mod rule;
mod script;
mod side_effect;
mod truncate;
mod txn_control;
mod unparseable;
mod update;
mod update_all;
mod upsert;

pub use registry::RULES;
pub use registry::by_id;
pub use registry::check_folder;
pub use rule::Direction;
pub use rule::Rule;
pub use script::Script;
