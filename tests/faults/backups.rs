//! Backups that are killed at any moment, and disks that are full at any write: what counts is
//! sound, and nothing of ours stays.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::Sandbox;
use crate::harness::binary::{Run, path_of};
use crate::harness::cluster::nonce;
use crate::scenes::{assert_backups_sound, assert_nothing_left};

/// How many kills; `scripts/crash-test` asks for more.
fn kills() -> u32 {
    let asked = std::env::var("PGBELAY_TEST_KILLS").ok();
    asked.map_or(2, |kills| {
        kills.parse().expect("PGBELAY_TEST_KILLS is a number")
    })
}

fn scene() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.sql(
        "create table small (id serial primary key, v text);
         insert into small (v) select 'row ' || i from generate_series(1, 50) i;
         create table large as select i as id, md5(i::text) || md5((i * 7)::text) as v
             from generate_series(1, 40000) i;
         alter table large add primary key (id);
         select lo_from_bytea(0, sha256('large'))",
    );
    sandbox
}

/// Kills `run` at a random moment; `usual` is how long it takes. Every other time the moment is
/// near the end, where a backup becomes one.
fn kill(run: Run, usual: Duration) -> bool {
    let part = (nonce() % 1000) as f64 / 1000.0;
    let mut running = run.start();
    if nonce().is_multiple_of(2) && running.wait_for_text(r#""phase":"verify""#) {
        return running.kill_after(usual.mul_f64(part * 0.25)).killed();
    }
    running.kill_after(usual.mul_f64(part * 1.05)).killed()
}

fn timed(run: Run) -> Duration {
    let begin = Instant::now();
    run.run().assert_exit(0);
    begin.elapsed()
}

/// States of the backups, by id.
fn states(sandbox: &Sandbox) -> BTreeMap<String, String> {
    let list = sandbox.run("backup", &["list", "--json"]);
    let list = list.assert_exit(0).json().remove(0);
    let all = list["backups"].as_array().unwrap().iter();
    let text = |v: &serde_json::Value| v.as_str().unwrap().to_owned();
    all.map(|b| (text(&b["id"]), text(&b["state"]))).collect()
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "the figures are what `scripts/crash-test` is run for"
)]
fn killed_while_a_backup_is_made() {
    let sandbox = scene();
    let create = || sandbox.tool("backup").args(&["create", "--json"]);
    let usual = timed(create());
    let (mut killed, mut complete) = (0, 0);
    for _ in 0..kills() {
        let before = states(&sandbox);
        killed += u32::from(kill(create(), usual));
        assert_nothing_left(&sandbox);
        let mut now = states(&sandbox);
        now.retain(|id, _| !before.contains_key(id));
        assert!(now.len() <= 1, "one run, and several backups: {now:?}");
        for (id, state) in now {
            if state == "complete" {
                complete += 1;
                let verify = ["verify", &id, "--level", "decrypted"];
                sandbox.run("backup", &verify).assert_exit(0);
            }
        }
    }
    println!("{killed} killed, {complete} complete");
    sandbox.run("backup", &["create"]).assert_exit(0);
    let whole = |sandbox: &Sandbox| {
        let all = states(sandbox);
        all.into_iter()
            .filter(|(_, state)| state == "complete")
            .collect::<Vec<_>>()
    };
    let good = whole(&sandbox);
    // What was left behind goes once nobody can be writing to it any more, and nothing else.
    let prune = ["prune", "--keep-last", "1000", "--grace", "0h"];
    sandbox.run("backup", &prune).assert_exit(0);
    assert_eq!(states(&sandbox).into_iter().collect::<Vec<_>>(), good);
    assert_backups_sound(&sandbox);
}

