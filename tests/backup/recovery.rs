//! Recovery without pgbelay: the commands of `backups/README.md`, with stock tools.

use std::fs;
use std::process::Command;

use super::{HOSTILE, Target, create};
use crate::harness::Sandbox;
use crate::harness::installation::project;

/// The programs that the commands need, and the packages that hold them.
const PROGRAMS: [(&str, &str); 4] = [
    ("age", "age"),
    ("zstd", "zstd"),
    ("gunzip", "gzip"),
    ("sha256sum", "coreutils"),
];

/// The commands between the marks.
fn commands() -> String {
    let page = fs::read_to_string(project().join("backups/README.md")).unwrap();
    let (_, rest) = page.split_once("<!-- recovery:begin -->").unwrap();
    let (block, _) = rest.split_once("<!-- recovery:end -->").unwrap();
    let fenced = |line: &&str| !line.starts_with("```");
    block.lines().filter(fenced).collect::<Vec<_>>().join("\n")
}

#[test]
fn stock_tools_suffice() {
    for (program, package) in PROGRAMS {
        let found = Command::new("sh")
            .args(["-c", &format!("command -v {program}")])
            .output()
            .unwrap();
        assert!(
            found.status.success(),
            "the program `{program}` is missing: install the package `{package}`"
        );
    }
    let sandbox = Sandbox::new();
    sandbox.sql(HOSTILE);
    sandbox.sql(
        "select lo_create(80001);
         select lo_from_bytea(80002, convert_to(repeat('0123456789abcdef', 30000), 'UTF8'));
         comment on large object 80002 is E'it''s\n\\large'",
    );
    let large = "select oid, md5(lo_get(oid)), obj_description(oid, 'pg_largeobject')
                 from pg_largeobject_metadata order by 1";
    for compression in ["zstd", "gzip", "none"] {
        let id = create(&sandbox, &["--compression", compression]);
        let target = Target::new(&sandbox);
        let output = Command::new("sh")
            .args(["-c", &commands()])
            .env("PATH", sandbox.cluster.installation.path())
            .env(
                "BACKUP",
                sandbox.backups().join(&sandbox.database).join(&id),
            )
            .env("IDENTITY", sandbox.identity())
            .env("TARGET", &target.url)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{compression}: {said}");
        // psql fills no materialized view.
        let session = sandbox.cluster.connect(&target.database, "postgres");
        session.run("refresh materialized view m_1; refresh materialized view m_0");
        assert_eq!(sandbox.query_text(large), session.text(large));
        drop(session);
        target.assert_same(&sandbox);
        target.drop(&sandbox.cluster);
    }
}
