//! What lies in a store and can't be read: it is shown with its path, and stops nothing else.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::create;
use crate::harness::Sandbox;
use crate::scenes::{State, shop, to, undo};

/// Makes something of a path that can't be read.
type Spoil = fn(&Path);

/// Ways to make something of the path that can't be read.
const SPOILT: [(&str, Spoil); 5] = [
    ("too large", |path| {
        fs::File::create(path).unwrap().set_len(65 << 20).unwrap();
    }),
    ("a pipe", pipe),
    ("a folder", |path| fs::create_dir(path).unwrap()),
    ("a link to a device", |path| {
        symlink("/dev/zero", path).unwrap();
    }),
    ("a link to itself", |path| symlink(path, path).unwrap()),
];

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn remove(path: &Path) {
    if fs::symlink_metadata(path).unwrap().is_dir() {
        fs::remove_dir_all(path).unwrap();
    } else {
        fs::remove_file(path).unwrap();
    }
}

fn unreadable(sandbox: &Sandbox) -> Vec<Value> {
    let output = sandbox.run("backup", &["list", "--json"]);
    output.assert_exit(0);
    let rows = output.json().remove(0)["backups"]
        .as_array()
        .unwrap()
        .clone();
    rows.into_iter()
        .filter(|row| row["state"] == "unreadable")
        .collect()
}

/// The folder of a backup that nobody has made, of the database called `database`.
fn strange(sandbox: &Sandbox, database: &str) -> PathBuf {
    let folder = sandbox.backups().join(database);
    let folder = folder.join("20260101T000000Z-manual-aaaaaa");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Whatever somebody else's folder holds, a rollback is undone, and the store can be used.
#[test]
fn a_folder_that_cannot_be_read_is_in_nobodys_way() {
    let sandbox = shop();
    let before = State::of(&sandbox);
    let own = sandbox.database.clone();
    for database in ["another", &own] {
        let manifest = strange(&sandbox, database).join("manifest.json");
        for (what, spoil) in SPOILT {
            spoil(&manifest);
            to(&sandbox, "0001", &[]).run().assert_exit(0);
            let rows = unreadable(&sandbox);
            let path = rows[0]["path"].as_str().unwrap();
            assert!(
                rows.len() == 1 && manifest.display().to_string().contains(path),
                "{what}: {rows:?}"
            );
            let shown = sandbox.run("backup", &["list"]);
            shown.assert_exit(0).assert_says(path);
            let prune = ["prune", "--keep-last", "9", "--json"];
            let pruned = sandbox.run("backup", &prune);
            pruned.assert_exit(0).assert_says(path);
            let verify = ["verify", "latest", "--level", "hashed"];
            sandbox.run("backup", &verify).assert_exit(0);
            undo(&sandbox, &[]).run().assert_exit(0);
            before.assert_restored(&sandbox);
            remove(&manifest);
        }
        fs::remove_dir_all(manifest.parent().unwrap()).unwrap();
    }
}

/// What stands beside a backup is no part of it.
#[test]
fn pins_and_results_that_cannot_be_read_are_no_damage() {
    let sandbox = shop();
    let before = State::of(&sandbox);
    let all = ["pin.json", "verify", "verify/20260101T000000Z.json"];
    for (number, (what, spoil)) in SPOILT.iter().enumerate() {
        // Two of them each time, in turn.
        for name in [all[number % 3], all[(number + 1) % 3]] {
            let made = to(&sandbox, "0001", &[]).run();
            made.assert_exit(0);
            let folder = sandbox.backups().join(&sandbox.database);
            for folder in fs::read_dir(folder).unwrap() {
                let folder = folder.unwrap().path();
                for earlier in ["pin.json", "verify"] {
                    if fs::symlink_metadata(folder.join(earlier)).is_ok() {
                        remove(&folder.join(earlier));
                    }
                }
                let beside = folder.join(name);
                fs::create_dir_all(beside.parent().unwrap()).unwrap();
                spoil(&beside);
            }
            let list = sandbox.run("backup", &["list", "--json"]);
            list.assert_exit(0).assert_silent_about("incomplete");
            let undone = undo(&sandbox, &[]).run();
            assert_eq!(undone.code, Some(0), "{name} is {what}\n{undone}");
            before.assert_restored(&sandbox);
        }
    }
}

/// Neither a copy elsewhere nor one of the same name is taken for it.
#[test]
fn a_backup_is_found_by_its_own_path() {
    let sandbox = shop();
    let before = State::of(&sandbox);
    to(&sandbox, "0001", &[]).run().assert_exit(0);
    let folder = sandbox.backups().join(&sandbox.database);
    for backup in fs::read_dir(&folder).unwrap() {
        let id = backup.unwrap().file_name();
        // Earlier and later in the alphabet.
        for other in ["0", "zzz"] {
            let copy = sandbox.backups().join(other).join(&id);
            fs::create_dir_all(&copy).unwrap();
            pipe(&copy.join("manifest.json"));
        }
    }
    fs::write(sandbox.backups().join("plain"), "no folder").unwrap();
    symlink("nowhere", sandbox.backups().join("link")).unwrap();
    let id = create(&sandbox, &[]);
    sandbox.run("backup", &["verify", &id]).assert_exit(0);
    sandbox.run("backup", &["show", &id[..24]]).assert_exit(0);
    undo(&sandbox, &[]).run().assert_exit(0);
    before.assert_restored(&sandbox);
}
