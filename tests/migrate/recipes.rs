//! The recipes of the README, run as they stand there.

use std::fs;
use std::path::Path;

use super::{applied, two};
use crate::harness::Sandbox;
use crate::harness::binary::{Output, Run, path_of};
use crate::harness::installation::project;

/// The block of the README that begins with the comment `# name`.
fn block(name: &str) -> String {
    let readme = fs::read_to_string(project().join("README.md")).unwrap();
    let mut blocks = readme.split("```").skip(1).step_by(2);
    let wanted = format!("# {name}\n");
    let found = blocks.find_map(|block| {
        let (_, text) = block.split_once('\n')?;
        text.starts_with(&wanted).then(|| text.to_owned())
    });
    found.unwrap_or_else(|| panic!("the README has no recipe '{name}'"))
}

fn shell(sandbox: &Sandbox, script: &str) -> Output {
    let tools = Path::new(path_of("migrate")).parent().unwrap();
    let mut path = tools.as_os_str().to_owned();
    path.push(":");
    path.push(sandbox.cluster.installation.path());
    Run::of_program("/bin/sh", "sh")
        .args(&["-e", "-c", script])
        .current_dir(&sandbox.folder)
        .env("PATH", path)
        .env("HOME", sandbox.home())
        .env("XDG_CONFIG_HOME", sandbox.config())
        .env("DATABASE_URL", sandbox.url())
        .run()
}

#[test]
fn they_do_what_they_say() {
    let mut sandbox = two();
    shell(&sandbox, &block("ci"))
        .assert_exit(0)
        .assert_says("nothing pending");
    assert_eq!(applied(&sandbox), "0002\n");
    shell(&sandbox, &block("entrypoint"))
        .assert_exit(0)
        .assert_says("nothing to do");

    // The targets of the Makefile, by their lines: make is not everywhere.
    sandbox.make_keys();
    let makefile = block("Makefile");
    for target in makefile
        .split("\n\t")
        .skip(1)
        .map(|line| line.lines().next().unwrap())
    {
        let command = target.replace("$(DATABASE)", &sandbox.database);
        shell(&sandbox, &command).assert_exit(0);
    }
    assert_eq!(applied(&sandbox), "0002\n");

    // What containers run is what the entry point runs.
    for name in ["compose.yaml", "job.yaml"] {
        let text = block(name);
        assert!(
            text.contains(r#"["migrate", "upgrade", "--wait", "5m"]"#),
            "{text}"
        );
    }
}

/// The names of tests that `text` gives: `migrate::…` in backticks.
fn tests_named(text: &str) -> Vec<&str> {
    let words = text.split('`').skip(1).step_by(2);
    words.filter(|word| word.starts_with("migrate::")).collect()
}

#[test]
fn every_test_that_the_readme_names_is_there() {
    let readme = fs::read_to_string(project().join("README.md")).unwrap();
    let named = tests_named(&readme);
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        let parts: Vec<&str> = name.split("::").collect();
        let (file, test) = match parts.as_slice() {
            ["migrate", module, test] => (format!("tests/migrate/{module}.rs"), Some(test)),
            ["migrate", module]
                if project()
                    .join(format!("tests/migrate/{module}.rs"))
                    .exists() =>
            {
                (format!("tests/migrate/{module}.rs"), None)
            }
            ["migrate", test] => ("tests/migrate.rs".to_owned(), Some(test)),
            _ => panic!("{name}"),
        };
        let source = fs::read_to_string(project().join(file)).unwrap();
        let there = test.is_none_or(|test| source.contains(&format!("fn {test}()")));
        assert!(there, "there is no test {name}");
    }
}
