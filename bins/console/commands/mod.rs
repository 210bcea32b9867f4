//! Sub-commands that more than one tool offers. Tools only name them.

pub mod backup_create;
pub mod backup_list;
pub mod backup_show;
pub mod backup_verify;
pub mod completions;
pub mod rollback_to;
pub mod rollback_validate;
pub mod roundtrip;
