//! What a rule is.

use crate::model::loss::Finding;
use crate::model::loss::Severity;
use crate::rules::script::Script;

/// As the bad case of a rule: no rollback script at all.
pub(super) const NO_SCRIPT: &str = "(no rollback file)";

/// One check of rollback scripts, with what there is to say about it.
#[derive(Debug)]
pub struct Rule {
    /// Its name: `RB-DROP-COLUMN`. Public and stable.
    pub id: &'static str,
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
