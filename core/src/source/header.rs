//! The header comment of a migration's file: `key: value`, one a line, before the first statement.

use crate::ident::Revision;
use crate::source::file_name;

/// What a header says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// `description`.
    pub description: String,
    /// `depends-on`, also `depends_on` and `dependencies`: revisions or whole `version_name`s.
    pub depends_on: Vec<Revision>,
    /// `transaction: off`.
    pub no_transaction: bool,
    /// `repeatable: on`, of a seed.
    pub repeatable: bool,
    /// What can't be understood, in words.
    pub problems: Vec<String>,
}

/// Reads the header of `text`: its leading `--` lines, or the block comment that it starts with.
pub(super) fn read(text: &str) -> Header {
    let mut header = Header::default();
    for line in lines(text) {
        if let Some((key, value)) = line.split_once(':') {
            header.take(&key.trim().to_ascii_lowercase(), value.trim());
        }
    }
    header
}

fn lines(text: &str) -> Vec<&str> {
    let text = text.trim_start();
    if let Some(block) = text.strip_prefix("/*") {
        let end = block.find("*/").unwrap_or(block.len());
        let plain = |line: &'_ str| line.trim().trim_start_matches('*').trim_start().len();
        return block[..end]
            .lines()
            .map(|line| &line.trim_end()[line.trim_end().len() - plain(line)..])
            .collect();
    }
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map_while(|line| line.strip_prefix("--"))
        .collect()
}

impl Header {
    fn take(&mut self, key: &str, value: &str) {
        match key {
            "description" => value.clone_into(&mut self.description),
            "depends-on" | "depends_on" | "dependencies" => self.depend(value),
            "repeatable" => self.repeatable = value.eq_ignore_ascii_case("on"),
            "transaction" => match value.to_ascii_lowercase().as_str() {
                "off" => self.no_transaction = true,
                "on" => self.no_transaction = false,
                _ => self.problem("'transaction' is neither 'on' nor 'off'"),
            },
            _ => {}
        }
    }

    fn depend(&mut self, value: &str) {
        let separated = |c: char| c == ',' || c.is_whitespace();
        let named = value
            .split(separated)
            .filter(|word| !word.is_empty() && !word.eq_ignore_ascii_case("none"));
        for word in named {
            match file_name::split(word) {
                Some((revision, _)) => self.depends_on.push(revision),
                None => self.problem(&format!(
                    "'depends-on' names '{word}', which is not a revision"
                )),
            }
        }
    }

    fn problem(&mut self, what: &str) {
        self.problems.push(what.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read() {
        let check = |text: &str, expected: &str| {
            let h = read(text);
            let on: Vec<&str> = h.depends_on.iter().map(Revision::as_str).collect();
            let shown = format!(
                "{}|{}|{}|{}",
                h.description,
                on.join(","),
                h.no_transaction,
                h.problems.len()
            );
            assert_eq!(shown, expected, "{text}");
        };
        check("", "||false|0");
        check("select 1; -- transaction: off", "||false|0");
        check(
            "-- description: Adds: x\n\n--Depends-On: 1, 0002_b 3\nselect 1",
            "Adds: x|1,0002,3|false|0",
        );
        check("  -- transaction: OFF\n", "||true|0");
        check("select 1;\n-- transaction: off", "||false|0");
        check(
            "/*\n * description: x\n * dependencies: none\n transaction: off */",
            "x||true|0",
        );
        check("-- transaction: maybe\n-- depends_on: abc", "||false|2");
        check("-- note: transaction: off", "||false|0");
        check("/* description: é */ -- transaction: off", "é||false|0");
    }
}
