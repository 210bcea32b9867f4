//! The nouns of the toolkit, without I/O.

pub mod ask;
pub mod backup;
pub mod consent;
pub mod content;
pub mod event;
pub mod fitness;
pub mod layout;
pub mod ledger;
pub mod location;
pub mod lock;
pub mod loss;
pub mod migration;
pub mod plan;
pub mod proof;
pub mod relation;
pub mod secret;
pub mod seed;
pub mod signature;
pub mod trip;
