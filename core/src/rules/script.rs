//! A script as the rules see it.

use crate::model::loss::Finding;
use crate::model::migration::Migration;
use crate::rules::rule::{Direction, Rule};
use crate::sql::created::Created;
use crate::sql::parse;
use crate::sql::statement::Dml;
use crate::sql::statement::Statement;

/// One of the scripts of a migration, parsed.
#[derive(Debug)]
pub struct Script {
    /// The file, or the one that lacks a companion.
    path: String,
    /// The text; empty when there is no script.
    text: String,
    /// None when there is no script.
    statements: Option<Vec<Statement>>,
}

impl Script {
    /// The script of `migration` for `direction`.
    pub fn of(migration: &Migration, direction: Direction) -> Self {
        let script = match direction {
            Direction::Back => migration.down.as_ref(),
            Direction::Forward => Some(&migration.up),
        };
        Self {
            path: script.unwrap_or(&migration.up).path.clone(),
            text: script.map_or_else(String::new, |script| script.text.clone()),
            statements: script.map(|script| parse::script(&script.text)),
        }
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether there is none.
    pub fn is_missing(&self) -> bool {
        self.statements.is_none()
    }

    /// The statements; those inside when the script brings its own transaction.
    pub fn statements(&self) -> &[Statement] {
        let all = self.statements.as_deref().unwrap_or_default();
        parse::own_transaction(all).unwrap_or(all)
    }

    /// Adds a finding of `rule` for each message that `judge` has for a statement. It is told
    /// what the script has created before.
    pub(super) fn each(
        &self,
        judge: impl Fn(&Statement, &Created) -> Vec<String>,
        rule: &Rule,
        found: &mut Vec<Finding>,
    ) {
        let mut created = Created::default();
        for statement in self.statements() {
            for message in judge(statement, &created) {
                found.push(self.finding(rule, statement.line, message));
            }
            created.note(statement);
        }
    }

    /// A finding of `rule`.
    pub(super) fn finding(&self, rule: &Rule, line: u32, message: String) -> Finding {
        Finding {
            rule: rule.id,
            severity: rule.severity,
            path: self.path.clone(),
            line,
            message,
        }
    }
}

/// Whether an UPDATE or DELETE concerns every row: it has no condition, or a constant one.
pub(super) fn takes_all(dml: &Dml) -> bool {
    dml.using.is_none()
        && dml
            .predicate
            .as_ref()
            .is_none_or(|condition| condition.eq_ignore_ascii_case("true"))
}
