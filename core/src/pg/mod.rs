//! All that speaks to PostgreSQL.

pub mod catalog;
pub mod config;
pub mod connect;
mod conninfo;
pub mod error;
pub mod inspect;
pub mod journal;
pub mod ledger;
pub mod lock;
pub mod options;
mod passfile;
pub mod progress;
mod query;
pub mod retry;
pub mod script;
pub mod session;
pub mod steps;
mod tls;
