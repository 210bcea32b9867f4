//! The words of a text, whatever they are there: names, parts of strings, of comments.
//!
//! For who must not miss a name: nothing here depends on how the server would cut the text into
//! tokens. Every name in it is among the words, or is no plain word (see [`Words::text`]).

use std::collections::BTreeSet;

/// How many bytes of a name the server keeps.
const NAME_BYTES: usize = 63;

/// What may be an operator, or a part of one.
const OPERATOR: &str = "+-*/<>=~!@#%^&|`?";

/// The words of some texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// All of them, in lower case, cut as the server cuts names.
    pub all: BTreeSet<String>,
    /// Those that may be called: a parenthesis or a comment follows.
    pub called: BTreeSet<String>,
    /// Runs of characters that operators are made of.
    pub operators: BTreeSet<String>,
    /// The texts, for names that are no plain words: with blanks, with letters beyond ASCII.
    pub text: String,
    /// Names may be spelled by codes (`U&"\0061"`): they can't be looked for.
    pub coded: bool,
}

impl Words {
    /// The words of `text`.
    pub fn of(text: &str) -> Self {
        let mut words = Self::default();
        words.add(text);
        words
    }

    /// Adds the words of `text`.
    pub fn add(&mut self, text: &str) {
        let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$');
        for run in runs(text, part) {
            let mut word = text[run.clone()].to_ascii_lowercase();
            word.truncate(NAME_BYTES);
            let rest = text[run.end..].trim_start_matches('"').trim_start();
            if ["(", "--", "/*"]
                .iter()
                .any(|start| rest.starts_with(start))
            {
                self.called.insert(word.clone());
            }
            self.all.insert(word);
        }
        for run in runs(text, |c| OPERATOR.contains(c)) {
            self.operators.insert(text[run].to_owned());
        }
        let lower = text.to_ascii_lowercase();
        self.coded |= lower.contains("u&\"");
        self.text.push_str(&lower);
        self.text.push('\n');
    }
}

/// The longest pieces of `text` of which every character is a `part`.
fn runs(text: &str, part: impl Fn(char) -> bool) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices() {
        match (part(c), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                found.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    found.extend(start.map(|from| from..text.len()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(words: &BTreeSet<String>) -> Vec<&str> {
        words.iter().map(String::as_str).collect()
    }

    #[test]
    fn names_are_found_wherever_they_stand() {
        let words = Words::of("a.\"Evil\" (1) + f/* x */(2) @@ 'g (3)' AND h_1");
        assert_eq!(list(&words.called), ["evil", "f", "g"]);
        assert!(words.all.contains("h_1") && words.all.contains("x"));
        assert!(words.operators.contains("@@") && words.operators.contains("+"));
        assert!(!words.coded);
    }

    #[test]
    fn names_are_cut_as_the_server_cuts_them() {
        let words = Words::of(&format!("{}()", "x".repeat(70)));
        assert_eq!(list(&words.called), ["x".repeat(63)]);
    }

    #[test]
    fn names_spelled_by_codes_are_noticed() {
        assert!(Words::of("select U&\"\\0061\"()").coded);
    }
}