#[test]
fn killed_while_keys_change_or_a_backup_moves() {
    let sandbox = scene();
    let created = sandbox.run("backup", &["create"]);
    let id = created.assert_exit(0).last_line().to_owned();
    let mut recipients = vec![sandbox.recipient.clone()];
    for name in ["a.txt", "b.txt"] {
        let made = sandbox.run("backup", &["keygen", "--output", name]);
        recipients.push(made.assert_exit(0).last_line().to_owned());
    }
    sandbox
        .run("backup", &["export", &id, "out.tar"])
        .assert_exit(0);
    let rekey = |number: usize| {
        let other = &recipients[1 + number % 2];
        let run = sandbox.tool("backup").args(&["rekey", &id]);
        run.args(&["--recipient", &recipients[0], "--recipient", other])
    };
    let import = || {
        let run = sandbox.tool("backup").args(&["import", "out.tar"]);
        run.args(&["--backups", "elsewhere"])
    };
    let (rekeying, importing) = (timed(rekey(0)), timed(import()));
    fs::remove_dir_all(sandbox.folder.join("elsewhere")).unwrap();
    for number in 0..kills() as usize {
        kill(rekey(number), rekeying);
        // Whoever stays is never locked out.
        let verify = ["verify", &id, "--level", "decrypted"];
        sandbox.run("backup", &verify).assert_exit(0);

        kill(import(), importing);
        let list = ["list", "--json", "--backups", "elsewhere"];
        let list = sandbox.run("backup", &list).json().remove(0);
        for backup in list["backups"].as_array().unwrap() {
            if backup["state"] == "complete" {
                let elsewhere = [&verify[..], &["--backups", "elsewhere"]].concat();
                sandbox.run("backup", &elsewhere).assert_exit(0);
            }
        }
        let _ = fs::remove_dir_all(sandbox.folder.join("elsewhere"));
    }
    rekey(0).run().assert_exit(0);
    import().run().assert_exit(0);
    let left = fs::read_dir(sandbox.backups().join(&sandbox.database)).unwrap();
    let left = left.filter(|e| e.as_ref().unwrap().path().is_dir()).count();
    assert_eq!(left, 1);
}

#[test]
fn killed_while_rows_come_back() {
    let sandbox = scene();
    let created = sandbox.run("backup", &["create"]);
    let id = created.assert_exit(0).last_line().to_owned();
    let whole = sandbox.content();
    let damage = "delete from large where id % 3 = 0; delete from small where id > 20";
    let restore = || {
        let run = sandbox.tool("backup").args(&["restore", &id, "--yes"]);
        run.args(&["--table", "large", "--table", "small"])
    };
    sandbox.sql(damage);
    let damaged = sandbox.content();
    let usual = timed(restore());
    for _ in 0..kills() {
        sandbox.sql(damage);
        kill(restore(), usual);
        assert_nothing_left(&sandbox);
        let now = sandbox.content();
        assert!(now == whole || now == damaged, "half of the rows came back");
    }
    restore().run().assert_exit(0);
    assert_eq!(whole, sandbox.content());
}

/// Runs `backup` with `args` in the sandbox, with its backups on a disk of so many kilobytes and
/// so many files that holds what lies in `before`. Returns the exit code, what was said, and a
/// copy of the disk as it was afterwards.
///
/// The disk is a tmpfs that nobody else sees and that is gone with the run.
fn on_small_disk(
    sandbox: &Sandbox,
    (kilobytes, files): (u64, u64),
    before: Option<&Path>,
    args: &[&str],
) -> (i32, String, PathBuf) {
    let after = sandbox.folder.join("after");
    let _ = fs::remove_dir_all(&after);
    let words: Vec<String> = args.iter().map(|a| format!("'{a}'")).collect();
    let fill = before.map_or(String::new(), |from| {
        format!("cp -a '{}/.' backups/ || exit 98;", from.display())
    });
    let script = format!(
        "mount -t tmpfs -o size={kilobytes}k,nr_inodes={files},mode=0777 tmpfs backups || exit 99
         {fill} {backup} {words}; code=$?
         cp -a backups/. after/ || exit 97
         exit $code",
        backup = path_of("backup"),
        words = words.join(" "),
    );
    fs::create_dir_all(&after).unwrap();
    // As root, or as whoever may be root in a namespace of his own.
    let id = Command::new("id").arg("-u").output().unwrap();
    let root = id.stdout.starts_with(b"0\n");
    let output = Run::of_program("unshare", "unshare")
        .args(if root { &["-m"] } else { &["-r", "-m"] })
        .args(&["sh", "-c", &script])
        .current_dir(&sandbox.folder)
        .env("PATH", sandbox.cluster.installation.path())
        .env("HOME", sandbox.home())
        .env("XDG_CONFIG_HOME", sandbox.config())
        .env("LC_ALL", "C")
        .env("DATABASE_URL", sandbox.url())
        .run();
    let code = output.code.unwrap_or(-1);
    assert!(code < 97, "no small disk could be had: {output}");
    (code, output.to_string(), after)
}

