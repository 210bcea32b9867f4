//! Rules that take a database to tell: plans of rollbacks look for these themselves.

pub(super) mod cascade_hidden;
pub(super) mod drift;
pub(super) mod edited;
pub(super) mod grade;
pub(super) mod no_file;
pub(super) mod no_key;
pub(super) mod rehearsed;
pub(super) mod row_security;
pub(super) mod stored_result;
pub(super) mod will_fail;

use crate::model::loss::Finding;
use crate::rules::script::Script;

/// Files alone don't tell.
fn not_from_files(_: &Script, _: &mut Vec<Finding>) {}
