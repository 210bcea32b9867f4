//! What a rule is.

use crate::model::loss::Finding;
use crate::model::loss::Severity;
use crate::rules::script::Script;

/// As the bad case of a rule: no rollback script at all.
pub(super) const NO_SCRIPT: &str = "(no rollback file)";

/// Which script of a migration a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The one that takes it back.
    Back,
    /// The one that applies it.
    Forward,
}

impl Direction {
    /// The word in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Back => "back",
            Self::Forward => "forward",
        }
    }
}

/// One check of scripts, with what there is to say about it.
#[derive(Debug)]
pub struct Rule {
    /// Its name: `RB-DROP-COLUMN`, or `FW-…` for the way forward. Public and stable.
    pub id: &'static str,
    /// The script that it is about.
    pub direction: Direction,
    /// How bad a hit is.
    pub severity: Severity,
    /// A few words, as after "this script …".
    pub title: &'static str,
    /// What it looks for.
    pub condition: &'static str,
    /// What that does.
    pub effect: &'static str,
    /// What to do instead.
    pub workaround: &'static str,
    /// A script in which it finds something.
    pub bad: &'static str,
    /// A similar one in which it doesn't.
    pub good: &'static str,
    /// Adds its findings.
    pub check: fn(&Script, &mut Vec<Finding>),
}
