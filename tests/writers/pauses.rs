//! Eight applications at work while a rollback takes a column of theirs away, and how long the
//! longest of their statements took; beside the naive way, which locks the table, saves it, and
//! only then runs the script.
//!
//! `PGBELAY_TEST_WRITER_ROWS=2000000` makes the table larger; `scripts/writers-test` does so, and
//! shows the figures. That no acknowledged row is lost is all that is asserted.

use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::harness::writer::Written;
use crate::harness::{Sandbox, Writer};
use crate::scenes::{assert_nothing_left, to, undo};

const WRITERS: u64 = 8;

/// Numbers of new rows begin here.
const NEW: u64 = 1_000_000_000;

fn rows() -> u64 {
    let asked = std::env::var("PGBELAY_TEST_WRITER_ROWS");
    asked.map_or(20_000, |rows| rows.parse().unwrap())
}

/// What application `w` does as its `n`-th thing. No two touch the same row, and none twice.
fn statement(w: u64, n: u64) -> String {
    let id = n * WRITERS + w;
    match n % 3 {
        0 => format!(
            "insert into t (id, v, extra) values ({}, {n}, 'w{id}')",
            NEW + id
        ),
        1 => format!("update t set extra = 'w{id}' where id = {id}"),
        _ => format!("delete from t where id = {id} and extra = 'e{id}'"),
    }
}

fn start(sandbox: &Sandbox) -> Vec<Writer> {
    let writer = |w| Writer::start(sandbox, move |n| statement(w, n));
    let writers: Vec<Writer> = (0..WRITERS).map(writer).collect();
    for writer in &writers {
        writer.wait_for(5);
    }
    writers
}

fn stop(writers: Vec<Writer>) -> Vec<Written> {
    writers.into_iter().map(Writer::stop).collect()
}

fn longest(written: &[Written]) -> Duration {
    written.iter().map(|w| w.longest).max().unwrap()
}

fn filled() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.migration(
        "0001_init",
        "create table t (id bigint primary key, v int)",
        "drop table t",
    );
    sandbox.migration(
        "0002_extra",
        "alter table t add extra text",
        "alter table t drop extra",
    );
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    let rows = rows();
    sandbox.sql(&format!(
        "insert into t select i, i, 'e' || i from generate_series(1, {rows}) i"
    ));
    sandbox.sql("vacuum analyze t");
    sandbox
}

/// The longest statement while the table is locked, saved by COPY, and changed.
fn naively() -> Duration {
    let sandbox = filled();
    let writers = start(&sandbox);
    let file = File::create(sandbox.folder.join("saved")).unwrap();
    let script =
        "begin; lock table t; copy t (id, extra) to stdout; alter table t drop extra; commit";
    let ended = Command::new(sandbox.cluster.installation.bin.join("psql"))
        .args([
            "-X",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            &sandbox.url(),
            "-c",
            script,
        ])
        .stdout(Stdio::from(file))
        .status()
        .unwrap();
    assert!(ended.success());
    longest(&stop(writers))
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "the figures are what `scripts/writers-test` is run for"
)]
fn eight_applications_lose_nothing() {
    let sandbox = filled();
    let writers = start(&sandbox);
    let output = to(&sandbox, "0001", &["--json", "--lock-timeout", "20s"]).run();
    output.assert_exit(0);
    let written = stop(writers);
    let pause = longest(&written);
    assert_nothing_left(&sandbox);
    undo(&sandbox, &["--json"]).run().assert_exit(0);

    let mut expected: BTreeMap<u64, String> =
        (1..=rows()).map(|id| (id, format!("e{id}"))).collect();
    for (w, written) in (0..).zip(&written) {
        assert!(written.unknown.is_empty());
        // The column goes under their hands.
        let gone = |(_, code): &(u64, String)| code == "42703";
        assert!(written.refused.iter().all(gone), "{:?}", written.refused);
        for n in &written.committed {
            let id = n * WRITERS + w;
            match n % 3 {
                0 => drop(expected.insert(NEW + id, format!("w{id}"))),
                1 => drop(expected.get_mut(&id).map(|text| *text = format!("w{id}"))),
                _ => drop(expected.remove(&id)),
            }
        }
    }
    let found = sandbox.query_text("select id, extra from t");
    let found: BTreeMap<u64, String> = (found.lines())
        .map(|line| {
            let (id, text) = line.split_once('|').unwrap();
            (id.parse().unwrap(), text.to_owned())
        })
        .collect();
    let ids = expected.keys().chain(found.keys());
    let differ: Vec<&u64> = ids.filter(|id| expected.get(id) != found.get(id)).collect();
    assert!(
        differ.is_empty(),
        "{} rows differ: {:?}",
        differ.len(),
        &differ[..differ.len().min(9)]
    );
    if std::env::var_os("PGBELAY_TEST_WRITER_ROWS").is_some() {
        let statements: usize = written.iter().map(|w| w.committed.len()).sum();
        println!(
            "{} rows, {WRITERS} writers, {statements} statements committed, none lost\n\
             longest statement: {} ms while rollback ran, {} ms the naive way",
            rows(),
            pause.as_millis(),
            naively().as_millis()
        );
    }
}
