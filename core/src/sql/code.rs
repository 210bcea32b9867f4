//! Do two scripts hold the same code?

use squawk_syntax::SourceFile;

use crate::sql::deep;
use crate::sql::tree;

/// True when `one` and `other` differ in nothing but comments and white space.
pub fn same(one: &str, other: &str) -> bool {
    match (tokens(one), tokens(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

/// `text` with comments left out and one blank between any two tokens; `None` where that can't be
/// told, the text being nested too deep.
pub fn plain(text: &str) -> Option<String> {
    tokens(text).map(|tokens| tokens.join(" "))
}

fn tokens(text: &str) -> Option<Vec<String>> {
    deep::run(text, |text| {
        let parsed = SourceFile::parse(text).syntax_node();
        tree::tokens(&parsed).map(|t| t.text().to_owned()).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_white_space_are_no_code() {
        let check = |one, other, expected| assert_eq!(same(one, other), expected, "{one}|{other}");
        check("select 1;", "-- why\nselect  1 /* one */;\n", true);
        check("select 1;", "select 2;", false);
        check("select 'a b'", "select 'a  b'", false);
        check("select 1; select 2", "select 1 select 2", false);
        check("do $$ -- x\n $$", "do $$ $$", false);
        check("", "-- nothing", true);
    }
}
