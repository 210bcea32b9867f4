//! A backup as one file, out of one store and into another.

use std::fs;
use std::path::PathBuf;

use super::{HOSTILE, Target, create, show};
use crate::harness::Sandbox;
use crate::harness::state::tree;

/// One entry of a tar file, written by hand.
struct Entry {
    name: String,
    kind: u8,
    link: String,
    bytes: Vec<u8>,
}

/// The entries of a tar file that holds plain files.
fn entries(tar: &[u8]) -> Vec<Entry> {
    let mut rest = tar;
    let mut found = Vec::new();
    let text = |bytes: &[u8]| {
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        String::from_utf8(bytes[..end].to_vec()).unwrap()
    };
    while rest.len() >= 512 && rest[0] != 0 {
        let size = usize::from_str_radix(text(&rest[124..136]).trim(), 8).unwrap();
        found.push(Entry {
            name: text(&rest[..100]),
            kind: rest[156],
            link: String::new(),
            bytes: rest[512..512 + size].to_vec(),
        });
        rest = &rest[512 + size.div_ceil(512) * 512..];
    }
    found
}

fn to_tar(entries: &[Entry]) -> Vec<u8> {
    let mut tar = Vec::new();
    for entry in entries {
        let mut head = vec![0; 512];
        head[..entry.name.len()].copy_from_slice(entry.name.as_bytes());
        head[100..108].copy_from_slice(b"0000600\0");
        head[108..116].copy_from_slice(b"0000000\0");
        head[116..124].copy_from_slice(b"0000000\0");
        head[124..136].copy_from_slice(format!("{:011o}\0", entry.bytes.len()).as_bytes());
        head[136..148].copy_from_slice(b"00000000000\0");
        head[148..156].fill(b' ');
        head[156] = entry.kind;
        head[157..157 + entry.link.len()].copy_from_slice(entry.link.as_bytes());
        head[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = head.iter().map(|b| u32::from(*b)).sum();
        head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar.extend(head);
        tar.extend(&entry.bytes);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

/// Imports `tar` into an empty store: it has to be refused, and nothing to stay.
fn refused(sandbox: &Sandbox, what: &str, tar: &[u8], says: &str) {
    fs::write(sandbox.folder.join("bad.tar"), tar).unwrap();
    let args = ["import", "bad.tar", "--backups", "elsewhere"];
    let output = sandbox.run("backup", &args);
    assert_eq!(output.code, Some(6), "{what}: {output}");
    assert!(output.says(says), "{what}: expected {says:?} from {output}");
    let left = tree(&sandbox.folder.join("elsewhere"));
    assert!(left.is_empty(), "{what}: {left:?}");
    for outside in ["x", "elsewhere/x", "../x"] {
        assert!(!sandbox.folder.join(outside).exists(), "{what}");
    }
}

fn exported(sandbox: &Sandbox, id: &str) -> (PathBuf, Vec<u8>) {
    let file = sandbox.folder.join("shop.tar");
    let args = ["export", id, "shop.tar"];
    sandbox.run("backup", &args).assert_exit(0);
    let bytes = fs::read(&file).unwrap();
    (file, bytes)
}

#[test]
fn a_backup_goes_out_and_in_unchanged() {
    let sandbox = Sandbox::new();
    sandbox.sql(HOSTILE);
    let id = create(&sandbox, &[]);
    sandbox.run("backup", &["verify", &id]).assert_exit(0);
    sandbox.run("backup", &["pin", &id]).assert_exit(0);
    let (_, tar) = exported(&sandbox, &id);
    let names: Vec<String> = entries(&tar).into_iter().map(|e| e.name).collect();
    assert_eq!(names.last().unwrap(), &format!("{id}/manifest.json"));
    assert!(!names.iter().any(|n| n.contains("/verify/")), "{names:?}");
    let again = sandbox.run("backup", &["export", &id, "shop.tar"]);
    again.assert_exit(2).assert_says("exists already");

    let import = |store: &str| {
        let args = ["import", "shop.tar", "--backups", store];
        sandbox.run("backup", &args)
    };
    let imported = import("elsewhere");
    assert_eq!(imported.assert_exit(0).last_line(), id);
    let place = format!("{}/{id}", sandbox.database);
    let mut original = tree(&sandbox.backups().join(&place));
    original.retain(|name, _| !name.starts_with("verify"));
    assert_eq!(
        original,
        tree(&sandbox.folder.join("elsewhere").join(&place))
    );
    // The very same backup once more: nothing to do.
    import("elsewhere")
        .assert_exit(0)
        .assert_says("here already");
    import("backups").assert_exit(0).assert_says("here already");

    let target = Target::new(&sandbox);
    let restore = ["restore", &id, "--into", &target.url, "--yes"];
    let restore = [&restore[..], &["--backups", "elsewhere"]].concat();
    sandbox.run("backup", &restore).assert_exit(0);
    target.assert_same(&sandbox);
    target.drop(&sandbox.cluster);
    assert_eq!(show(&sandbox, &id)["pinned"], true);
}

#[test]
fn another_backup_of_the_same_id_is_not_replaced() {
    let sandbox = Sandbox::new();
    sandbox.sql("create table t as select 1 as n");
    let id = create(&sandbox, &[]);
    exported(&sandbox, &id);
    let manifest = sandbox
        .backups()
        .join(&sandbox.database)
        .join(&id)
        .join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, format!("{text}\n")).unwrap();
    let before = sandbox.tree();
    let args = ["import", "shop.tar"];
    sandbox
        .run("backup", &args)
        .assert_exit(3)
        .assert_says("another backup");
    assert_eq!(before, sandbox.tree());
}

#[test]
fn a_damaged_backup_is_not_exported() {
    let sandbox = Sandbox::new();
    sandbox.sql("create table t as select 1 as n");
    let id = create(&sandbox, &[]);
    let chunk = sandbox
        .backups()
        .join(&sandbox.database)
        .join(&id)
        .join("data/000000.sql.zst.age");
    let mut bytes = fs::read(&chunk).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&chunk, bytes).unwrap();
    let args = ["export", &id, "shop.tar"];
    sandbox
        .run("backup", &args)
        .assert_exit(6)
        .assert_says("data/000000.sql.zst.age");
    assert!(!sandbox.folder.join("shop.tar").exists());
    assert!(!sandbox.folder.join("shop.tar.partial").exists());
}

#[test]
fn damaged_files_are_not_imported() {
    let sandbox = Sandbox::new();
    sandbox.sql("create table t as select i, md5(i::text) from generate_series(1, 100) i");
    let id = create(&sandbox, &[]);
    let (_, tar) = exported(&sandbox, &id);
    refused(&sandbox, "empty", b"", "is empty");
    for part in 1..12 {
        let cut = &tar[..tar.len() * part / 12];
        refused(&sandbox, "cut", cut, "");
    }
    let mut at = 0;
    for entry in entries(&tar) {
        let middle = at + 512 + entry.bytes.len() / 2;
        at += 512 + entry.bytes.len().next_multiple_of(512);
        // Wraps are in no list of digests: only a key tells.
        if entry.name.contains("/keys/") {
            continue;
        }
        let mut flipped = tar.clone();
        flipped[middle] ^= 2;
        let what = entry.name;
        // A manifest with a changed letter is caught by a key, or by the backups around it.
        if what.ends_with("manifest.json") {
            flipped[middle] = 0;
        }
        refused(&sandbox, &what, &flipped, "");
    }
}

#[test]
fn hostile_files_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.sql("create table t as select i, md5(i::text) from generate_series(1, 100) i");
    let id = create(&sandbox, &[]);
    let (_, tar) = exported(&sandbox, &id);
    let all = || entries(&tar);
    let file = |name: &str, bytes: &[u8]| Entry {
        name: name.to_owned(),
        kind: b'0',
        link: String::new(),
        bytes: bytes.to_vec(),
    };
    let check = |what: &str, says: &str, change: &dyn Fn(&mut Vec<Entry>)| {
        let mut entries = all();
        change(&mut entries);
        refused(&sandbox, what, &to_tar(&entries), says);
    };
    for name in [
        "../x",
        "/x",
        "x",
        &format!("{id}/../x"),
        &format!("{id}/../../x"),
        &format!("{id}/data/../../x"),
        &format!("{id}//x"),
        &format!("{id}/data\\000009.sql.zst.age"),
        &format!("{id}.partial/data/000009.sql.zst.age"),
    ] {
        check(name, "holds", &|e| e.insert(1, file(name, b"x")));
        check(name, "", &|e| e.insert(0, file(name, b"x")));
    }
    for (kind, what) in [
        (b'1', "hard link"),
        (b'2', "symbolic link"),
        (b'3', "device"),
        (b'5', "folder"),
        (b'6', "pipe"),
    ] {
        check(what, "no plain file", &|e| {
            let mut link = file(&format!("{id}/data/000000.sql.zst.age"), b"");
            link.kind = kind;
            link.link = "/etc/passwd".to_owned();
            e.insert(1, link);
        });
    }
    check("stranger", "does not belong", &|e| {
        let name = format!("{id}/data/000009.sql.zst.age");
        e.insert(1, file(&name, b"x"));
    });
    check("twice", "twice", &|e| {
        let name = e[0].name.clone();
        e.insert(1, file(&name, b"x"));
    });
    check("another backup", "more than one backup", &|e| {
        e[1].name = e[1].name.replacen(char::is_numeric, "3", 1);
    });
    check("behind the manifest", "behind the manifest", &|e| {
        let first = e.remove(1);
        e.push(first);
    });
    check("no manifest", "no manifest", &|e| drop(e.pop()));
    check("no begin", "begin.json", &|e| drop(e.remove(0)));
    check("an object less", "is missing", &|e| {
        e.retain(|e| !e.name.ends_with("data/000000.sql.zst.age"));
    });
    check("swapped", "bytes instead of", &|e| {
        let place = |end: &str| e.iter().position(|e| e.name.ends_with(end)).unwrap();
        let (pre, post) = (place("pre.sql.zst.age"), place("post.sql.zst.age"));
        let name = std::mem::take(&mut e[pre].name);
        e[pre].name = std::mem::replace(&mut e[post].name, name);
    });
    check("another database", "another backup", &|e| {
        let text = String::from_utf8(e[0].bytes.clone()).unwrap();
        let text = text.replace(&sandbox.database, "elsewhere");
        e[0].bytes = text.into_bytes();
    });
}
