//! What a text tells by its words alone, whatever is there when it runs.

use crate::sql::words::Words;

/// Extensions whose functions reach other databases, files, programs or the network.
const EXTENSIONS: [&str; 22] = [
    "adminpack",
    "aws_lambda",
    "aws_s3",
    "dblink",
    "file_fdw",
    "http",
    "mysql_fdw",
    "odbc_fdw",
    "oracle_fdw",
    "pg_background",
    "pg_cron",
    "pg_net",
    "pgagent",
    "postgres_fdw",
    "redis_fdw",
    "sqlite_fdw",
    "tds_fdw",
    "xml2",
    "plsh",
    "pljava",
    "plr",
    "pgmemcache",
];

/// Languages in which a function may do whatever the server's process may. As an extension they have
/// the same name.
const LANGUAGES: [&str; 12] = [
    "java",
    "javau",
    "plperlu",
    "plpython2u",
    "plpython3u",
    "plpythonu",
    "plr",
    "plrust",
    "plsh",
    "pltclu",
    "plv8u",
    "pllua_u",
];

/// Functions of the server, and of an extension that comes with it, that run a text that they are
/// given, by the start of their names.
const RUNNING: [&str; 5] = [
    "query_to_xml",
    "ts_stat",
    "ts_rewrite",
    "crosstab",
    "connectby",
];

/// Whether the texts of `words` may run a statement that can't be read in them: it is put together
/// when they run.
pub fn composes(words: &Words) -> bool {
    let pieces = words.operators.iter().any(|run| run.contains("||"))
        || ["format", "concat", "concat_ws", "replace", "chr"]
            .iter()
            .any(|f| words.called.contains(*f));
    let runs = |called: &String| RUNNING.iter().any(|start| called.starts_with(start));
    executes(&words.text) || pieces && words.called.iter().any(runs)
}

/// Whether `lower` holds an EXECUTE of something else than a text that is written out. What of a
/// trigger and of a privilege is called the same runs nothing.
fn executes(lower: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$');
    lower.match_indices("execute").any(|(at, word)| {
        let (before, after) = (&lower[..at], &lower[at + word.len()..]);
        if before.ends_with(part) || after.starts_with(part) {
            return false;
        }
        let after = after.trim_start();
        let about = ["function", "procedure", "on "]
            .iter()
            .any(|next| after.starts_with(next));
        !about && !is_written_out(after)
    })
}

/// Whether `expression` is one string, to the end of its statement.
fn is_written_out(expression: &str) -> bool {
    let quotes = expression.len() - expression.trim_start_matches('\'').len();
    if !matches!(quotes, 1 | 2 | 4) {
        return false;
    }
    // Within a string, quotes are doubled.
    let quote = &expression[..quotes];
    let mut rest = &expression[quotes..];
    while let Some((_, behind)) = rest.split_once(quote) {
        let Some(inside) = behind.strip_prefix(quote) else {
            let behind = behind.trim_start();
            let mut ends = [";", "using", "into", "end", "'", "loop"].iter();
            return behind.is_empty() || ends.any(|end| behind.starts_with(end));
        };
        rest = inside;
    }
    false
}

/// An extension that reaches beyond the database, and that the texts of `words` may make themselves.
pub fn makes(words: &Words) -> Option<&'static str> {
    EXTENSIONS
        .into_iter()
        .chain(LANGUAGES)
        .find(|name| follows(&words.text, "extension", name))
}

/// A language in which functions reach beyond the database, and which the texts of `words` name as that
/// of some code.
pub fn speaks(words: &Words) -> Option<&'static str> {
    LANGUAGES
        .into_iter()
        .find(|name| follows(&words.text, "language", name))
}

/// Whether in `lower` the word `name` follows the word `what`, and IF NOT EXISTS.
fn follows(lower: &str, what: &str, name: &str) -> bool {
    let part = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let words = lower.split(part).filter(|word| !word.is_empty());
    let mut words = words.filter(|word| !matches!(*word, "if" | "not" | "exists"));
    let mut last = "";
    words.any(|word| std::mem::replace(&mut last, word) == what && word == name)
}

/// A statement in `code` that reaches beyond its database, as far as words tell.
pub fn beyond(code: &str) -> Option<String> {
    let part = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let lower = code.to_ascii_lowercase();
    let words: Vec<&str> = lower.split(part).filter(|word| !word.is_empty()).collect();
    let acts = ["create", "alter", "drop"];
    let objects = [
        "role",
        "user",
        "group",
        "database",
        "tablespace",
        "subscription",
        "server",
        "system",
    ];
    let pair = words
        .windows(2)
        .find(|pair| acts.contains(&pair[0]) && objects.contains(&pair[1]));
    if let Some(pair) = pair {
        return Some(pair.join(" ").to_ascii_uppercase());
    }
    let mut after_copy = words.iter().skip_while(|word| **word != "copy").skip(1);
    let file = [
        "to '", "from '", "to ''", "from ''", "to e'", "from e'", "to $", "from $",
    ];
    let reaches = after_copy.any(|word| *word == "program")
        || words.contains(&"copy") && file.iter().any(|file| lower.contains(file));
    reaches.then(|| "COPY".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_are_put_together_are_told_from_those_written_out() {
        for code in [
            "begin execute what; end",
            "begin execute format('select %s', 1); end",
            "begin execute 'select dbl' || 'ink()'; end",
            "do $$ begin execute'a'||'b'; end $$",
            "select query_to_xml('a' || 'b', true, true, '')",
        ] {
            assert!(composes(&Words::of(code)), "{code}");
        }
        for code in [
            "create trigger t after insert on t for each row execute function f(); select 'a' || 'b'",
            "grant execute on function f() to x",
            "begin execute 'select ''x'' || y' ; end",
            "begin execute 'insert into t values ($1)' using 'a' || 'b'; end",
            "do 'begin execute ''select 1''; end'",
            "select executed, execute_at from t",
        ] {
            assert!(!composes(&Words::of(code)), "{code}");
        }
    }

    #[test]
    fn what_is_made_is_told_from_what_is_mentioned() {
        let makes = |code| makes(&Words::of(code));
        assert_eq!(
            makes("CREATE EXTENSION if not exists \"dblink\""),
            Some("dblink")
        );
        assert_eq!(makes("execute 'create extension plsh'"), Some("plsh"));
        assert_eq!(makes("create extension citext; select 'http://x'"), None);
        let speaks = |code| speaks(&Words::of(code));
        assert_eq!(
            speaks("do language 'plpython3u' $$ pass $$"),
            Some("plpython3u")
        );
        assert_eq!(speaks("create function f() returns int language sql"), None);
    }

    #[test]
    fn statements_in_code_that_reach_beyond_are_found() {
        for code in [
            "begin execute 'create  role x'; end",
            "ALTER SYSTEM SET work_mem = 1",
            "begin copy t to program 'x'; end",
            "begin execute 'copy t to ''/tmp/x'' '; end",
        ] {
            assert!(beyond(code).is_some(), "{code}");
        }
        for code in [
            "begin update users set role = 'user'; end",
            "begin -- copy what was there\n delete from t; end",
            "begin alter table t drop c; end",
        ] {
            assert_eq!(beyond(code), None, "{code}");
        }
    }
}
