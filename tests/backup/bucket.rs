//! Backups in a bucket: everything that a folder does, and what a server far away adds.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{HOSTILE, Target};
use crate::harness::{Bucket, Sandbox};

/// Makes a backup and returns its id.
fn create(bucket: &Bucket, sandbox: &Sandbox, args: &[&str]) -> String {
    let output = bucket.run(sandbox, "backup", &[&["create"], args].concat());
    output.assert_exit(0);
    output.last_line().to_owned()
}

fn listed(bucket: &Bucket, sandbox: &Sandbox) -> Vec<Value> {
    let output = bucket.run(sandbox, "backup", &["list", "--json"]);
    let list = output.assert_exit(0).json().remove(0);
    list["backups"].as_array().unwrap().clone()
}

#[test]
fn a_bucket_does_all_that_a_folder_does() {
    let (bucket, sandbox) = (Bucket::start(), Sandbox::new());
    sandbox.sql(HOSTILE);
    sandbox.sql("select lo_from_bytea(80002, convert_to(repeat('0123456789', 300), 'UTF8'))");
    let run = |args: &[&str]| bucket.run(&sandbox, "backup", args);
    let first = create(&bucket, &sandbox, &["--name", "one"]);

    // Nothing is ever overwritten, and the manifest is what completes it.
    let folder = format!("a/b/{}/{first}/", sandbox.database);
    let asked = bucket.asked();
    let puts: Vec<&String> = asked.iter().filter(|a| a.starts_with("PUT")).collect();
    assert!(puts.iter().all(|put| put.ends_with(" *")), "{puts:?}");
    assert_eq!(*puts[0], format!("PUT {folder}begin.json *"));
    let last = puts[puts.len() - 1];
    assert_eq!(*last, format!("PUT {folder}manifest.json *"));
    assert!(bucket.objects().keys().all(|key| key.starts_with(&folder)));

    for level in ["listed", "hashed", "decrypted", "restored"] {
        run(&["verify", &first, "--level", level]).assert_exit(0);
    }
    let shown = run(&["show", "latest", "--json"]).json().remove(0);
    assert_eq!(shown["id"], first.as_str());
    assert_eq!(
        listed(&bucket, &sandbox)[0]["verified"]["level"],
        "restored"
    );
    let target = Target::new(&sandbox);
    run(&["restore", &first[..20], "--into", &target.url, "--yes"]).assert_exit(0);
    target.assert_same(&sandbox);
    target.drop(&sandbox.cluster);
    let url = format!("s3://kept/{folder}manifest.json");
    run(&["show", &url]).assert_exit(0).assert_says(&first);

    // Out of the bucket, into a folder, and into a bucket again.
    let tar = sandbox.folder.join("one.tar");
    let tar = tar.to_str().unwrap();
    run(&["export", &first, tar]).assert_exit(0);
    sandbox.run("backup", &["import", tar]).assert_exit(0);
    let verified = sandbox.run("backup", &["verify", &first, "--level", "decrypted"]);
    verified.assert_exit(0);
    let other = Bucket::start();
    other
        .run(&sandbox, "backup", &["import", tar])
        .assert_exit(0);
    let verified = other.run(&sandbox, "backup", &["verify", &first]);
    verified.assert_exit(0);
    // Once more, it is known; what somebody else has begun there stays as it is.
    other
        .run(&sandbox, "backup", &["import", tar])
        .assert_exit(0);
    let third = Bucket::start();
    let begun = format!("{folder}begin.json");
    third.objects().insert(begun.clone(), b"other".to_vec());
    third
        .run(&sandbox, "backup", &["import", tar])
        .assert_exit(6);
    assert_eq!(third.objects()[&begun], b"other");
    // Where it can't be told whose the place is, nothing is removed.
    let fourth = Bucket::start();
    fourth.deny(Some("begin.json"));
    fourth
        .run(&sandbox, "backup", &["import", tar])
        .assert_exit(1);
    assert!(!fourth.asked().iter().any(|a| a.starts_with("DELETE")));

    // Kept, and let go.
    let second = create(&bucket, &sandbox, &[]);
    run(&["pin", &first, "--reason", "for good"]).assert_exit(0);
    run(&["pin", &first, "--reason", "for better"]).assert_exit(0);
    let third = create(&bucket, &sandbox, &[]);
    run(&["prune", "--keep-last", "1", "--yes"]).assert_exit(0);
    let ids: Vec<Value> = listed(&bucket, &sandbox)
        .iter()
        .map(|b| b["id"].clone())
        .collect();
    assert_eq!(ids, [first.as_str(), third.as_str()]);
    assert!(!bucket.objects().keys().any(|key| key.contains(&second)));
    // The newest that was read as a whole stays, too.
    run(&["verify", &third, "--level", "decrypted"]).assert_exit(0);
    run(&["unpin", &first]).assert_exit(0);
    run(&["prune", "--keep-last", "1", "--yes"]).assert_exit(0);
    assert_eq!(listed(&bucket, &sandbox).len(), 1);

    // Who may open it.
    run(&["keygen", "--output", "other.txt"]).assert_exit(0);
    let recipient = std::fs::read_to_string(sandbox.folder.join("other.txt")).unwrap();
    let recipient = recipient
        .split_whitespace()
        .find(|w| w.starts_with("age1"))
        .unwrap();
    run(&["rekey", &third, "--recipient", recipient, "--yes"]).assert_exit(0);
    let verify = ["verify", &third, "--level", "decrypted"];
    let verified = run(&[&verify[..], &["--identity", "other.txt"]].concat());
    verified.assert_exit(0);
    assert_eq!(bucket.unfinished(), 0);
}

