//! One script of a migration, as a layout reads it.

use crate::ident::Revision;
use crate::model::migration::Script;
use crate::sql::parse;
use crate::sql::statement::Kind;

/// One of the two scripts of a migration.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// The version.
    pub revision: Revision,
    /// The rest of the name; may be empty.
    pub name: String,
    /// Whether this is the way back.
    pub down: bool,
    /// The script. What belongs to another part of its file is blank, so that places are right.
    pub script: Script,
    /// It runs outside a transaction, by whatever the layout has for that.
    pub no_transaction: bool,
}

/// True for a script of one statement that can't run in a transaction: tools that send a file as
/// it is have no word for that.
pub(super) fn stands_alone(text: &str) -> bool {
    let statements = parse::script(text);
    match statements.as_slice() {
        [one] => matches!(one.kind, Kind::NonTransactional { .. }),
        _ => false,
    }
}

/// `text` with every character blank but those of the lines that `keep` accepts (counted from
/// zero); nothing of it stays after the last of them.
pub(super) fn only_lines(text: &str, keep: impl Fn(usize) -> bool) -> String {
    let lines = text.split('\n').enumerate();
    let kept: Vec<&str> = lines
        .map(|(number, line)| if keep(number) { line } else { "" })
        .collect();
    let text = kept.join("\n");
    match text.trim_end() {
        "" => String::new(),
        trimmed => format!("{trimmed}\n"),
    }
}
