//! What Alembic writes with `--sql`: the scripts of many revisions in one file.
//!
//! Alembic's revisions have no order of their own; the chain has. They are numbered along it, and
//! keep their identity as the name: `0002_1975ea83b712`.

use std::collections::BTreeMap;

use crate::ident::Revision;
use crate::model::migration::Script;
use crate::source::part::{self, Part};
use crate::sql::mask;
use crate::sql::parse;
use crate::sql::statement::Kind;

/// One revision's block in a file.
#[derive(Debug)]
struct Block {
    down: bool,
    from: String,
    to: String,
    /// First line after the heading, and the one after the last.
    lines: (usize, usize),
    file: usize,
}

/// True when `text` was written by Alembic.
pub(super) fn is(text: &str) -> bool {
    text.lines().any(|line| heading(line).is_some())
}

/// `-- Running upgrade a -> b`.
fn heading(line: &str) -> Option<(bool, String, String)> {
    let rest = line.strip_prefix("-- Running ")?;
    let (down, rest) = match (
        rest.strip_prefix("upgrade "),
        rest.strip_prefix("downgrade "),
    ) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return None,
    };
    let (from, to) = rest.split_once("->")?;
    // A message may follow the revision.
    let to = to.trim().split([' ', ',']).next().unwrap_or_default();
    Some((down, from.trim().to_owned(), to.to_owned()))
}

/// The parts of `files`, all of which Alembic wrote; problems in words.
pub(super) fn parts(files: &[Script]) -> (Vec<Part>, Vec<String>) {
    let blocks: Vec<Block> = files.iter().enumerate().flat_map(blocks).collect();
    let mut problems = Vec::new();
    let numbers = match chain(&blocks) {
        Ok(numbers) => numbers,
        Err(problem) => return (Vec::new(), vec![problem]),
    };
    let mut parts = Vec::new();
    for block in &blocks {
        let name = if block.down { &block.from } else { &block.to };
        let Some(revision) = numbers.get(name.as_str()) else {
            let path = &files[block.file].path;
            problems.push(format!(
                "'{path}' takes back {name}, which no upgrade applies"
            ));
            continue;
        };
        let file = &files[block.file];
        let (text, no_transaction) = script(file, block.lines);
        parts.push(Part {
            revision: revision.clone(),
            name: name.clone(),
            down: block.down,
            script: Script::new(file.path.clone(), &text),
            no_transaction,
        });
    }
    (parts, problems)
}

fn blocks((file, script): (usize, &Script)) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for (number, line) in script.text.lines().enumerate() {
        if let Some((down, from, to)) = heading(line) {
            if let Some(last) = blocks.last_mut() {
                last.lines.1 = number;
            }
            let lines = (number + 1, usize::MAX);
            blocks.push(Block {
                down,
                from,
                to,
                lines,
                file,
            });
        }
    }
    blocks
}

/// The number of each revision, along the chain.
fn chain(blocks: &[Block]) -> Result<BTreeMap<&str, Revision>, String> {
    let mut next: BTreeMap<&str, &str> = BTreeMap::new();
    for block in blocks.iter().filter(|block| !block.down) {
        if block.from.contains(',') {
            return Err(format!(
                "revision {} merges branches, which is not supported",
                block.to
            ));
        }
        if next.insert(&block.from, &block.to).is_some() {
            return Err(format!(
                "two revisions follow '{}': branches are not supported",
                block.from
            ));
        }
    }
    let starts: Vec<&str> = next
        .keys()
        .copied()
        .filter(|from| !next.values().any(|to| to == from))
        .collect();
    let [start] = starts.as_slice() else {
        return Err("the upgrades that Alembic wrote are not one chain".to_owned());
    };
    let mut numbers = BTreeMap::new();
    let mut at = *start;
    while let Some(to) = next.remove(at) {
        let number = format!("{:04}", numbers.len() + 1);
        let number = number
            .parse()
            .map_err(|_| "too many revisions".to_owned())?;
        numbers.insert(to, number);
        at = to;
    }
    Ok(numbers)
}

/// The block's own statements: without Alembic's ledger and its transactions.
fn script(file: &Script, lines: (usize, usize)) -> (String, bool) {
    let mut text = part::only_lines(&file.text, |n| (lines.0..lines.1).contains(&n));
    let statements = parse::script(&text);
    let outside = statements
        .iter()
        .any(|s| matches!(s.kind, Kind::NonTransactional { .. }));
    for statement in statements {
        let control = matches!(statement.kind, Kind::Transaction { .. });
        if control || mask::mentions(&statement.text, "alembic_version") {
            let blank: String = text[statement.range.clone()]
                .bytes()
                .map(|b| if b == b'\n' { '\n' } else { ' ' })
                .collect();
            text.replace_range(statement.range, &blank);
        }
    }
    (text, outside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_become_numbered_migrations() {
        let up = "BEGIN;\n\nCREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL);\n\n\
                  -- Running upgrade  -> 1975ea83b712\n\nCREATE TABLE a (id int);\n\n\
                  INSERT INTO alembic_version (version_num) VALUES ('1975ea83b712');\n\n\
                  -- Running upgrade 1975ea83b712 -> ae1027a6acf\n\nALTER TABLE a ADD b int;\n\n\
                  UPDATE alembic_version SET version_num='ae1027a6acf' WHERE \
                  alembic_version.version_num = '1975ea83b712';\n\nCOMMIT;\n";
        let down = "BEGIN;\n\n-- Running downgrade ae1027a6acf -> 1975ea83b712\n\n\
                    ALTER TABLE a DROP b;\n\nCOMMIT;\n";
        assert!(is(up) && is(down) && !is("-- Running late"));
        let files = [Script::new("down.sql", down), Script::new("up.sql", up)];
        let (parts, problems) = parts(&files);
        assert!(problems.is_empty(), "{problems:?}");
        let shown: Vec<String> = parts
            .iter()
            .map(|p| {
                let words: Vec<&str> = p.script.text.split_whitespace().collect();
                format!("{}_{} {} {}", p.revision, p.name, p.down, words.join(" "))
            })
            .collect();
        assert_eq!(
            shown,
            [
                "0002_ae1027a6acf true ALTER TABLE a DROP b; ;",
                "0001_1975ea83b712 false CREATE TABLE a (id int); ;",
                "0002_ae1027a6acf false ALTER TABLE a ADD b int; ; ;",
            ]
        );
    }

    #[test]
    fn branches_are_named() {
        let check = |text: &str, expected: &str| {
            let (_, problems) = parts(&[Script::new("up.sql", text)]);
            assert!(problems[0].contains(expected), "{problems:?}");
        };
        check(
            "-- Running upgrade  -> a\n-- Running upgrade a -> b\n-- Running upgrade a -> c",
            "two",
        );
        check("-- Running upgrade a, b -> c", "merges");
        check(
            "-- Running upgrade  -> a\n-- Running upgrade x -> y",
            "one chain",
        );
        check(
            "-- Running upgrade  -> a\n-- Running downgrade b -> a",
            "takes back b",
        );
    }
}