#[test]
fn a_rollback_is_undone_from_a_bucket() {
    let (bucket, sandbox) = (Bucket::start(), Sandbox::new());
    sandbox.migration(
        "0001_a",
        "create table t (id int primary key, v text)",
        "drop table t",
    );
    sandbox.run("migrate", &["upgrade"]).assert_exit(0);
    sandbox.sql("insert into t select i, md5(i::text) from generate_series(1, 3000) i");
    let before = sandbox.query_text("select * from t order by id");
    let back = ["to", "base", "--confirm", &sandbox.database];
    bucket.run(&sandbox, "rollback", &back).assert_exit(0);
    assert_eq!(sandbox.query_text("select to_regclass('t')"), "");
    assert_eq!(listed(&bucket, &sandbox)[0]["pinned"], true);
    // Elsewhere it isn't, and nobody guesses.
    sandbox.run("rollback", &["undo", "--yes"]).assert_exit(6);
    bucket
        .run(&sandbox, "rollback", &["undo", "--yes"])
        .assert_exit(0);
    assert_eq!(sandbox.query_text("select * from t order by id"), before);
}

/// A value that no compression makes small goes in parts.
#[test]
fn what_is_large_goes_in_parts() {
    let (bucket, sandbox) = (Bucket::start(), Sandbox::new());
    sandbox.sql(
        "create table t (id int, v bytea);
         alter table t alter v set storage external;
         insert into t select 1, string_agg(sha256(i::text::bytea), null)
             from generate_series(1, 2000000) i",
    );
    let id = create(&bucket, &sandbox, &[]);
    assert!(bucket.asked().iter().any(|asked| asked.ends_with(" - 3")));
    assert_eq!(bucket.unfinished(), 0);
    let verify = ["verify", &id, "--level", "restored"];
    bucket.run(&sandbox, "backup", &verify).assert_exit(0);

    // No room for the last part: what was sent is given up, and paid for no longer.
    let there = bucket.objects().len();
    let parts = bucket
        .asked()
        .iter()
        .filter(|a| a.starts_with("PUT"))
        .count();
    bucket.take_only(parts - 6);
    let failed = bucket.run(&sandbox, "backup", &["create"]);
    failed.assert_exit(1).assert_says("cannot write");
    assert_eq!(bucket.unfinished(), 0);
    assert_eq!(bucket.objects().len(), there);
    bucket.take_all();
    assert_eq!(listed(&bucket, &sandbox).len(), 1);
}

