//! `rollback to`: back to an earlier revision, with everything kept that this destroys.

mod again;
mod apply;
mod attempt;
mod graded;
mod look;
mod plan;
mod proof;
mod record;

pub use apply::{Options, Outcome, apply, rehearse};
pub use plan::{Ask, Planned, Request, plan};
pub use record::entry_record;
