//! Damage of every kind, to every kind of object, is found and named.

use std::fs;
use std::path::Path;

use crate::error::Error;
use crate::model::backup::BackupFacts;
use crate::model::backup::Compression;
use crate::model::backup::VerifyLevel;
use crate::store::layout::Object;
use crate::store::tests::fixture::Fixture;
use crate::store::tests::fixture::files;

/// Verifies, and expects exactly the objects `named` to be called damaged.
fn expect(fixture: &Fixture, facts: &BackupFacts, level: VerifyLevel, named: &[&str], what: &str) {
    let error = fixture.verify(facts, level).err();
    let error = error.unwrap_or_else(|| panic!("{what} was not found at {level:?}"));
    assert_eq!(error.kind().exit_code(), 6, "{what}: {error}");
    let said = said(&error);
    for name in named {
        assert!(said.contains(name), "{what} at {level:?}: {said}");
    }
    assert_eq!(
        said.matches("; ").count() + 1,
        named.len(),
        "{what} at {level:?}: {said}"
    );
}

fn said(error: &Error) -> String {
    let causes = error.causes();
    format!("{error} {}", causes.join(" "))
}

/// Replaces a file, whoever made it how.
fn put(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_flipped_byte_is_found() {
    let fixture = Fixture::new();
    let facts = fixture.backup(Compression::Zstd(1));
    let folder = fixture.folder(&facts);
    for (name, bytes) in files(&folder) {
        let object = Object::of(&name).unwrap();
        if matches!(object, Object::Manifest | Object::Pin) {
            continue;
        }
        for at in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            put(&folder.join(&name), &bad);
            let what = format!("byte {at} of {name}");
            if object == Object::Key {
                fixture.verify(&facts, VerifyLevel::Hashed).unwrap();
            } else {
                expect(&fixture, &facts, VerifyLevel::Hashed, &[&name], &what);
            }
            expect(&fixture, &facts, VerifyLevel::Decrypted, &[&name], &what);
        }
        put(&folder.join(&name), &bytes);
    }
    fixture.verify(&facts, VerifyLevel::Decrypted).unwrap();
}

#[test]
fn a_cut_file_is_found_without_reading_it() {
    let fixture = Fixture::new();
    let facts = fixture.backup(Compression::Gzip(1));
    let folder = fixture.folder(&facts);
    for (name, bytes) in files(&folder) {
        let object = Object::of(&name).unwrap();
        if matches!(object, Object::Manifest | Object::Pin) {
            continue;
        }
        for bad in [
            &bytes[..0],
            &bytes[..bytes.len() - 1],
            &[&bytes[..], b"x"].concat(),
        ] {
            put(&folder.join(&name), bad);
            let level = match object {
                Object::Key => VerifyLevel::Decrypted,
                _ => VerifyLevel::Listed,
            };
            expect(&fixture, &facts, level, &[&name], &format!("cut {name}"));
        }
        put(&folder.join(&name), &bytes);
    }
}

#[test]
fn a_missing_or_extra_or_linked_file_is_found() {
    let fixture = Fixture::new();
    let facts = fixture.backup(Compression::Zstd(1));
    let folder = fixture.folder(&facts);
    for (name, bytes) in files(&folder) {
        if matches!(Object::of(&name), Some(Object::Manifest | Object::Pin)) {
            continue;
        }
        let path = folder.join(&name);
        fs::remove_file(&path).unwrap();
        expect(&fixture, &facts, VerifyLevel::Listed, &[&name], "missing");
        std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
        let error = fixture.verify(&facts, VerifyLevel::Listed).unwrap_err();
        assert!(said(&error).contains(&name));
        fs::remove_file(&path).unwrap();
        put(&path, &bytes);
    }
    for stranger in [
        "data/999999.sql.zst.age",
        "x",
        "data/x",
        "deep/er/file",
        ".hidden",
    ] {
        let path = folder.join(stranger);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        put(&path, b"");
        let top = stranger.strip_suffix("/file").unwrap_or(stranger);
        expect(&fixture, &facts, VerifyLevel::Listed, &[top], stranger);
        fs::remove_file(&path).unwrap();
        let _ = fs::remove_dir(folder.join("deep/er"));
    }
    fixture.verify(&facts, VerifyLevel::Decrypted).unwrap();
}

#[test]
fn swapped_and_duplicated_chunks_are_found() {
    let fixture = Fixture::new();
    let facts = fixture.backup(Compression::None);
    let folder = fixture.folder(&facts);
    let (a, b) = ("data/000000.sql.age", "data/000001.sql.age");
    let (first, second) = (
        fs::read(folder.join(a)).unwrap(),
        fs::read(folder.join(b)).unwrap(),
    );
    put(&folder.join(a), &second);
    expect_some(&fixture, &facts, &[a]);
    put(&folder.join(b), &first);
    expect_some(&fixture, &facts, &[a, b]);
}

/// Verifies at every level that reads, and expects at least the objects `named`.
fn expect_some(fixture: &Fixture, facts: &BackupFacts, named: &[&str]) {
    for level in [VerifyLevel::Hashed, VerifyLevel::Decrypted] {
        let error = fixture.verify(facts, level).unwrap_err();
        for name in named {
            assert!(said(&error).contains(name), "{error}");
        }
    }
}

