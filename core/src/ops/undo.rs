//! `rollback undo`: a rollback reversed. The migrations are applied again, and every row and value
//! that the rollback destroyed is put back, beside what was written since.

mod again;
mod apply;
mod follow;
mod inside;
mod kept;
mod labels;
mod list;
pub mod part;
mod plan;
mod record;
mod renames;
mod repair;
mod rescue;
mod rows;
mod split;
mod staging;
mod stored;
mod tried;

pub use apply::{Options, Outcome, apply};
pub use list::{Listed, list};
pub use plan::{UndoPlan, plan};
pub use rescue::Rescued;
pub(super) use stored::COMPUTED;
pub(super) use tried::{Trial, Tried, carry_out};