/// Wherever the server stops taking anything, there is a whole backup more or none.
#[test]
fn a_server_that_fails_leaves_no_half_backup() {
    let (bucket, sandbox) = (Bucket::start(), Sandbox::new());
    sandbox.sql("create table t as select i from generate_series(1, 100) i");
    create(&bucket, &sandbox, &[]);
    let puts = bucket
        .asked()
        .iter()
        .filter(|a| a.starts_with("PUT"))
        .count();
    let whole = bucket.objects().len();
    for taken in 0..puts {
        bucket.take_only(taken);
        let failed = bucket.run(&sandbox, "backup", &["create"]);
        failed.assert_exit(1).assert_says("cannot write");
        assert_eq!(bucket.objects().len(), whole, "{taken} objects were taken");
    }
    bucket.take_all();
    create(&bucket, &sandbox, &[]);

    // Killed on its way: what is there is incomplete, says so, and can be pruned.
    let mut killed = (bucket.tool(&sandbox, "backup", &["create"])).start();
    while bucket
        .asked()
        .iter()
        .filter(|a| a.contains("begin.json *"))
        .count()
        < puts + 3
    {
        assert!(killed.is_running());
    }
    killed.kill();
    let all = listed(&bucket, &sandbox);
    let complete = all.iter().filter(|b| b["state"] == "complete").count();
    assert!(complete == 2 || complete == 3 && all.len() == 3, "{all:?}");
    bucket
        .run(&sandbox, "backup", &["show", "latest"])
        .assert_exit(0);
}

#[test]
fn damage_and_refusals_are_told_apart() {
    let (bucket, sandbox) = (Bucket::start(), Sandbox::new());
    sandbox.sql("create table t as select i from generate_series(1, 100) i");
    let began = Instant::now();
    let nobody = bucket.tool(&sandbox, "backup", &["create"]);
    let nobody = nobody.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1").start();
    let id = create(&bucket, &sandbox, &[]);
    let data = format!("a/b/{}/{id}/data/000000.sql.zst.age", sandbox.database);
    bucket.objects().get_mut(&data).unwrap()[400] ^= 1;
    let verified = bucket.run(&sandbox, "backup", &["verify", &id]);
    verified
        .assert_exit(6)
        .assert_says("data/000000.sql.zst.age");
    bucket.objects().remove(&data);
    let verified = bucket.run(&sandbox, "backup", &["verify", &id]);
    verified
        .assert_exit(6)
        .assert_says("data/000000.sql.zst.age");

    let stranger = bucket.tool(&sandbox, "backup", &["list"]);
    let refused = stranger.env("AWS_ACCESS_KEY_ID", "stranger").run();
    refused.assert_exit(1).assert_says("s3://kept/a/b");
    refused
        .assert_says("get, put, delete and list")
        .assert_silent_about("secretsecret");

    // Keys may stand in .env, as everything else may.
    sandbox.write(".env", "AWS_ACCESS_KEY_ID=operator\n");
    let listed = bucket.tool(&sandbox, "backup", &["list"]);
    let listed = listed.without_env("AWS_ACCESS_KEY_ID").run();
    listed.assert_exit(0).assert_says(&id);

    let wrong = bucket.tool(&sandbox, "backup", &["list"]);
    let wrong = wrong.env("AWS_ENDPOINT_URL", "127.0.0.1:9000").run();
    wrong.assert_exit(2).assert_says("AWS_ENDPOINT_URL");
    for location in [
        "s3://",
        "s3:///x",
        "s3://kept?x/a",
        "s3://a b/c",
        "s3://kept/../x",
        "gs://kept/x",
    ] {
        let wrong = sandbox.run("backup", &["list", "--backups", location]);
        wrong.assert_exit(2).assert_says("s3://bucket/prefix");
    }
    // Who waits for nobody gives up, in the time that one waits.
    nobody.wait().assert_exit(1).assert_says("AWS_ENDPOINT_URL");
    assert!(began.elapsed() < Duration::from_mins(2));
}

