//! Every kind of file of a backup, damaged in every way: what has to be noticed, and how deep one
//! has to look for it.

use std::fs;
use std::path::{Path, PathBuf};

use super::create;
use crate::harness::Sandbox;
use crate::harness::sandbox::walk;

/// How a file is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    FlippedFirst,
    FlippedMiddle,
    FlippedLast,
    Grown,
    CutByOne,
    CutInHalf,
    Emptied,
    Deleted,
    /// In its place lies what another backup of the same database has under that name.
    Foreign,
}

const ALL: [Damage; 9] = [
    Damage::FlippedFirst,
    Damage::FlippedMiddle,
    Damage::FlippedLast,
    Damage::Grown,
    Damage::CutByOne,
    Damage::CutInHalf,
    Damage::Emptied,
    Damage::Deleted,
    Damage::Foreign,
];

impl Damage {
    /// Damages `file`; `other` is the file of that name in the other backup. False when that
    /// changes nothing.
    fn apply(self, file: &Path, other: &Path) -> bool {
        let intact = fs::read(file).unwrap();
        let mut bytes = intact.clone();
        let flip = |bytes: &mut Vec<u8>, at: usize| bytes[at] ^= 1;
        match self {
            Self::FlippedFirst => flip(&mut bytes, 0),
            Self::FlippedMiddle => flip(&mut bytes, intact.len() / 2),
            Self::FlippedLast => flip(&mut bytes, intact.len() - 1),
            Self::Grown => bytes.push(0),
            Self::CutByOne => drop(bytes.pop()),
            Self::CutInHalf => bytes.truncate(intact.len() / 2),
            Self::Emptied => bytes.clear(),
            Self::Deleted => {
                fs::remove_file(file).unwrap();
                return true;
            }
            Self::Foreign => match fs::read(other) {
                Ok(foreign) => bytes = foreign,
                Err(_) => return false,
            },
        }
        fs::write(file, &bytes).unwrap();
        bytes != intact
    }

    fn changes_size(self, before: u64, file: &Path) -> bool {
        self == Self::Deleted || fs::metadata(file).unwrap().len() != before
    }
}

/// The least deep level that has to notice a damage; `None`: the file only tells something about
/// the backup, which is whole without it.
fn noticed_at(
    name: &str,
    damage: Damage,
    size_changed: bool,
    rekeyed: bool,
) -> Option<&'static str> {
    if name.starts_with("verify/") || name == "pin.json" {
        return None;
    }
    if name == "manifest.json" {
        // Without a valid manifest there is no backup; with another's, there is another.
        return match damage {
            // A flip is looked at below; what is cut is a line end.
            Damage::FlippedMiddle | Damage::CutByOne => None,
            _ => Some("listed"),
        };
    }
    if name == "keys/operators.json" {
        return match damage {
            Damage::FlippedMiddle | Damage::CutByOne | Damage::Deleted => None,
            _ => Some("hashed"),
        };
    }
    if name.starts_with("keys/") {
        if rekeyed {
            return Some("hashed");
        }
        return Some(if damage == Damage::Deleted {
            "listed"
        } else {
            "decrypted"
        });
    }
    Some(if size_changed { "listed" } else { "hashed" })
}

struct Scene {
    sandbox: Sandbox,
    /// A plain backup, and one to which an operator was added.
    ids: [String; 2],
    other: String,
}

