//! The lines of the architecture, read from the sources: who may name whom, and who may do what.
//!
//! What can't be judged is a violation: write one `use crate::…;` line per module.

mod code;

use std::fmt::Write as _;
use std::fs;

use crate::harness::installation::project;
use crate::harness::sandbox::walk;

use code::{code_of, lines, occurrences, packages};

/// The rooms of core, lowest layer first. A room names only rooms of lower layers.
const LAYERS: &[&[&str]] = &[
    &["error"],
    &["ident", "clock"],
    &["model"],
    &["sql"],
    &["rules", "planner", "schema"],
    &["source", "pg", "store"],
    &["ops"],
];

/// Something that only some places may do.
struct Ban {
    /// Packages that may not be named.
    packages: &'static [&'static str],
    /// Other text that may not stand in code; an identifier matches as a whole.
    texts: &'static [&'static str],
    /// Where it holds: paths that start like one of these.
    within: &'static [&'static str],
    /// Where it is allowed nevertheless.
    except: &'static [&'static str],
    /// True when tests beside the code may do it.
    tests_may: bool,
    reason: &'static str,
}

const BANS: &[Ban] = &[
    Ban {
        packages: &[
            "tokio_postgres",
            "tokio_postgres_rustls",
            "deadpool_postgres",
            "rustls",
        ],
        texts: &[],
        within: &["core/src/", "bins/"],
        // Buckets are reached by TLS, too.
        except: &["core/src/pg/", "core/src/store/bucket.rs"],
        tests_may: false,
        reason: "all that speaks to PostgreSQL is in core/src/pg",
    },
    Ban {
        packages: &["age", "flate2", "zstd", "tar", "object_store", "ssh_key"],
        texts: &[],
        within: &["core/src/", "bins/"],
        except: &["core/src/store/"],
        tests_may: false,
        reason: "all that compresses, encrypts, signs or stores is in core/src/store",
    },
    Ban {
        packages: &["squawk_syntax", "squawk_parser", "squawk_linter"],
        texts: &[],
        within: &["core/src/", "bins/"],
        except: &["core/src/sql/", "core/src/rules/"],
        tests_may: false,
        reason: "the parser is known to core/src/sql and core/src/rules alone",
    },
    Ban {
        packages: &["clap", "dialoguer", "indicatif", "tabled", "dotenvy"],
        texts: &[],
        within: &["core/src/"],
        except: &[],
        tests_may: false,
        reason: "arguments, questions and tables belong to bins",
    },
    Ban {
        packages: &[],
        texts: &[
            "std::env",
            "env::var",
            "env::var_os",
            "env::vars",
            "env::args",
            "env::home_dir",
        ],
        within: &["core/src/"],
        except: &[],
        tests_may: true,
        reason: "core is told what it needs; only bins/console reads the environment",
    },
    Ban {
        packages: &[],
        texts: &[
            "println!",
            "print!",
            "eprintln!",
            "eprint!",
            "dbg!",
            "stdout()",
            "stderr()",
        ],
        within: &["core/src/"],
        except: &[],
        tests_may: true,
        reason: "core tells an observer; only bins print",
    },
    Ban {
        packages: &[],
        texts: &["process::exit", "process::abort"],
        within: &["core/src/", "bins/"],
        except: &[],
        tests_may: false,
        reason: "a command returns its exit code",
    },
    Ban {
        packages: &[],
        texts: &[
            "fs::write",
            "fs::rename",
            "fs::copy",
            "fs::create_dir",
            "fs::create_dir_all",
            "fs::remove_file",
            "fs::remove_dir",
            "fs::remove_dir_all",
            "fs::hard_link",
            "fs::set_permissions",
            "fs::symlink",
            "File::create",
            "File::create_new",
            "File::options",
            "OpenOptions",
            "DirBuilder",
        ],
        within: &["core/src/"],
        except: &["core/src/store/", "core/src/source/"],
        tests_may: true,
        reason: "files are written by the store and, for new migrations, by the source",
    },
    Ban {
        packages: &[],
        texts: &["Utc::now", "Local::now", "SystemTime::now"],
        within: &["core/src/"],
        except: &["core/src/clock.rs"],
        tests_may: true,
        reason: "the time of day comes from the clock",
    },
    Ban {
        packages: &[],
        texts: &["#[path", "include!"],
        within: &["core/src/", "bins/"],
        except: &[],
        tests_may: true,
        reason: "code is shared through a package, so that tools never import each other",
    },
];

#[test]
fn the_sources_hold_the_lines() {
    let mut violations = Vec::new();
    let mut files = 0;
    for folder in ["core/src", "bins"] {
        for path in walk(&project().join(folder)) {
            if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(project()).unwrap().display().to_string();
                violations.extend(check(&name, &fs::read_to_string(&path).unwrap()));
                files += 1;
            }
        }
    }
    assert!(files > 10, "the sources are not where they are looked for");
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

