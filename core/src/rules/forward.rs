//! Rules about the script that applies a migration: what it locks, and for how long.

use crate::model::loss::Finding;
use crate::rules::rule::Rule;
use crate::rules::script::Script;
use crate::sql::promise::Promised;
use crate::sql::statement::{Kind, Name};

pub(super) mod check_scans;
pub(super) mod destroys;
pub(super) mod index_locks;
pub(super) mod no_default;
pub(super) mod not_null_scans;
pub(super) mod reference_scans;
pub(super) mod type_rewrites;
pub(super) mod unique_locks;

/// Adds a finding of `rule` for each promise of ALTER TABLE that `judge` has a message for, on
/// tables that the script did not make.
fn promises(
    script: &Script,
    judge: impl Fn(&Name, &Promised) -> Option<String>,
    rule: &Rule,
    found: &mut Vec<Finding>,
) {
    script.each(
        |statement, created| {
            let altered = matches!(statement.kind, Kind::AlterTable { .. });
            let promises = statement.promises.iter().filter(|_| altered);
            promises
                .filter(|promise| !created.has_table(&promise.table))
                .filter_map(|promise| judge(&promise.table, &promise.promised))
                .collect()
        },
        rule,
        found,
    );
}