impl Scene {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.sql(
            "create table small (id int primary key, v text);
             insert into small select i, 'row ' || i from generate_series(1, 50) i;
             create table large as select i as id, repeat(md5(i::text), 40) as v
                 from generate_series(1, 1500) i;
             create table wide as select i as id, md5(i::text) || md5((i * 7)::text) as v
                 from generate_series(1, 30000) i;
             create sequence s;
             select lo_from_bytea(0, sha256('large')), nextval('s')",
        );
        let ids = [create(&sandbox, &[]), create(&sandbox, &[])];
        let other = create(&sandbox, &[]);
        sandbox
            .run("backup", &["keygen", "--output", "bob.txt"])
            .assert_exit(0);
        let bob = fs::read_to_string(sandbox.folder.join("bob.txt")).unwrap();
        let bob = bob
            .split_whitespace()
            .find(|word| word.starts_with("age1"))
            .unwrap();
        let rekey = ["rekey", &ids[1], "--add", bob];
        sandbox.run("backup", &rekey).assert_exit(0);
        for id in &ids {
            sandbox.run("backup", &["verify", id]).assert_exit(0);
            sandbox.run("backup", &["pin", id]).assert_exit(0);
        }
        Self {
            sandbox,
            ids,
            other,
        }
    }

    fn folder(&self, id: &str) -> PathBuf {
        self.sandbox.backups().join(&self.sandbox.database).join(id)
    }

    /// The files of a backup, by name.
    fn files(&self, id: &str) -> Vec<(String, PathBuf)> {
        let folder = self.folder(id);
        let files = walk(&folder).into_iter().filter(|path| path.is_file());
        let name = |path: &PathBuf| path.strip_prefix(&folder).unwrap().display().to_string();
        files.map(|path| (name(&path), path)).collect()
    }

    /// Panics unless a verification to `level` exits 6 and names the object, as does the deepest.
    fn assert_noticed(&self, id: &str, level: &str, object: &str, what: &str) {
        self.assert_noticed_to(id, level, "decrypted", object, what);
    }

    fn assert_noticed_to(&self, id: &str, level: &str, deepest: &str, object: &str, what: &str) {
        let mut levels = vec![level, deepest];
        levels.dedup();
        for level in levels {
            let path = self.folder(id).display().to_string();
            let output = self
                .sandbox
                .run("backup", &["verify", &path, "--level", level]);
            assert_eq!(output.code, Some(6), "{object} {what} at {level}: {output}");
            assert!(output.says(object), "{object} {what} at {level}: {output}");
        }
    }

    fn verify(&self, id: &str) -> Option<i32> {
        let path = self.folder(id).display().to_string();
        self.sandbox.run("backup", &["verify", &path]).code
    }

    /// Removes what verifications have noted meanwhile.
    fn forget(&self, id: &str, known: &[(String, PathBuf)]) {
        for (name, path) in self.files(id) {
            if name.starts_with("verify/") && !known.iter().any(|(n, _)| *n == name) {
                fs::remove_file(path).unwrap();
            }
        }
    }
}

#[test]
fn every_file_damaged_in_every_way_is_named() {
    let scene = Scene::new();
    let mut kinds = std::collections::BTreeSet::new();
    for (number, id) in scene.ids.iter().enumerate() {
        let rekeyed = number == 1;
        let files = scene.files(id);
        for (name, path) in &files {
            // What both backups have is tried on the first one.
            if rekeyed && !name.starts_with("keys/") {
                continue;
            }
            kinds.insert(
                name.trim_matches(|c: char| !c.is_ascii_alphabetic())
                    .to_owned(),
            );
            let intact = fs::read(path).unwrap();
            let other = scene.folder(&scene.other).join(name);
            for damage in ALL {
                if damage.apply(path, &other) {
                    let changed = damage.changes_size(intact.len() as u64, path);
                    let what = format!("{damage:?}");
                    match noticed_at(name, damage, changed, rekeyed) {
                        Some(level) => {
                            // Another's manifest accuses all others.
                            let foreign = name == "manifest.json" && damage == Damage::Foreign;
                            let object = if foreign { "" } else { name };
                            let both = [Damage::FlippedMiddle, Damage::Deleted].contains(&damage);
                            let deepest = if both { "decrypted" } else { level };
                            scene.assert_noticed_to(id, level, deepest, object, &what);
                        }
                        None if name != "manifest.json" => {
                            assert_eq!(scene.verify(id), Some(0), "{name} {what}");
                        }
                        None => {}
                    }
                }
                fs::write(path, &intact).unwrap();
                scene.forget(id, &files);
            }
        }
        assert_eq!(scene.verify(id), Some(0));
    }
    let kinds: Vec<String> = kinds.into_iter().collect();
    for kind in [
        "begin", "keys", "schema", "data", "lo", "seq", "private", "RESTORE", "SHA", "manifest",
        "pin", "verify",
    ] {
        assert!(
            kinds.iter().any(|k| k.starts_with(kind)),
            "no {kind} in {kinds:?}"
        );
    }
}

