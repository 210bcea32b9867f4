//! All that speaks to PostgreSQL.

pub mod config;
pub mod connect;
mod conninfo;
pub mod error;
pub mod journal;
pub mod ledger;
pub mod lock;
pub mod options;
mod passfile;
pub mod progress;
pub mod retry;
pub mod script;
pub mod session;
pub mod steps;
mod tls;