#[test]
fn all_damage_is_named_at_once() {
    let fixture = Fixture::new();
    let facts = fixture.backup(Compression::Zstd(1));
    let folder = fixture.folder(&facts);
    let flip = |name: &str| {
        let mut bytes = fs::read(folder.join(name)).unwrap();
        bytes[200] ^= 1;
        put(&folder.join(name), &bytes);
    };
    flip("data/000001.sql.zst.age");
    flip("schema/pre.sql.zst.age");
    flip("SHA256SUMS");
    let all = [
        "data/000001.sql.zst.age",
        "schema/pre.sql.zst.age",
        "SHA256SUMS",
    ];
    expect(
        &fixture,
        &facts,
        VerifyLevel::Decrypted,
        &all,
        "three objects",
    );
}

#[test]
fn a_forged_object_with_forged_digests_is_found_with_the_key() {
    let fixture = Fixture::new();
    let facts = fixture.backup(Compression::Zstd(1));
    let other = fixture.backup(Compression::Zstd(1));
    let (folder, source) = (fixture.folder(&facts), fixture.folder(&other));
    // A chunk of another backup, with sums and manifest made to fit.
    let name = "data/000000.sql.zst.age";
    let old = fs::read(folder.join(name)).unwrap();
    let new = fs::read(source.join(name)).unwrap();
    put(&folder.join(name), &new);
    let digest = |bytes: &[u8]| crate::ident::Digest::of(bytes).to_string();
    let sums = fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
    let forged = sums.replace(&digest(&old), &digest(&new));
    put(&folder.join("SHA256SUMS"), forged.as_bytes());
    let manifest = fs::read_to_string(folder.join("manifest.json")).unwrap();
    let (old_size, new_size) = (old.len() as u64, new.len() as u64);
    let manifest = manifest
        .replace(&digest(sums.as_bytes()), &digest(forged.as_bytes()))
        .replace(
            &format!("{name}\": {old_size}"),
            &format!("{name}\": {new_size}"),
        )
        .replace(
            &format!("\"bytes\": {}", facts.bytes),
            &format!("\"bytes\": {}", facts.bytes - old_size + new_size),
        );
    put(&folder.join("manifest.json"), manifest.as_bytes());
    // The backup after it remembers the true manifest; without that one, only the key helps.
    expect(
        &fixture,
        &facts,
        VerifyLevel::Hashed,
        &["manifest.json"],
        "chain",
    );
    fs::remove_dir_all(&source).unwrap();
    fixture.verify(&facts, VerifyLevel::Hashed).unwrap();
    expect(
        &fixture,
        &facts,
        VerifyLevel::Decrypted,
        &[name],
        "forged chunk",
    );
}

#[test]
fn a_changed_manifest_is_found_with_the_key_and_a_broken_one_is_no_backup() {
    let fixture = Fixture::new();
    let facts = fixture.backup(Compression::Zstd(1));
    let path = fixture.folder(&facts).join("manifest.json");
    let manifest = fs::read_to_string(&path).unwrap();
    put(
        &path,
        manifest
            .replace("before the sale", "after the sale")
            .as_bytes(),
    );
    expect(
        &fixture,
        &facts,
        VerifyLevel::Decrypted,
        &["manifest.json"],
        "changed name",
    );
    let flips: Vec<usize> = (0..manifest.len()).step_by(29).collect();
    for at in flips {
        let mut bytes = manifest.clone().into_bytes();
        bytes[at] ^= 1;
        put(&path, &bytes);
        // White space, names of fields that say nothing, and the time of completion stand nowhere
        // else; whatever other flip passes was missed.
        if fixture.verify(&facts, VerifyLevel::Decrypted).is_ok() {
            let line = manifest[..at].rfind('\n').map_or(0, |start| start + 1);
            let line = manifest[line..].lines().next().unwrap();
            let unsaid = ["null", "[]", "\"finished\"", "\"sizes\"", "\"chunks\": 0"];
            // Without its name, a number that is none is none.
            let none =
                line.trim_end_matches(',').ends_with(": 0") && !manifest[at..=at].contains('0');
            let harmless = none || unsaid.iter().any(|f| line.contains(f));
            assert!(
                harmless || manifest.as_bytes()[at].is_ascii_whitespace(),
                "{line}"
            );
        }
    }
    put(&path, &manifest.as_bytes()[..manifest.len() / 2]);
    assert!(!fixture.store.list(None).unwrap()[0].complete);
    let error = fixture.store.find(facts.id.as_str(), None).unwrap_err();
    assert_eq!(error.kind().exit_code(), 6);
    put(
        &path,
        manifest
            .replace("\"format\": 1", "\"format\": 2")
            .as_bytes(),
    );
    assert!(fixture.store.list(None).unwrap()[0].complete);
    let error = fixture.store.find(facts.id.as_str(), None).unwrap_err();
    assert!(said(&error).contains("format 2"), "{error}");
}

#[test]
fn a_backup_under_another_name_is_not_taken_for_that_one() {
    let fixture = Fixture::new();
    let first = fixture.backup(Compression::Zstd(1));
    let second = fixture.backup(Compression::Zstd(1));
    let (a, b) = (fixture.folder(&first), fixture.folder(&second));
    fs::remove_dir_all(&b).unwrap();
    fs::rename(&a, &b).unwrap();
    assert!(!fixture.store.list(None).unwrap()[0].complete);
    assert!(fixture.store.find("latest", None).is_err());
    assert!(fixture.store.find(second.id.as_str(), None).is_err());
}
