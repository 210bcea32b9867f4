//! The reports of a validation: the same content in every format, and names that stay text.

use std::fs;

use serde_json::Value;

use crate::harness::Sandbox;

/// Every element that a page opens it closes, in order, but for those that have no content.
#[track_caller]
fn well_formed(page: &str) {
    let mut open = Vec::new();
    for tag in page.split('<').skip(1) {
        let tag = &tag[..tag.find('>').unwrap_or_else(|| panic!("unclosed <{tag}"))];
        let name = tag.split_whitespace().next().unwrap();
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "</{name}>");
        } else if !["!doctype", "meta"].contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

/// A table and a column whose names would be markup, or commands, wherever they are not text.
fn hostile() -> Sandbox {
    let sandbox = Sandbox::new();
    let table = r#""x|y`<img src=x onerror=alert(1)>""#;
    let column = r#""[a](http://evil.example) {0} @all""#;
    sandbox.migration(
        "0001_init",
        &format!("create table {table} (id int primary key)"),
        &format!("drop table {table}"),
    );
    sandbox.migration(
        "0002_note",
        &format!("alter table {table} add {column} text"),
        &format!("-- the way back\nalter table {table} drop {column}"),
    );
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql(&format!(
        "insert into {table} values (1, 'secretvalue'), (2, null)"
    ));
    sandbox
}

/// The report of going back, in `format`.
#[track_caller]
fn report(sandbox: &Sandbox, format: &str) -> String {
    let args = ["validate", "0001", "--format", format];
    let output = sandbox.run("rollback", &args);
    output.assert_exit(4).assert_silent_about("secretvalue");
    output.stdout
}

#[test]
fn hostile_names_are_text_in_ci() {
    let sandbox = hostile();
    let report = |format: &str| report(&sandbox, format);
    let github = report("github");
    let loss = github.lines().next().unwrap();
    assert!(
        loss.starts_with(
            "::error file=migrations/0002_note_rollback.sql,line=2,title=RB-DROP-COLUMN::"
        ),
        "{github}"
    );
    assert_eq!(github.lines().last(), Some("verdict: LOSS_RECOVERABLE"));

    let junit = report("junit");
    well_formed(&junit.replace("/>", ">").replacen("<?xml", "<meta", 1));
    for part in [
        r#"<testsuite name="rollback: LOSS_RECOVERABLE" tests="2" failures="1">"#,
        r#"<testcase classname="rollback" name="0002 note">"#,
        r#"<failure type="RB-DROP-COLUMN" message=""#,
        "migrations/0002_note_rollback.sql:2: RB-DROP-COLUMN: ",
        "x|y`&lt;img src=x",
    ] {
        assert!(junit.contains(part), "{part} is not in\n{junit}");
    }
    assert!(!junit.contains("<img"), "{junit}");
}