/// The server did what was asked, and nobody heard of it: the second attempt meets the first.
#[test]
fn lost_answers_lose_nothing() {
    let (bucket, sandbox) = (Bucket::start(), Sandbox::new());
    sandbox.sql("create table t as select i from generate_series(1, 100) i");
    let id = create(&bucket, &sandbox, &[]);
    let writes = |asked: &[String]| asked.iter().filter(|a| a.starts_with("PUT")).count();
    let all = writes(&bucket.asked());
    // Of the first it can't be told whose it is.
    for number in 1..all {
        bucket.lose_answer(number);
        create(&bucket, &sandbox, &[]);
    }
    let backups = listed(&bucket, &sandbox);
    assert_eq!(backups.len(), all);
    assert!(backups.iter().all(|b| b["state"] == "complete"));
    let verified = bucket.run(
        &sandbox,
        "backup",
        &["verify", "latest", "--level", "restored"],
    );
    verified.assert_exit(0);
    bucket.lose_answer(0);
    let lost = bucket.run(&sandbox, "backup", &["create"]);
    lost.assert_exit(1).assert_says("another backup was begun");
    bucket
        .run(&sandbox, "backup", &["show", &id])
        .assert_exit(0);
}

/// What can't be read is not damaged, and not less worth for it.
#[test]
fn what_is_out_of_reach_is_not_damaged() {
    let (bucket, sandbox) = (Bucket::start(), Sandbox::new());
    sandbox.sql("create table t as select i from generate_series(1, 100) i");
    let id = create(&bucket, &sandbox, &[]);
    let verify = ["verify", &id, "--level", "decrypted"];
    bucket.run(&sandbox, "backup", &verify).assert_exit(0);
    let whole = bucket.objects().len();
    for object in ["data/", "SHA256SUMS", "private.json", "keys/0.age"] {
        bucket.deny(Some(&format!("{id}/{object}")));
        let unread = bucket.run(&sandbox, "backup", &verify);
        unread.assert_exit(1).assert_silent_about("damaged");
    }
    for object in ["manifest.json", "verify/2"] {
        bucket.deny(Some(&format!("{id}/{object}")));
        bucket.run(&sandbox, "backup", &["list"]).assert_exit(1);
        let prune = ["prune", "--keep-last", "1", "--yes"];
        bucket.run(&sandbox, "backup", &prune).assert_exit(1);
    }
    bucket.deny(Some("DELETE"));
    let second = create(&bucket, &sandbox, &[]);
    bucket
        .run(&sandbox, "backup", &["verify", &second])
        .assert_exit(0);
    let prune = ["prune", "--keep-last", "1", "--yes"];
    bucket.run(&sandbox, "backup", &prune).assert_exit(1);
    bucket.deny(None);
    assert_eq!(listed(&bucket, &sandbox).len(), 2);
    assert!(bucket.objects().len() > whole);
    let found = listed(&bucket, &sandbox);
    assert_eq!(found[0]["verified"]["level"], "decrypted");
}

#[test]
fn whoever_waits_for_a_bucket_can_be_stopped() {
    let (bucket, sandbox) = (Bucket::start(), Sandbox::new());
    sandbox.sql("create table t as select i from generate_series(1, 100) i");
    let backup = create(&bucket, &sandbox, &[]);
    bucket.hang();
    for args in [&["list"][..], &["create"], &["verify", &backup]] {
        let mut waiting = bucket.tool(&sandbox, "backup", args).start();
        std::thread::sleep(Duration::from_millis(500));
        assert!(waiting.is_running());
        waiting.interrupt();
        waiting.wait().assert_exit(130);
    }
}
