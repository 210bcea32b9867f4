//! Keys: which open a backup, and what is said when none does.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use crate::model::ask::Nobody;
use crate::model::backup::Compression;
use crate::model::backup::VerifyLevel;
use crate::model::event::Silent;
use crate::store::Identities;
use crate::store::keygen;
use crate::store::tests::fixture::Fixture;

#[test]
fn a_wrong_key_is_told_from_damage() {
    let fixture = Fixture::new();
    let facts = fixture.backup(Compression::Zstd(1));
    let other = fixture.root.join("other.txt");
    keygen::generate(&other).unwrap();
    let verify = |files: &[PathBuf]| {
        let identities = Identities::load(files, Arc::new(Nobody)).unwrap();
        let backup = fixture.store.find(facts.id.as_str(), None).unwrap();
        backup.verify(VerifyLevel::Decrypted, &identities, &Silent)
    };
    let missing = fixture.root.join("missing.txt");
    let error = verify(&[other.clone(), missing.clone()]).unwrap_err();
    assert_eq!(error.kind().exit_code(), 6);
    assert!(
        error.to_string().contains("with the identities given"),
        "{error}"
    );
    let hints = error.hints().join("\n");
    assert!(
        hints.contains("alice") && hints.contains("missing.txt"),
        "{hints}"
    );
    let error = verify(&[missing]).unwrap_err();
    assert!(error.to_string().contains("without an identity"), "{error}");
    verify(&[other, fixture.identity.clone()]).unwrap();
    // The wrap of another backup: opens, but holds the wrong key.
    let second = fixture.backup(Compression::Zstd(1));
    let from = fixture.folder(&second).join("keys/0.age");
    fs::copy(from, fixture.folder(&facts).join("keys/0.age")).unwrap();
    let error = verify(std::slice::from_ref(&fixture.identity)).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("keys/0.age holds another backup's key"),
        "{error}"
    );
}

#[test]
fn keygen_never_overwrites() {
    let fixture = Fixture::new();
    let before = fs::read_to_string(&fixture.identity).unwrap();
    let error = keygen::generate(&fixture.identity).unwrap_err();
    assert_eq!(error.kind().exit_code(), 2);
    assert_eq!(fs::read_to_string(&fixture.identity).unwrap(), before);
}

#[test]
fn recipients_files_keep_labels() {
    let fixture = Fixture::new();
    let file = fixture.root.join("config/recipients.txt");
    let bare = fixture.recipient.split(' ').next().unwrap();
    let other = keygen::generate(&fixture.root.join("other.txt")).unwrap();
    keygen::append_recipient(&file, bare, "alice\n@host").unwrap();
    keygen::append_recipient(&file, bare, "again").unwrap();
    keygen::append_recipient(&file, &other, "bob").unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let parsed = keygen::parse_recipients_file(&text).unwrap();
    assert_eq!(
        parsed,
        [format!("{bare} alice @host"), format!("{other} bob")]
    );
    let error = keygen::parse_recipients_file("# x\n\nnonsense\n").unwrap_err();
    assert!(error.to_string().contains("line 3"), "{error}");
}

#[test]
fn malformed_identity_files_are_refused_without_quoting_them() {
    let fixture = Fixture::new();
    let file = fixture.root.join("bad.txt");
    for bad in ["", "# only a comment\n", "AGE-SECRET-KEY-1WRONG\n"] {
        fs::write(&file, bad).unwrap();
        let error = Identities::load(std::slice::from_ref(&file), Arc::new(Nobody)).unwrap_err();
        assert_eq!(error.kind().exit_code(), 2, "{bad}");
        assert!(!format!("{error:?}").contains("WRONG"));
    }
    fs::write(&file, b"\xff\xfe").unwrap();
    assert!(Identities::load(&[file], Arc::new(Nobody)).is_err());
}

#[test]
fn ssh_keys_open_backups_and_those_with_a_passphrase_need_it() {
    let mut fixture = Fixture::new();
    let key = |name: &str, passphrase: &str| {
        let path = fixture.root.join(name);
        let made = Command::new("ssh-keygen")
            .args([
                "-q", "-t", "ed25519", "-C", "bob@host", "-N", passphrase, "-f",
            ])
            .arg(&path)
            .status();
        assert!(
            made.expect("ssh-keygen is needed: install openssh-client")
                .success()
        );
        path
    };
    let (plain, locked) = (key("plain", ""), key("locked", "secret"));
    fixture.recipient = fs::read_to_string(locked.with_extension("pub")).unwrap();
    fixture.identity = locked;
    let facts = fixture.backup(Compression::Zstd(1));
    let error = fixture.verify(&facts, VerifyLevel::Decrypted).unwrap_err();
    let hints = error.hints().join("\n");
    assert!(hints.contains("nobody can be asked"), "{hints}");
    fixture.recipient = fs::read_to_string(plain.with_extension("pub")).unwrap();
    fixture.identity = plain;
    let facts = fixture.backup(Compression::Zstd(1));
    assert_eq!(facts.recipients, ["bob@host"]);
    fixture.verify(&facts, VerifyLevel::Decrypted).unwrap();
    // Damage is told from a wrong key for ssh keys too.
    let wrap = fixture.folder(&facts).join("keys/0.age");
    let mut bytes = fs::read(&wrap).unwrap();
    let at = bytes.iter().position(|b| *b == b'\n').unwrap() + 20;
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    fs::write(&wrap, bytes).unwrap();
    let error = fixture.verify(&facts, VerifyLevel::Decrypted).unwrap_err();
    assert!(error.to_string().contains("keys/0.age"), "{error}");
}