#[test]
fn hostile_names_are_text_in_every_format() {
    let sandbox = hostile();
    let report = |format: &str| report(&sandbox, format);

    let json: Value = serde_json::from_str(&report("json")).unwrap();
    let loss = &json["losses"][0];
    assert_eq!((&loss["rows"], &loss["line"]), (&1.into(), &2.into()));

    let markdown = report("markdown");
    for part in ["LOSS&#95;RECOVERABLE", "x&#124;y&#96;&#60;img", " | 1 | "] {
        assert!(markdown.contains(part), "{part} is not in\n{markdown}");
    }
    for markup in ["<img", "`", "](", "http:", "@all"] {
        assert!(!markdown.contains(markup), "{markup} is in\n{markdown}");
    }

    let html = report("html");
    well_formed(&html);
    for part in [
        "LOSS_RECOVERABLE",
        "x|y`&lt;img src=x onerror=alert(1)&gt;",
        "[a](http://evil.example) {0} @all",
        "<li id=\"s0-2\" class=\"hit\">",
        "<a href=\"#s0-2\">",
        "default-src 'none'",
    ] {
        assert!(html.contains(part), "{part} is not in\n{html}");
    }
    for loads in [
        "<img",
        "<script",
        "<link",
        "src=\"",
        "href=\"http",
        "url(",
        "@import",
    ] {
        assert!(!html.contains(loads), "{loads} is in\n{html}");
    }

    let sarif: Value = serde_json::from_str(&report("sarif")).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    let same = &run["properties"]["pgbelay"];
    for field in ["verdict", "losses", "findings", "locks", "plan_hash"] {
        assert!(json.get(field).is_some(), "{field}");
        assert_eq!(same[field], json[field], "{field}");
    }
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    for result in results {
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
    }
    let told = results.iter().find(|r| r["ruleId"] == loss["rule"]);
    let told = told.unwrap();
    assert!(rules.iter().any(|rule| rule["id"] == told["ruleId"]));
    let place = &told["locations"][0]["physicalLocation"];
    assert_eq!(place["region"]["startLine"], 2);
    let uri = place["artifactLocation"]["uri"].as_str().unwrap();
    assert!(uri.ends_with("0002_note_rollback.sql"), "{uri}");
    let message = told["message"]["text"].as_str().unwrap();
    assert!(
        message.contains(r"\[a\](http://evil.example) {{0}} @all"),
        "{message}"
    );
    assert!(message.contains("lose something: 1 "), "{message}");

    // Standard output has one format; a file may have another.
    let args = ["validate", "0001", "--json", "--format", "sarif"];
    sandbox
        .run("rollback", &args)
        .assert_exit(2)
        .assert_says("--output");
    let with_file = [&args[..], &["--output", "report.sarif"]].concat();
    let output = sandbox.run("rollback", &with_file);
    output.assert_exit(4);
    assert_eq!(output.json()[0]["verdict"], "LOSS_RECOVERABLE");
    let file = fs::read_to_string(sandbox.folder.join("report.sarif")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&file).unwrap(), sarif);
}

#[test]
fn what_the_files_say_and_how_they_were_tried_out_is_told_in_ci() {
    let sandbox = Sandbox::new();
    sandbox.migration("0001_init", "create table t (a int)", "drop table t");
    sandbox.migration(
        "0002_more",
        "alter table t add b text",
        "alter table t drop b; alter table t add c int",
    );
    let write = |args: &[&str], format: &str| {
        let args = [args, &["--format", format]].concat();
        sandbox.run("validate", &args).assert_exit(4).stdout.clone()
    };
    let files = |format: &str| write(&["migrations"], format);
    let github = files("github");
    let note = "::error file=migrations/0002_more_rollback.sql,line=1,title=RB-DROP-COLUMN::";
    assert!(github.lines().any(|l| l.starts_with(note)), "{github}");
    let sarif: Value = serde_json::from_str(&files("sarif")).unwrap();
    let json: Value = serde_json::from_str(&files("json")).unwrap();
    let run = &sarif["runs"][0];
    assert_eq!(run["properties"]["pgbelay"]["findings"], json["findings"]);
    let results = run["results"].as_array().unwrap().len();
    assert_eq!(results, json["findings"].as_array().unwrap().len());

    let cases = |junit: &str| {
        well_formed(&junit.replace("/>", ">").replacen("<?xml", "<meta", 1));
        junit.matches("<testcase ").count()
    };
    let junit = files("junit");
    assert_eq!(cases(&junit), 2, "{junit}");
    assert!(
        junit.contains("<failure type=\"RB-DROP-COLUMN\""),
        "{junit}"
    );

    let junit = write(&["roundtrip"], "junit");
    assert_eq!(cases(&junit), 2, "{junit}");
    for part in [
        "<testsuite name=\"roundtrip: 1 exact, 1 differs\" tests=\"2\" failures=\"1\">",
        "<testcase classname=\"roundtrip\" name=\"0002 more\">",
        "<failure type=\"differs\" message=\"differs",
    ] {
        assert!(junit.contains(part), "{part} is not in\n{junit}");
    }

    let args = ["roundtrip", "--format", "github", "--json"];
    sandbox.run("validate", &args).assert_exit(2);
    let args = [
        "roundtrip",
        "--format",
        "junit",
        "--output",
        "trips.xml",
        "--json",
    ];
    let lines = sandbox.run("validate", &args).assert_exit(4).json();
    let trips = lines.iter().filter(|line| line["type"] == "round_trip");
    assert_eq!(trips.count(), 2, "{lines:?}");
    let file = fs::read_to_string(sandbox.folder.join("trips.xml")).unwrap();
    assert_eq!(file, junit);
}
