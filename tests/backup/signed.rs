//! Who has signed a backup: written as ssh-keygen writes it, checked as it checks, and what a
//! signature vouches for.

use std::fs;
use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output as Ended};

use serde_json::Value;

use super::keys::ssh_key;
use super::{Target, create, show};
use crate::harness::binary::{Output, Run};
use crate::harness::{Bucket, Sandbox};
use crate::scenes::{State, shop, to};

/// The principal of the key that signs.
const OPS: &str = "ops@example.com";

/// A sandbox whose config file names a key that signs and whose signatures count: those of that key.
fn signing() -> Sandbox {
    let sandbox = Sandbox::new();
    configure(&sandbox);
    sandbox.sql("create table t (id int primary key); insert into t values (1), (2)");
    sandbox
}

fn configure(sandbox: &Sandbox) {
    fs::create_dir(sandbox.folder.join("keys")).unwrap();
    let public = ssh_key(sandbox, "keys/signer", "ed25519", "");
    allow(sandbox, &format!("# us\n{OPS} {public}"));
    sandbox.write(
        "pgbelay.toml",
        "signing_key = \"keys/signer\"\nallowed_signers = \"keys/allowed\"\n",
    );
}

fn allow(sandbox: &Sandbox, list: &str) {
    sandbox.write("keys/allowed", list);
}

fn folder(sandbox: &Sandbox, id: &str) -> PathBuf {
    sandbox.backups().join(&sandbox.database).join(id)
}

/// Runs `backup` as on another machine, which remembers nothing.
fn elsewhere(sandbox: &Sandbox, args: &[&str]) -> Run {
    let home = sandbox
        .folder
        .join(format!("home-{:08x}", crate::harness::cluster::nonce()));
    let home = home.display().to_string();
    (sandbox.tool("backup").args(args))
        .env("HOME", &home)
        .env("XDG_STATE_HOME", &home)
}

fn verify(sandbox: &Sandbox, id: &str, level: &str) -> Output {
    elsewhere(sandbox, &["verify", id, "--level", level, "--json"]).run()
}

/// What ssh-keygen says of the signature beside `manifest`.
fn stock(sandbox: &Sandbox, manifest: &Path) -> Ended {
    Command::new("ssh-keygen")
        .args(["-Y", "verify", "-I", OPS, "-n", "pgbelay-backup", "-f"])
        .arg(sandbox.folder.join("keys/allowed"))
        .arg("-s")
        .arg(manifest.with_extension("json.sig"))
        .stdin(File::open(manifest).unwrap())
        .output()
        .expect("ssh-keygen is needed: install openssh-client")
}

/// Signs `file` with ssh-keygen; returns the signature.
fn sign(sandbox: &Sandbox, key: &str, namespace: &str, file: &Path) -> Vec<u8> {
    let copy = sandbox.folder.join("to-sign");
    fs::copy(file, &copy).unwrap();
    let signed = Command::new("ssh-keygen")
        .args(["-q", "-Y", "sign", "-n", namespace, "-f"])
        .arg(sandbox.folder.join(key))
        .arg(&copy)
        .output()
        .expect("ssh-keygen is needed: install openssh-client");
    assert!(signed.status.success(), "{signed:?}");
    let signature = copy.with_extension("sig");
    let bytes = fs::read(&signature).unwrap();
    fs::remove_file(signature).unwrap();
    bytes
}