/// Checks a store left behind on a full disk: what is complete is sound. Returns how many are.
fn assert_sound_in(sandbox: &Sandbox, store: &Path, what: &str) -> usize {
    let store = store.display().to_string();
    let list = sandbox.run("backup", &["list", "--json", "--backups", &store]);
    let list = list.assert_exit(0).json().remove(0);
    let mut complete = 0;
    for backup in list["backups"].as_array().unwrap() {
        if backup["state"] == "complete" {
            complete += 1;
            let id = backup["id"].as_str().unwrap();
            let verify = ["verify", id, "--level", "decrypted", "--backups", &store];
            let verified = sandbox.run("backup", &verify);
            assert_eq!(verified.code, Some(0), "{what}: {verified}");
        }
    }
    complete
}

#[test]
fn every_write_fails_once_on_a_full_disk() {
    let sandbox = scene();
    sandbox.sql("drop table large");
    // Pages: every object fills one at least. Files: every object and folder takes one.
    let rooms = (1..200)
        .map(|pages| (pages * 4, 1000))
        .take_while(|(kb, _)| *kb < 400);
    let names = (2..60).map(|files| (4000, files));
    for rooms in [rooms.collect::<Vec<_>>(), names.collect()] {
        let mut failed = 0;
        for room in rooms {
            let (code, said, after) = on_small_disk(&sandbox, room, None, &["create"]);
            let what = format!("{room:?}: {said}");
            let complete = assert_sound_in(&sandbox, &after, &what);
            assert_nothing_left(&sandbox);
            if code == 0 {
                assert_eq!(complete, 1, "{what}");
                break;
            }
            assert_eq!((code, complete), (1, 0), "{what}");
            assert!(said.contains("backups need a folder with room"), "{what}");
            failed += 1;
        }
        assert!(failed > 5, "only {failed} sizes were too small");
    }
}

#[test]
fn a_disk_that_fills_in_the_middle_of_a_chunk() {
    let sandbox = scene();
    for kilobytes in [64, 300, 700, 1100, 1500, 1900] {
        let room = (kilobytes, 1000);
        let (code, said, after) = on_small_disk(&sandbox, room, None, &["create"]);
        let what = format!("{kilobytes}k: {said}");
        let complete = assert_sound_in(&sandbox, &after, &what);
        assert!(
            (code, complete) == (1, 0) || (code, complete) == (0, 1),
            "{what}"
        );
        assert_nothing_left(&sandbox);
    }
}

#[test]
fn keys_pins_and_results_on_a_full_disk() {
    let sandbox = scene();
    sandbox.sql("drop table large");
    let created = sandbox.run("backup", &["create"]);
    let id = created.assert_exit(0).last_line().to_owned();
    let other = sandbox.run("backup", &["keygen", "--output", "b.txt"]);
    let other = other.assert_exit(0).last_line().to_owned();
    let store = sandbox.folder.join("store");
    let moved = Command::new("cp")
        .args(["-a"])
        .args([sandbox.backups(), store.clone()])
        .status();
    assert!(moved.unwrap().success());
    // Folders take no room there, files as many pages as they need.
    let files = crate::harness::sandbox::walk(&store);
    let size = |path: &PathBuf| fs::metadata(path).unwrap().len().div_ceil(4096) * 4;
    let full: u64 = files.iter().filter(|f| f.is_file()).map(size).sum();
    let names = files.len() as u64 + 1;
    let pin = ["pin", &id];
    let rekey = ["rekey", &id, "--add", &other];
    let verify = ["verify", &id];
    for more in 0..4 {
        for room in [(full + 4 * more, 1000), (4000, names + more)] {
            for args in [&pin[..], &rekey, &verify] {
                let (code, said, after) = on_small_disk(&sandbox, room, Some(&store), args);
                let what = format!("{args:?} {room:?}: {said}");
                // A verification is what it is, noted or not.
                assert!(code == 0 || code == 1 && args[0] != "verify", "{what}");
                assert_eq!(assert_sound_in(&sandbox, &after, &what), 1, "{what}");
                let left = fs::read_dir(after.join(&sandbox.database)).unwrap();
                assert_eq!(
                    left.count(),
                    1,
                    "something stayed beside the backup: {what}"
                );
            }
        }
    }
}