#[test]
fn files_in_each_others_place_or_twice_are_named() {
    let scene = Scene::new();
    let id = &scene.ids[0];
    let files = scene.files(id);
    let fixed: Vec<&(String, PathBuf)> = files
        .iter()
        .filter(|(name, _)| name.contains(".sql") || name.starts_with("private"))
        .collect();
    for pair in fixed.windows(2) {
        let ((a, path_a), (b, path_b)) = (pair[0], pair[1]);
        let (bytes_a, bytes_b) = (fs::read(path_a).unwrap(), fs::read(path_b).unwrap());
        fs::write(path_a, &bytes_b).unwrap();
        fs::write(path_b, &bytes_a).unwrap();
        let level = if bytes_a.len() == bytes_b.len() {
            "hashed"
        } else {
            "listed"
        };
        for object in [a, b] {
            scene.assert_noticed(id, level, object, "swapped");
        }
        fs::write(path_a, &bytes_a).unwrap();
        fs::write(path_b, &bytes_b).unwrap();
    }
    let folder = scene.folder(id);
    for (from, to) in [
        ("data/000000.sql.zst.age", "data/000009.sql.zst.age"),
        ("data/000000.sql.zst.age", "data/000000.sql.gz.age"),
        ("lo/000000.sql.zst.age", "lo/000001.sql.zst.age"),
        ("private.json.zst.age", "private.json.age"),
        ("seq.sql.zst.age", "seq.sql.gz.age"),
        ("schema/pre.sql.zst.age", "schema/pre.sql.age"),
        ("RESTORE.txt", "RESTORE.txt.bak"),
        ("begin.json", "data/begin.json"),
        ("manifest.json", "manifest.json.old"),
    ] {
        fs::copy(folder.join(from), folder.join(to)).unwrap();
        scene.assert_noticed(id, "listed", to, "twice");
        fs::remove_file(folder.join(to)).unwrap();
    }
    // Wraps come and go: one more of them is no damage, and opens nothing that it should not.
    let more = folder.join("keys/7.age");
    fs::copy(folder.join("keys/0.age"), &more).unwrap();
    assert_eq!(scene.verify(id), Some(0));
    fs::copy(scene.folder(&scene.other).join("keys/0.age"), &more).unwrap();
    assert_eq!(scene.verify(id), Some(0));
    fs::remove_file(&more).unwrap();
    // A link is not followed, wherever it leads.
    let chunk = folder.join("data/000000.sql.zst.age");
    let aside = scene.sandbox.folder.join("aside");
    fs::rename(&chunk, &aside).unwrap();
    std::os::unix::fs::symlink(&aside, &chunk).unwrap();
    scene.assert_noticed(id, "listed", "data/000000.sql.zst.age", "a link");
    fs::remove_file(&chunk).unwrap();
    fs::rename(&aside, &chunk).unwrap();
    assert_eq!(scene.verify(id), Some(0));
}

#[test]
fn what_the_manifest_says_otherwise_is_noticed() {
    let scene = Scene::new();
    let id = &scene.ids[0];
    let path = scene.folder(id).join("manifest.json");
    let intact = fs::read_to_string(&path).unwrap();
    // The backup after this one remembers its manifest: without that, only the key helps.
    for (database_knows, level) in [(true, "hashed"), (false, "decrypted")] {
        if !database_knows {
            for later in [&scene.ids[1], &scene.other] {
                fs::remove_dir_all(scene.folder(later)).unwrap();
            }
        }
        for (from, to) in [
            ("\"kind\": \"manual\"", "\"kind\": \"manuel\""),
            ("\"rows\": 1500", "\"rows\": 1501"),
            ("\"name\": \"large\"", "\"name\": \"larger\""),
            ("\"full\": true", "\"full\": false"),
            ("\"encoding\": \"UTF8\"", "\"encoding\": \"UTF7\""),
            ("\"identity_sha256\": \"", "\"identity_sha256\": \"0"),
        ] {
            assert!(intact.contains(from), "{from} in {intact}");
            fs::write(&path, intact.replacen(from, to, 1)).unwrap();
            // Another key than the wrap holds: which of the two is wrong can't be told.
            let wrap = level == "decrypted" && to.contains("identity");
            let object = if wrap { "keys/0.age" } else { "manifest.json" };
            if wrap || !to.contains("identity") {
                scene.assert_noticed(id, level, object, to);
            }
        }
        fs::write(&path, &intact).unwrap();
    }
    for (from, to) in [
        ("\"sums_sha256\": \"", "\"sums_sha256\": \"0"),
        ("\"begin_sha256\": \"", "\"begin_sha256\": \"0"),
    ] {
        fs::write(&path, intact.replacen(from, to, 1)).unwrap();
        scene.assert_noticed(id, "hashed", "", to);
    }
    fs::write(&path, &intact).unwrap();
    assert_eq!(scene.verify(id), Some(0));
    // What can't be told from one that was never finished is called incomplete.
    fs::remove_file(&path).unwrap();
    let gone = scene.sandbox.run("backup", &["verify", id]);
    gone.assert_exit(6).assert_says("incomplete");
    let latest = scene.sandbox.run("backup", &["restore", "latest", "--yes"]);
    latest.assert_exit(2).assert_says("no complete backup");
}

#[test]
fn sidecars_that_cannot_be_read_are_on_the_safe_side() {
    let scene = Scene::new();
    let id = &scene.ids[0];
    for (name, path) in scene.files(id) {
        if name == "pin.json" || name.starts_with("verify/") {
            fs::write(path, "{").unwrap();
        }
    }
    let list = scene
        .sandbox
        .run("backup", &["list", "--json"])
        .json()
        .remove(0);
    let all = list["backups"].as_array().unwrap();
    let entry = all.iter().find(|b| b["id"] == id.as_str()).unwrap();
    assert_eq!(entry["pinned"], true, "a pin that can't be read holds");
    assert!(
        entry["verified"].is_null(),
        "what can't be read vouches for nothing"
    );
}
