//! What is in a database, as the planner sees it. One round trip per kind of fact, never one per
//! table.
//!
//! Every function assumes an empty `search_path` (see [`settings`]): types and identities are then
//! always written with their schema. Facts agree with each other only when they are read
//! in one transaction of at least REPEATABLE READ.

mod closure;
mod functions;
mod harmless;
mod reaching;
mod sequences;
mod storage;
mod world;

pub use closure::Address;
pub use closure::Dependent;
pub use closure::closure;
pub use functions::FunctionFacts;
pub use functions::Volatility;
pub use functions::function_volatility;
pub use harmless::Run;
pub use harmless::suspects;
pub use reaching::Scope;
pub use reaching::beyond;
pub use reaching::reaching;
pub use sequences::SequenceFacts;
pub use sequences::all_sequences;
pub use sequences::sequences;
pub use storage::Storage;
pub use storage::storage;
pub use world::columns;
pub use world::whole_world;
pub use world::world;

/// What a caller runs in its transaction before it calls anything here or reads a catalog: names
/// with their schema, constants spelled the same in every session, and no query compiled.
pub fn settings() -> String {
    format!("{}; SET LOCAL jit = off", crate::pg::settings::pin())
}

/// True for a schema (`n` is its `pg_namespace` row) that is neither the system's nor temporary.
const LASTING_SCHEMA: &str = "n.nspname NOT IN ('pg_catalog', 'information_schema') \
     AND n.nspname !~ '^pg_(toast|temp_)'";

/// Which schemas a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// All but the system's and our own.
    User,
    /// Our own as well.
    Everything,
}

/// `sql` with `{user_schema}` replaced by the condition that leaves other schemas out.
fn within(sql: &str, reach: Reach) -> String {
    let condition = match reach {
        Reach::User => format!("{LASTING_SCHEMA} AND n.nspname <> 'pgbelay'"),
        Reach::Everything => LASTING_SCHEMA.to_owned(),
    };
    sql.replace("{user_schema}", &condition)
}