/// The violations in a file of the project.
fn check(path: &str, text: &str) -> Vec<String> {
    let code = code_of(text);
    let mut violations = Vec::new();
    let mut report = |offset: usize, message: &str| {
        let number = code[..offset].matches('\n').count() + 1;
        let line = code.lines().nth(number - 1).unwrap_or_default().trim();
        violations.push(format!("{path}:{number}: {message}: {line}"));
    };
    if let Some(place) = path.strip_prefix("core/src/") {
        check_layers(place, &code, &mut report);
    }
    let tests = tests_begin(path, &code);
    for ban in BANS {
        let starts = |places: &[&str]| places.iter().any(|place| path.starts_with(place));
        if !starts(ban.within) || starts(ban.except) {
            continue;
        }
        let named = ban.packages.iter().flat_map(|name| packages(&code, name));
        let written = ban.texts.iter().flat_map(|text| occurrences(&code, text));
        for offset in named.chain(written) {
            if !(ban.tests_may && offset >= tests) {
                report(offset, ban.reason);
            }
        }
    }
    violations
}

/// Checks what a file of core names, `place` being its path under `core/src`.
fn check_layers(place: &str, code: &str, report: &mut impl FnMut(usize, &str)) {
    let room = place.trim_end_matches(".rs").split('/').next().unwrap();
    if room == "lib" {
        for (offset, line) in lines(code) {
            match line
                .trim()
                .strip_prefix("pub mod ")
                .and_then(|rest| rest.strip_suffix(';'))
            {
                Some(name) if layer_of(name).is_some() => {}
                Some(name) => report(offset, &format!("`{name}` has no layer in this test")),
                None if line.trim().is_empty() => {}
                None => report(offset, "lib.rs holds nothing but its modules"),
            }
        }
        return;
    }
    let Some(own) = layer_of(room) else {
        report(0, &format!("`{room}` has no layer in this test"));
        return;
    };

    let depth = depth_of(place);
    let from_root = occurrences(code, "crate").map(|offset| (offset, "crate".len()));
    // `super::super::x` in pg/options.rs is `crate::x`.
    let climbing = "super::".repeat(depth);
    let climbs = code.match_indices(&climbing).filter_map(|(offset, _)| {
        let before = code[..offset].ends_with("super::");
        (depth > 0 && !before).then_some((offset, climbing.len() - 2))
    });
    for (offset, length) in from_root.chain(climbs) {
        let climbs = code[offset..].starts_with("super");
        // `pub(crate)` names nobody.
        let Some(rest) = code[offset + length..].trim_start().strip_prefix("::") else {
            if code[offset + length..].trim_start().starts_with("as ") {
                report(offset, "the root gets no other name");
            }
            continue;
        };
        let rest = rest.trim_start();
        let name: String = rest
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        match layer_of(&name) {
            Some(_) if name == room => {}
            Some(layer) if layer < own => {}
            Some(layer) if layer == own => {
                report(
                    offset,
                    &format!("`{room}` and `{name}` are equals, and never meet"),
                );
            }
            Some(_) => report(
                offset,
                &format!("`{room}` is below `{name}`, and can't name it"),
            ),
            // Within a module of tests, as much climbing ends in the file itself.
            None if climbs => {}
            None if name.is_empty() => {
                report(
                    offset,
                    "grouped imports of the root can't be judged; one line per module",
                );
            }
            None => report(offset, &format!("`crate::{name}` is no room of core")),
        }
    }
}

fn layer_of(room: &str) -> Option<usize> {
    LAYERS.iter().position(|rooms| rooms.contains(&room))
}

/// How many modules a file is below the root of core: 1 for `clock.rs` and `pg/mod.rs`.
fn depth_of(place: &str) -> usize {
    place
        .trim_end_matches(".rs")
        .split('/')
        .filter(|part| *part != "mod")
        .count()
}

/// Where the tests of a file begin, by convention its last part.
fn tests_begin(path: &str, code: &str) -> usize {
    if path.ends_with("tests.rs") || path.contains("/tests/") {
        return 0;
    }
    code.match_indices("#[cfg(test)]")
        .find(|(offset, mark)| {
            let mut rest = code[offset + mark.len()..].trim_start();
            while let Some((_, after)) = rest.strip_prefix("#[").and_then(|r| r.split_once(']')) {
                rest = after.trim_start();
            }
            rest.starts_with("mod ")
        })
        .map_or(code.len(), |(offset, _)| offset)
}

