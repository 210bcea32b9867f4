//! What is in a database, as the planner sees it. One round trip per kind of fact, never one per
//! table.
//!
//! Every function assumes an empty `search_path` (see [`SETTINGS`]): types and identities are then
//! always written with their schema. Facts agree with each other only when they are read
//! in one transaction of at least REPEATABLE READ.

mod closure;
mod functions;
mod sequences;
mod world;

pub use closure::Address;
pub use closure::Dependent;
pub use closure::closure;
pub use functions::FunctionFacts;
pub use functions::Volatility;
pub use functions::function_volatility;
pub use sequences::SequenceFacts;
pub use sequences::sequences;
pub use world::world;

/// What a caller runs in its transaction before it calls anything here or reads a catalog: names
/// with their schema, and constants spelled the same in every session.
pub const SETTINGS: &str = "SET LOCAL search_path = ''; SET LOCAL quote_all_identifiers = off; \
     SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, MDY'; \
     SET LOCAL IntervalStyle = postgres; SET LOCAL extra_float_digits = 3; \
     SET LOCAL bytea_output = hex; SET LOCAL row_security = off";

/// True for a schema (`n` is its `pg_namespace` row) whose contents concern us.
const USER_SCHEMA: &str = "n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgbelay') \
     AND n.nspname !~ '^pg_(toast|temp_)'";

/// `sql` with `{user_schema}` replaced by the condition that leaves system schemas out.
fn of_user(sql: &str) -> String {
    sql.replace("{user_schema}", USER_SCHEMA)
}
