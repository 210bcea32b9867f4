//! RB-REHEARSED: what came out when the scripts ran on a copy.

use crate::model::loss::Severity;
use crate::rules::database::not_from_files;
use crate::rules::rule::{Direction, Rule};

/// The rule.
pub(in crate::rules) static RULE: Rule = Rule {
    id: "RB-REHEARSED",
    direction: Direction::Back,
    severity: Severity::Warn,
    title: "what a rehearsal showed",
    condition: "the scripts were run on a copy of the definitions, or on a restored backup",
    effect: "what the copy showed will happen to the database: a failure, another schema, rows that \
             go; a copy without rows shows at least this, and may show too little",
    workaround: "correct the script until the rehearsal shows what is meant",
    bad: "DO $$ BEGIN DELETE FROM orders; END $$;   -- nobody can tell from reading",
    good: "DELETE FROM orders WHERE placed < '2020-01-01';",
    check: not_from_files,
};