/// The fingerprint of the key in `file`, as ssh-keygen says it.
fn fingerprint(sandbox: &Sandbox, file: &str) -> String {
    let said = Command::new("ssh-keygen")
        .args(["-l", "-f"])
        .arg(sandbox.folder.join(file))
        .output()
        .unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    said.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn stock_tools_check_what_is_signed_and_what_they_sign_counts() {
    let sandbox = signing();
    let made = sandbox.run("backup", &["create", "--json"]);
    made.assert_exit(0);
    let key = fingerprint(&sandbox, "keys/signer.pub");
    assert_eq!(made.events("recipients")[0]["signer"], key.as_str());
    let id = made.last()["backup"].as_str().unwrap().to_owned();
    let manifest = folder(&sandbox, &id).join("manifest.json");
    let checked = stock(&sandbox, &manifest);
    assert!(checked.status.success(), "{checked:?}");
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(said.contains(OPS) && said.contains(&key), "{said}");

    let shown = show(&sandbox, &id);
    assert_eq!(shown["signer"], key.as_str());
    assert_eq!(shown["signature"]["state"], "valid");
    assert_eq!(shown["signature"]["principal"], OPS);
    assert_eq!(shown["signature"]["key"], key.as_str());
    let listed = sandbox.run("backup", &["list", "--json"]).json().remove(0);
    assert_eq!(listed["backups"][0]["signer"], key.as_str());
    let text = sandbox.run("backup", &["show", &id]);
    text.assert_says(&format!("signed by {OPS} ({key})"));

    let signature = sign(&sandbox, "keys/signer", "pgbelay-backup", &manifest);
    assert_eq!(
        fs::read(manifest.with_extension("json.sig")).unwrap(),
        signature
    );
    let out = sandbox.tool("backup").args(&["create"]);
    let out = out.env("PGBELAY_SIGNING_KEY", "/nowhere").run();
    out.assert_exit(2).assert_says("/nowhere");
    for level in ["listed", "hashed", "decrypted", "restored"] {
        let done = verify(&sandbox, &id, level);
        done.assert_exit(0);
        assert_eq!(done.last()["signature"]["state"], "valid", "{done}");
        let voucher = done.last()["vouched_for_by"].clone();
        let expected = if level == "listed" {
            Value::Null
        } else {
            "signature".into()
        };
        assert_eq!(voucher, expected, "{done}");
    }
    let target = Target::new(&sandbox);
    let restored = elsewhere(&sandbox, &["restore", &id, "--into", &target.url, "--yes"]).run();
    restored
        .assert_exit(0)
        .assert_says("the signature of an allowed signer");
    restored.assert_says(&format!("signed by {OPS}"));
    target.drop(&sandbox.cluster);
}

/// What somebody made of the signature, and what is said of it.
struct Attack {
    name: &'static str,
    /// `None`: it is gone.
    signature: Option<Vec<u8>>,
    /// What `verify` ends with, but at the level that runs definitions.
    code: i32,
    state: &'static str,
}

#[test]
fn a_signature_of_something_else_vouches_for_nothing() {
    let sandbox = signing();
    ssh_key(&sandbox, "keys/other", "ed25519", "");
    ssh_key(&sandbox, "keys/rsa", "rsa", "");
    let (first, id) = (create(&sandbox, &[]), create(&sandbox, &[]));
    let manifest = folder(&sandbox, &id).join("manifest.json");
    let file = manifest.with_extension("json.sig");
    let good = fs::read(&file).unwrap();
    let swapped = fs::read(folder(&sandbox, &first).join("manifest.json.sig")).unwrap();
    let text = String::from_utf8(good.clone()).unwrap();
    let with = |key: &str, namespace: &str| sign(&sandbox, key, namespace, &manifest);
    let attack = |name, signature: Option<Vec<u8>>, code, state| Attack {
        name,
        signature,
        code,
        state,
    };
    sandbox.write("plain.toml", "");
    let plain = ["verify", &id, "--level", "hashed", "--config", "plain.toml"];
    let target = Target::new(&sandbox);
    let sums = folder(&sandbox, &id).join("SHA256SUMS");
    let over = sign(&sandbox, "keys/signer", "pgbelay-backup", &sums);
    for attack in [
        attack("of another backup", Some(swapped), 6, "broken"),
        attack("over other bytes", Some(over), 6, "broken"),
        attack(
            "another purpose",
            Some(with("keys/signer", "file")),
            6,
            "broken",
        ),
        attack("empty", Some(Vec::new()), 6, "broken"),
        attack("zeros", Some(vec![0; 300]), 6, "broken"),
        attack("huge", Some(vec![b'A'; 1 << 20]), 6, "broken"),
        attack("cut", Some(good[..good.len() - 60].to_vec()), 6, "broken"),
        attack("CRLF", Some(text.replace('\n', "\r\n").into()), 6, "broken"),
        attack(
            "a stranger",
            Some(with("keys/other", "pgbelay-backup")),
            0,
            "stranger",
        ),
        attack(
            "another kind",
            Some(with("keys/rsa", "pgbelay-backup")),
            0,
            "stranger",
        ),
        attack("gone", None, 0, "missing"),
    ] {
        match &attack.signature {
            Some(bytes) => fs::write(&file, bytes).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let name = attack.name;
        assert!(
            attack.signature.is_none() || !stock(&sandbox, &manifest).status.success(),
            "{name}"
        );
        let shown = show(&sandbox, &id);
        assert_eq!(shown["signature"]["state"], attack.state, "{name}: {shown}");
        assert_eq!(shown["signature"]["principal"], Value::Null, "{name}");
        for level in ["listed", "hashed"] {
            let done = verify(&sandbox, &id, level);
            done.assert_exit(attack.code);
            if attack.code == 0 {
                let said = done.last();
                assert_eq!(said["vouched_for_by"], Value::Null, "{name}: {done}");
                assert_eq!(said["signature"]["state"], attack.state, "{name}: {done}");
            } else {
                done.assert_says("manifest.json.sig");
            }
        }
        // Definitions are not run; rows alone come back from what is not damaged.
        let refused = if attack.code == 0 { 3 } else { 6 };
        let args = ["restore", &id, "--into", &target.url, "--yes"];
        elsewhere(&sandbox, &args).run().assert_exit(refused);
        let args = ["restore", &id, "--table", "t", "--yes"];
        elsewhere(&sandbox, &args).run().assert_exit(attack.code);
        // Whoever names nobody has what was before.
        elsewhere(&sandbox, &plain).run().assert_exit(0);
    }
    let tables = "select count(*) from pg_class where relnamespace = 'public'::regnamespace";
    assert_eq!(target.text(&sandbox, tables), "0");
    target.drop(&sandbox.cluster);
    let shown = sandbox.run("backup", &["show", &id]);
    shown.assert_says("its manifest speaks of a signature");
    fs::write(&file, &good).unwrap();
    verify(&sandbox, &id, "restored").assert_exit(0);

    // The manifest is another one, and its signature the old one.
    let json = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, format!("{json}\n")).unwrap();
    verify(&sandbox, &id, "listed")
        .assert_exit(6)
        .assert_says("not over this manifest.json");
}

#[test]
fn who_may_sign_what_and_when() {
    let sandbox = signing();
    let id = create(&sandbox, &[]);
    let public = fs::read_to_string(sandbox.folder.join("keys/signer.pub")).unwrap();
    let stranger = ssh_key(&sandbox, "keys/other", "ed25519", "");
    for (options, state, stock_takes_it) in [
        ("namespaces=\"pgbelay-backup\"", "valid", true),
        ("namespaces=\"git,pgbelay-*\"", "valid", true),
        (
            "valid-after=\"20200101\",valid-before=\"29990101\"",
            "valid",
            true,
        ),
        ("namespaces=\"git\"", "stranger", false),
        ("valid-before=\"20200101\"", "stranger", false),
        ("valid-after=\"29990101\"", "stranger", false),
        ("cert-authority", "stranger", false),
    ] {
        allow(
            &sandbox,
            &format!("{OPS} {options} {public}them {stranger}"),
        );
        let manifest = folder(&sandbox, &id).join("manifest.json");
        assert_eq!(
            stock(&sandbox, &manifest).status.success(),
            stock_takes_it,
            "{options}"
        );
        let done = verify(&sandbox, &id, "hashed");
        done.assert_exit(0);
        assert_eq!(
            done.last()["signature"]["state"],
            state,
            "{options}: {done}"
        );
        let code = if state == "valid" { 0 } else { 3 };
        let restored = verify(&sandbox, &id, "restored");
        restored.assert_exit(code);
    }
    // A list that can't be read keeps nobody out, so nothing goes on without it.
    for list in ["", "nonsense\n", "ops ssh-ed25519 AAAA\n"] {
        allow(&sandbox, list);
        verify(&sandbox, &id, "hashed")
            .assert_exit(2)
            .assert_says("keys/allowed");
    }
    fs::remove_file(sandbox.folder.join("keys/allowed")).unwrap();
    verify(&sandbox, &id, "hashed")
        .assert_exit(2)
        .assert_says("keys/allowed");
    sandbox.run("backup", &["list"]).assert_exit(0);
}

/// Whoever writes `.env` has no say in whose definitions are run.
#[test]
fn dotenv_names_nobody_whose_signature_vouches() {
    let sandbox = signing();
    let id = create(&sandbox, &[]);
    fs::remove_file(sandbox.folder.join("pgbelay.toml")).unwrap();
    sandbox.write("other.toml", "allowed_signers = \"keys/allowed\"\n");
    let args = ["verify", &id, "--level", "restored"];
    let asked = elsewhere(&sandbox, &args).run();
    asked.assert_exit(3).assert_says("--allowed-signers FILE");
    for text in [
        "PGBELAY_ALLOWED_SIGNERS=keys/allowed\n",
        "PGBELAY_CONFIG=other.toml\n",
    ] {
        sandbox.write(".env", text);
        let refused = elsewhere(&sandbox, &args).run();
        refused.assert_exit(3).assert_says("does not vouch");
        let shown = show(&sandbox, &id);
        assert_eq!(shown["signature"]["state"], "valid");
    }
    let named = [&args[..], &["--allowed-signers", "keys/allowed"]].concat();
    elsewhere(&sandbox, &named).run().assert_exit(0);
    let named = elsewhere(&sandbox, &args).env("PGBELAY_ALLOWED_SIGNERS", "keys/allowed");
    named.run().assert_exit(0);
    // Nothing was remembered: a key that may sign no more vouches for nothing from then on.
    elsewhere(&sandbox, &args).run().assert_exit(3);

    // Without anybody named, that there is a signature is told, and no more.
    fs::remove_file(sandbox.folder.join(".env")).unwrap();
    let shown = sandbox.run("backup", &["show", &id]);
    shown.assert_exit(0).assert_says("not checked");
    assert_eq!(show(&sandbox, &id)["signature"]["state"], "unchecked");
    let verified = sandbox.run("backup", &["verify", &id, "--json"]);
    assert_eq!(verified.assert_exit(0).last()["signature"], Value::Null);
}

#[test]
fn a_key_that_cannot_sign_is_refused_before_anything_happens() {
    let sandbox = shop();
    fs::create_dir(sandbox.folder.join("keys")).unwrap();
    for (file, kind, passphrase) in [
        ("keys/good", "ed25519", ""),
        ("keys/open", "ed25519", ""),
        ("keys/locked", "ed25519", "secretsecret"),
        ("keys/rsa", "rsa", ""),
        ("keys/ecdsa", "ecdsa", ""),
    ] {
        ssh_key(&sandbox, file, kind, passphrase);
    }
    let open = fs::Permissions::from_mode(0o644);
    fs::set_permissions(sandbox.folder.join("keys/open"), open).unwrap();
    sandbox.write("keys/text", "not a key\n");
    let text = fs::Permissions::from_mode(0o600);
    fs::set_permissions(sandbox.folder.join("keys/text"), text).unwrap();
    let before = State::of(&sandbox);
    for (file, why) in [
        ("keys/none", "can't be read"),
        ("keys", "no plain file"),
        ("keys/open", "chmod 600"),
        ("keys/locked", "passphrase"),
        ("keys/rsa", "ssh-ed25519"),
        ("keys/ecdsa", "can't sign backups"),
        ("keys/good.pub", "public half"),
        ("keys/text", "no private key"),
    ] {
        sandbox.write("pgbelay.toml", &format!("signing_key = \"{file}\"\n"));
        let runs = [
            sandbox.tool("backup").args(&["create"]),
            to(&sandbox, "0001", &[]),
            to(&sandbox, "0001", &["--dry-run"]),
        ];
        for run in runs {
            let output = run.run();
            output.assert_exit(2).assert_says(why).assert_says(file);
            output.assert_silent_about("BEGIN OPENSSH");
        }
        before.assert_untouched(&sandbox);
        // What saves nothing needs no key.
        sandbox.run("migrate", &["status"]).assert_exit(0);
        sandbox.run("backup", &["list"]).assert_exit(0);
    }
    let flag = ["create", "--signing-key", "keys/good"];
    sandbox.run("backup", &flag).assert_exit(0);
}

/// Both backups of a rollback, that of its undo, and one before an upgrade.
#[test]
fn whatever_makes_a_backup_signs_it() {
    let sandbox = shop();
    configure(&sandbox);
    to(&sandbox, "0001", &[]).run().assert_exit(0);
    sandbox.run("rollback", &["undo", "--yes"]).assert_exit(0);
    sandbox.migration(
        "0003_x",
        "alter table orders add x int",
        "alter table orders drop x",
    );
    sandbox
        .run("migrate", &["upgrade", "--backup"])
        .assert_exit(0);
    let listed = sandbox.run("backup", &["list", "--json"]).json().remove(0);
    let backups = listed["backups"].as_array().unwrap();
    assert!(backups.len() >= 3, "{listed}");
    for backup in backups {
        let id = backup["id"].as_str().unwrap();
        assert_eq!(show(&sandbox, id)["signature"]["state"], "valid", "{id}");
        let manifest = folder(&sandbox, id).join("manifest.json");
        assert!(stock(&sandbox, &manifest).status.success(), "{id}");
    }
}

/// Neither other operators nor another place change the manifest, and an import signs nothing.
#[test]
fn a_signature_stays_with_its_backup() {
    let sandbox = signing();
    let id = create(&sandbox, &[]);
    let other = sandbox.run("backup", &["keygen", "--output", "other.txt"]);
    let recipient = other.last_line().to_owned();
    sandbox
        .run("backup", &["rekey", &id, "--add", &recipient])
        .assert_exit(0);
    verify(&sandbox, &id, "restored").assert_exit(0);
    sandbox.run("backup", &["pin", &id]).assert_exit(0);
    sandbox
        .run("backup", &["export", &id, "one.tar"])
        .assert_exit(0);
    let import = ["import", "one.tar", "--backups", "there"];
    sandbox.run("backup", &import).assert_exit(0);
    let there = [
        "verify",
        &id,
        "--level",
        "restored",
        "--json",
        "--backups",
        "there",
    ];
    let done = elsewhere(&sandbox, &there).run();
    assert_eq!(done.assert_exit(0).last()["vouched_for_by"], "signature");

    let unsigned = ["create", "--config", "plain.toml"];
    sandbox.write("plain.toml", "");
    let made = sandbox.run("backup", &unsigned);
    let plain = made.assert_exit(0).last_line().to_owned();
    sandbox
        .run("backup", &["export", &plain, "two.tar"])
        .assert_exit(0);
    let import = ["import", "two.tar", "--backups", "there"];
    sandbox.run("backup", &import).assert_exit(0);
    let there = [
        "verify",
        &plain,
        "--level",
        "restored",
        "--backups",
        "there",
    ];
    let refused = elsewhere(&sandbox, &there).run();
    refused.assert_exit(3).assert_says("it is not signed");
}

#[test]
fn in_a_bucket_the_signature_is_there_before_the_manifest() {
    let (bucket, sandbox) = (Bucket::start(), signing());
    let made = bucket.run(&sandbox, "backup", &["create"]);
    let id = made.assert_exit(0).last_line().to_owned();
    let asked = bucket.asked();
    let puts: Vec<&String> = asked.iter().filter(|a| a.starts_with("PUT")).collect();
    let last: Vec<&str> = puts[puts.len() - 2..]
        .iter()
        .map(|put| put.rsplit('/').next().unwrap())
        .collect();
    assert_eq!(last, ["manifest.json.sig *", "manifest.json *"]);
    let home = sandbox.folder.join("third").display().to_string();
    let verify = || {
        let args = ["verify", &id, "--level", "restored", "--json"];
        let run = bucket.tool(&sandbox, "backup", &args);
        run.env("HOME", &home).env("XDG_STATE_HOME", &home).run()
    };
    assert_eq!(
        verify().assert_exit(0).last()["vouched_for_by"],
        "signature"
    );

    let key = format!("a/b/{}/{id}/manifest.json.sig", sandbox.database);
    // What doesn't answer says nothing about what it holds.
    bucket.deny(Some("manifest.json.sig"));
    verify().assert_exit(1);
    bucket.deny(None);
    let good = bucket.objects().insert(key.clone(), b"x".to_vec()).unwrap();
    verify().assert_exit(6);
    bucket.objects().remove(&key);
    verify().assert_exit(3);
    bucket.objects().insert(key, good);
    verify().assert_exit(0);
}