#[test]
fn planted_violations_are_caught() {
    let mut missed = String::new();
    for (path, text) in [
        // Upwards, to an equal, round about.
        ("core/src/sql/split.rs", "use crate::planner::plan;"),
        ("core/src/pg/copy.rs", "use crate::store::Writer;"),
        (
            "core/src/planner/mod.rs",
            "fn f() -> crate::schema::Schema { todo() }",
        ),
        ("core/src/error.rs", "use crate::model::secret::Secret;"),
        ("core/src/ident.rs", "use crate::clock::now;"),
        (
            "core/src/pg/options.rs",
            "use super::super::ops::context::Context;",
        ),
        ("core/src/clock.rs", "use super::pg::options;"),
        ("core/src/model/loss.rs", "pub use crate :: sql :: quote;"),
        (
            "core/src/sql/quote.rs",
            "#[cfg(test)]\nmod tests { use crate::pg::x; }",
        ),
        // What can't be judged.
        ("core/src/ops/x.rs", "use crate::{pg, store};"),
        ("core/src/ops/x.rs", "use crate::*;"),
        ("core/src/ops/x.rs", "use crate as root;"),
        ("core/src/ops/x.rs", "use crate::helpers::x;"),
        ("core/src/helpers.rs", "fn f() {}"),
        ("core/src/lib.rs", "pub mod helpers;"),
        ("core/src/lib.rs", "pub fn f() {}"),
        // Packages and powers out of their room.
        ("core/src/ops/x.rs", "use tokio_postgres::Client;"),
        ("core/src/ops/x.rs", "fn f(e: ::tokio_postgres::Error) {}"),
        ("bins/rollback/to.rs", "use tokio_postgres as p;"),
        ("core/src/pg/x.rs", "use age::Encryptor;"),
        ("core/src/model/x.rs", "fn f() { zstd::decode_all(x) }"),
        ("core/src/planner/x.rs", "use squawk_syntax::ast;"),
        ("core/src/ops/x.rs", "use clap::Parser;"),
        ("core/src/pg/x.rs", "use std::env;"),
        ("core/src/pg/x.rs", "let home = std::env::var(\"HOME\");"),
        ("core/src/ops/x.rs", "println!(\"done\");"),
        ("bins/rollback/to.rs", "std::process::exit(1)"),
        ("core/src/ops/x.rs", "std::fs::write(a, b)?;"),
        ("core/src/pg/x.rs", "let f = OpenOptions::new();"),
        ("core/src/ops/x.rs", "let now = chrono::Utc::now();"),
        (
            "bins/rollback/main.rs",
            "#[path = \"../backup/create.rs\"] mod create;",
        ),
    ] {
        if check(path, text).is_empty() {
            let _ = writeln!(missed, "{path}: {text}");
        }
    }
    assert!(missed.is_empty(), "not caught:\n{missed}");
}

#[test]
fn what_is_allowed_is_left_alone() {
    for (path, text) in [
        (
            "core/src/ops/x.rs",
            "use crate::pg::Client;\nuse crate::store::Writer;",
        ),
        (
            "core/src/pg/x.rs",
            "use crate::schema::Schema; use tokio_postgres::Client;",
        ),
        (
            "core/src/pg/x.rs",
            "use crate::pg::options::Host; use super::options; pub(crate) fn f() {}",
        ),
        (
            "core/src/pg/x.rs",
            "#[cfg(test)]\nmod tests { use super::super::options::Host; }",
        ),
        (
            "core/src/sql/x.rs",
            "//! [`crate::ops`] uses this; println!(\"\")\nuse crate::model::loss;",
        ),
        (
            "core/src/sql/x.rs",
            "const TEXT: &str = \"use crate::ops; println!(1) \\\" std::env\";",
        ),
        (
            "core/src/sql/x.rs",
            "const TEXT: &str = r#\"use \"crate::ops\"#; fn f<'a>(x: &'a str) {}",
        ),
        (
            "core/src/sql/x.rs",
            "let quote = '\"'; let tick = '\\''; let age = 3; x.age = age;",
        ),
        (
            "core/src/sql/x.rs",
            "/* /* use crate::ops; */ std::env */ fn f() {}",
        ),
        (
            "core/src/clock.rs",
            "let now = Utc::now(); write!(f, \"{now}\")?; env!(\"X\");",
        ),
        ("core/src/store/x.rs", "use age::x; std::fs::write(a, b)?;"),
        (
            "core/src/pg/x.rs",
            "fn f() {}\n#[cfg(test)]\nmod tests { fn f() { std::fs::write(a, b) } }",
        ),
        (
            "bins/x.rs",
            "#[cfg(test)]\n#[path = \"x_tests.rs\"]\nmod tests;",
        ),
        ("core/src/lib.rs", "//! All.\n\npub mod ops;\npub mod pg;\n"),
        (
            "bins/rollback/to.rs",
            "use clap::Args; use console::Shell; let x = std::env::var(\"X\");",
        ),
    ] {
        assert_eq!(check(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}
