//! Reporters: what people and machines get to see. Each makes text from values; the output
//! alone writes it.

pub mod backups;
pub mod failure;
pub mod findings;
pub mod fitness;
pub mod github;
pub mod history;
pub mod html;
pub mod junit;
pub mod lines;
pub mod markdown;
pub mod notes;
pub mod plan;
pub mod progress;
pub mod repair;
pub mod risk;
pub mod rollbacks;
pub mod runs;
pub mod sarif;
pub mod schema_drift;
pub mod signature;
pub mod trips;
pub mod undo;
pub mod upgrade;
