use std::fs;
use std::path::PathBuf;

use crate::harness::Sandbox;
use crate::harness::binary::{Run, path_of};
use crate::harness::sandbox::walk;
use crate::scenes::{State, assert_refused, fill, shop, to, undo};

/// The folders of the complete backups, oldest first.
fn folders(sandbox: &Sandbox) -> Vec<PathBuf> {
    let root = sandbox.backups().join(&sandbox.database);
    let mut folders: Vec<PathBuf> = fs::read_dir(root)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    folders.sort();
    folders
}

#[test]
fn without_a_recipient_nothing_is_written() {
    let sandbox = Sandbox::bare();
    fill(&sandbox);
    let before = State::of(&sandbox);
    assert_refused(&to(&sandbox, "0001", &[]).run(), 2, &["backup keygen"]);
    let bad = to(&sandbox, "0001", &["--recipient", "age1nonsense"]).run();
    assert_refused(&bad, 2, &["recipient"]);
    before.assert_untouched(&sandbox);
}

#[test]
fn keys_that_do_not_fit() {
    let sandbox = shop();
    let before = State::of(&sandbox);
    to(&sandbox, "0001", &[]).run().assert_exit(0);
    let back = State::of(&sandbox);
    let other = sandbox.folder.join("other.txt").display().to_string();
    sandbox
        .run("backup", &["keygen", "--output", &other])
        .assert_exit(0);
    assert_refused(
        &undo(&sandbox, &["--identity", &other]).run(),
        6,
        &["identity"],
    );
    assert_refused(
        &undo(&sandbox, &["--identity", "nowhere.txt"]).run(),
        6,
        &["nowhere.txt"],
    );
    let kept = sandbox.folder.join("kept.txt");
    fs::rename(sandbox.identity(), &kept).unwrap();
    assert_refused(&undo(&sandbox, &[]).run(), 6, &["identity", "--identity"]);
    back.assert_untouched(&sandbox);
    let kept = kept.display().to_string();
    undo(&sandbox, &["--identity", &other, "--identity", &kept])
        .run()
        .assert_exit(0);
    before.assert_restored(&sandbox);
}

#[test]
fn backups_that_are_damaged_gone_or_replaced() {
    let sandbox = shop();
    let before = State::of(&sandbox);
    to(&sandbox, "0001", &[]).run().assert_exit(0);
    let folder = folders(&sandbox).remove(0);
    let id = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let back = State::of(&sandbox);
    let check = |object: &str| {
        let output = undo(&sandbox, &[]).run();
        assert_eq!(output.code, Some(6), "{object} is damaged\n{output}");
        assert_refused(&output, 6, &[object]);
        back.assert_database_untouched(&sandbox);
    };

    for file in walk(&folder).into_iter().filter(|p| p.is_file()) {
        let name = file.strip_prefix(&folder).unwrap().display().to_string();
        // What may change later, and what is no part of the restore.
        let beside = name == "pin.json" || name == "begin.json" || name.starts_with("verify/");
        if beside {
            continue;
        }
        let whole = fs::read(&file).unwrap();
        let mut broken = whole.clone();
        let middle = broken.len() / 2;
        broken[middle] ^= 1;
        fs::write(&file, &broken).unwrap();
        check(if name == "manifest.json" { &id } else { &name });
        fs::remove_file(&file).unwrap();
        check(if name == "manifest.json" { &id } else { &name });
        fs::write(&file, whole).unwrap();
    }

    // Gone as a whole.
    let away = sandbox.folder.join("away");
    fs::rename(&folder, &away).unwrap();
    check(&id);
    fs::rename(&away, &folder).unwrap();
    back.assert_untouched(&sandbox);
    undo(&sandbox, &[]).run().assert_exit(0);
    before.assert_restored(&sandbox);
}

#[test]
fn a_backup_in_the_place_of_another() {
    let sandbox = shop();
    let before = State::of(&sandbox);
    to(&sandbox, "0001", &[]).run().assert_exit(0);
    undo(&sandbox, &[]).run().assert_exit(0);
    let first = folders(&sandbox).remove(0);
    to(&sandbox, "0001", &[]).run().assert_exit(0);
    let second = folders(&sandbox)
        .into_iter()
        .rfind(|f| !f.ends_with(first.file_name().unwrap()))
        .unwrap();
    let back = State::of(&sandbox);
    // A whole sound backup, but not the one that the journal names.
    let kept = sandbox.folder.join("kept");
    fs::rename(&second, &kept).unwrap();
    let copy = |to: &PathBuf| {
        for path in walk(&first) {
            let target = to.join(path.strip_prefix(&first).unwrap());
            if path.is_dir() {
                fs::create_dir_all(target).unwrap();
            } else {
                fs::create_dir_all(target.parent().unwrap()).unwrap();
                fs::copy(path, target).unwrap();
            }
        }
    };
    copy(&second);
    let id = second.file_name().unwrap().to_str().unwrap();
    assert_refused(&undo(&sandbox, &[]).run(), 6, &[id]);
    fs::remove_dir_all(&second).unwrap();
    fs::rename(&kept, &second).unwrap();
    back.assert_untouched(&sandbox);
    undo(&sandbox, &[]).run().assert_exit(0);
    before.assert_restored(&sandbox);
}

#[test]
fn places_that_can_not_be_written() {
    let sandbox = shop();
    sandbox.write("file", "");
    let before = State::of(&sandbox);
    for place in ["file", "file/below", "/proc/pgbelay"] {
        let output = to(&sandbox, "0001", &["--backups", place]).run();
        assert_refused(&output, 1, &[place]);
    }
    before.assert_untouched(&sandbox);
}

/// A limit on the size of files stands in for a disk that is full.
#[test]
fn a_disk_that_is_full_while_the_snapshot_is_written() {
    let sandbox = shop();
    sandbox.sql("alter table coupons add filler text;
                 update coupons set filler = (select string_agg(md5(random()::text), '') from generate_series(1, 9000) where code <> '');
                 alter table coupons alter filler set storage external");
    let before = State::of(&sandbox);
    let shell = Run::of_program("/bin/sh", "sh")
        .arg("-c")
        .arg("trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"")
        .arg(path_of("rollback"))
        .args(&[
            "to",
            "0001",
            "--accept-drift",
            "--confirm",
            &sandbox.database,
        ])
        .current_dir(&sandbox.folder)
        .env("PATH", sandbox.cluster.installation.path())
        .env("HOME", sandbox.home())
        .env("XDG_CONFIG_HOME", sandbox.config())
        .env("DATABASE_URL", sandbox.url());
    let output = shell.run();
    assert_refused(&output, 1, &["cannot write data/"]);
    before.assert_database_untouched(&sandbox);
    assert!(
        sandbox.tree().values().all(|v| v == "folder"),
        "{:?}",
        sandbox.tree()
    );
    assert!(
        !sandbox.tree().keys().any(|k| k.contains("partial")),
        "{:?}",
        sandbox.tree()
    );
}

#[test]
fn a_database_that_was_cloned_or_renamed_is_undone_like_the_original() {
    let mut sandbox = shop();
    let before = State::of(&sandbox);
    to(&sandbox, "0001", &[]).run().assert_exit(0);
    let clone = format!("{}_clone", sandbox.database);
    let admin = sandbox.cluster.connect("postgres", "postgres");
    admin.run(&format!(
        "create database {clone} template {}",
        sandbox.database
    ));
    let url = sandbox.url_of(&clone, "postgres");
    let undone = sandbox
        .tool("rollback")
        .args(&["undo", "--yes", "-d", &url])
        .run();
    undone.assert_exit(0);
    let original = std::mem::replace(&mut sandbox.database, clone.clone());
    before.assert_restored(&sandbox);
    sandbox.database = original.clone();

    let renamed = format!("{original}_renamed");
    admin.run(&format!("alter database {original} rename to {renamed}"));
    sandbox.database = renamed;
    undo(&sandbox, &[]).run().assert_exit(0);
    before.assert_restored(&sandbox);
    admin.run(&format!("drop database {clone}"));
}
