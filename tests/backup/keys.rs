//! Who can open a backup, and how that changes.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use super::{create, show};
use crate::harness::Sandbox;
use crate::harness::binary::{Output, Run, path_of};
use crate::harness::state::tree;

/// An age plugin that hides nothing: what it wraps, it writes down.
const PLUGIN: &str = r#"#!/bin/sh
if [ "$1" = --age-plugin=recipient-v1 ]; then
    while read -r line; do
        case $line in
            "-> wrap-file-key") read -r key ;;
            "-> done") read -r line; break ;;
        esac
    done
    printf -- '-> recipient-stanza 0 fake\n%s\n' "$key"
else
    while read -r line; do
        case $line in
            "-> recipient-stanza 0 fake") read -r key ;;
            "-> done") read -r line; break ;;
        esac
    done
    [ -z "$key" ] || printf -- '-> file-key 0\n%s\n' "$key"
fi
[ -z "$key" ] || { read -r line; read -r line; }
printf -- '-> done\n\n'
"#;
const FAKE_RECIPIENT: &str = "age1fake1wdhk6etzdaj8ja0kcfj";
const FAKE_IDENTITY: &str = "AGE-PLUGIN-FAKE-1WDHK6ETZDAJ8JY24A0F\n";

/// Makes a key pair in `file`, and returns its recipient.
fn key(sandbox: &Sandbox, file: &str) -> String {
    let output = sandbox.run("backup", &["keygen", "--output", file]);
    output.assert_exit(0);
    output.last_line().to_owned()
}

/// Makes an ssh key pair in `file`, and returns its public half.
pub(super) fn ssh_key(sandbox: &Sandbox, file: &str, kind: &str, passphrase: &str) -> String {
    let path = sandbox.folder.join(file);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-C", file, "-N", passphrase, "-f"])
        .arg(&path)
        .status();
    let made = made.expect("ssh-keygen is needed: install openssh-client");
    assert!(made.success());
    fs::read_to_string(path.with_extension("pub")).unwrap()
}

/// Reads a backup with the identity in `file` alone.
fn open(sandbox: &Sandbox, id: &str, file: &str) -> Output {
    let args = ["verify", id, "--level", "decrypted", "--identity", file];
    sandbox.run("backup", &args)
}

/// The run of `backup` on a terminal where somebody types `answers`, each when it is asked for.
fn typed(sandbox: &Sandbox, args: &[&str], answers: &[&str]) -> Output {
    let keyboard = sandbox.folder.join("keyboard");
    let _ = fs::remove_file(&keyboard);
    let made = Command::new("mkfifo").arg(&keyboard).status().unwrap();
    assert!(made.success());
    let words = args.iter().map(|a| format!("'{a}'"));
    let words = words.collect::<Vec<_>>().join(" ");
    let command = format!("{} {words}", path_of("backup"));
    let shell = format!("exec script -qec \"{command}\" /dev/null < keyboard");
    let mut run = Run::of_program("sh", "sh")
        .args(&["-c", &shell])
        .current_dir(&sandbox.folder)
        .env("PATH", sandbox.cluster.installation.path())
        .env("HOME", sandbox.home())
        .env("XDG_CONFIG_HOME", sandbox.config())
        .env("LC_ALL", "C")
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh")
        .start();
    let mut keys = fs::File::options().write(true).open(&keyboard).unwrap();
    for (number, answer) in answers.iter().enumerate() {
        let asked = |text: &str| text.matches(": ").count();
        run.wait_until(Duration::from_mins(1), |text| asked(text) > number);
        // What is typed before the terminal has gone quiet is thrown away: so it is typed again.
        while run.is_running() {
            keys.write_all(format!("{answer}\n").as_bytes()).unwrap();
            if run.wait_until(Duration::from_secs(5), |text| asked(text) > number + 1) {
                break;
            }
        }
    }
    run.wait()
}

#[test]
fn several_kinds_of_operators_open_one_backup() {
    let sandbox = Sandbox::new();
    sandbox.sql("create table t as select 1 as n");
    let second = key(&sandbox, "second.txt");
    let ed = ssh_key(&sandbox, "ed", "ed25519", "");
    let rsa = ssh_key(&sandbox, "rsa", "rsa", "");
    let id = create(
        &sandbox,
        &[
            "--recipient",
            &format!("{second} second"),
            "--recipient",
            &ed,
            "--recipient",
            &rsa,
        ],
    );
    assert_eq!(
        show(&sandbox, &id)["recipients"],
        serde_json::json!(["second", "ed", "rsa"])
    );
    for file in ["second.txt", "ed", "rsa"] {
        open(&sandbox, &id, file).assert_exit(0);
    }
    // The operator of the config folder is not among them: naming some means only those.
    let wrong = sandbox.run("backup", &["verify", &id, "--level", "decrypted"]);
    wrong
        .assert_exit(6)
        .assert_says("with the identities given")
        .assert_says("it needs the key of: second, ed, rsa")
        .assert_silent_about("damaged");
}

#[test]
fn operators_come_and_go_and_no_chunk_is_touched() {
    let sandbox = Sandbox::new();
    sandbox.sql("create table t as select i from generate_series(1, 1000) i");
    let id = create(&sandbox, &[]);
    let folder = sandbox.backups().join(&sandbox.database).join(&id);
    let fixed = || {
        let mut all = tree(&folder);
        all.retain(|name, _| !name.starts_with("keys") && !name.starts_with("verify"));
        all
    };
    let before = fixed();
    let bob = key(&sandbox, "bob.txt");
    let eve = key(&sandbox, "eve.txt");
    let run = |args: &[&str]| sandbox.run("backup", &[&["rekey", &id], args].concat());

    // One more, and all others stay.
    let added = run(&["--add", &format!("{bob} bob"), "--json"]);
    added.assert_exit(0);
    assert_eq!(added.json()[0]["recipients"].as_array().unwrap().len(), 2);
    open(&sandbox, &id, "bob.txt").assert_exit(0);
    sandbox.run("backup", &["verify", &id]).assert_exit(0);
    open(&sandbox, &id, "eve.txt").assert_exit(6);

    // Others in their place.
    let named = [
        "--recipient",
        &format!("{bob} bob")[..],
        "--recipient",
        &format!("{eve} eve")[..],
    ];
    run(&named).assert_exit(0).assert_says("bob, eve");
    open(&sandbox, &id, "bob.txt").assert_exit(0);
    open(&sandbox, &id, "eve.txt").assert_exit(0);
    let gone = sandbox.run("backup", &["verify", &id, "--level", "decrypted"]);
    gone.assert_exit(6)
        .assert_says("it needs the key of: bob, eve")
        .assert_silent_about("damaged");
    assert_eq!(
        show(&sandbox, &id)["recipients"],
        serde_json::json!(["bob", "eve"])
    );

    // Who can't open it changes nothing.
    let wraps = tree(&folder.join("keys"));
    run(&["--add", &format!("{bob} bob")]).assert_exit(6);
    assert_eq!(wraps, tree(&folder.join("keys")));
    // Nor does one lock himself out by what is configured for new backups.
    let back = ["--identity", "eve.txt"];
    let refused = run(&back);
    refused.assert_exit(3).assert_says("--recipient");
    assert_eq!(wraps, tree(&folder.join("keys")));

    let named = ["--recipient", &sandbox.recipient, "--identity", "bob.txt"];
    run(&named).assert_exit(0);
    sandbox.run("backup", &["verify", &id]).assert_exit(0);
    open(&sandbox, &id, "bob.txt").assert_exit(6);
    assert_eq!(before, fixed());
    let left = fs::read_dir(sandbox.backups().join(&sandbox.database)).unwrap();
    assert_eq!(left.count(), 1, "something stayed beside the backup");
}

#[test]
fn wraps_that_a_list_names_are_verified() {
    let sandbox = Sandbox::new();
    sandbox.sql("create table t as select 1 as n");
    let id = create(&sandbox, &[]);
    let bob = key(&sandbox, "bob.txt");
    let add = ["rekey", &id, "--add", &bob];
    sandbox.run("backup", &add).assert_exit(0);
    let keys = sandbox
        .backups()
        .join(&sandbox.database)
        .join(&id)
        .join("keys");
    let verify = || sandbox.run("backup", &["verify", &id, "--level", "hashed"]);
    verify().assert_exit(0);
    for object in ["0.age", "1.age", "operators.json"] {
        let path = keys.join(object);
        let intact = fs::read(&path).unwrap();
        fs::write(&path, &intact[..intact.len() - 3]).unwrap();
        verify()
            .assert_exit(6)
            .assert_says(&format!("keys/{object}"));
        if object != "operators.json" {
            fs::remove_file(&path).unwrap();
            verify()
                .assert_exit(6)
                .assert_says(&format!("keys/{object}"));
        }
        fs::write(&path, &intact).unwrap();
    }
    verify().assert_exit(0);
}

#[test]
fn a_passphrase_opens_what_it_was_added_to() {
    let sandbox = Sandbox::new();
    sandbox.sql("create table t (secret text); insert into t values ('tell nobody')");
    let id = create(&sandbox, &[]);
    let nobody = sandbox.run("backup", &["rekey", &id, "--passphrase"]);
    nobody.assert_exit(3).assert_says("terminal");

    let added = typed(
        &sandbox,
        &["rekey", &id, "--passphrase"],
        &["correct horse", "correct horse"],
    );
    added.assert_exit(0).assert_says("a passphrase");
    assert_eq!(show(&sandbox, &id)["passphrases"], 1);
    let wrap = fs::read(
        sandbox
            .backups()
            .join(&sandbox.database)
            .join(&id)
            .join("keys/1.age"),
    );
    let wrap = String::from_utf8_lossy(&wrap.unwrap()).into_owned();
    assert_eq!(wrap.matches("\n-> ").count(), 1, "scrypt has to be alone");

    let keyless = [
        "verify",
        &id,
        "--level",
        "decrypted",
        "--identity",
        "none.txt",
    ];
    let opened = typed(&sandbox, &keyless, &["wrong", "correct horse"]);
    opened.assert_exit(0).assert_says("verified");
    let unasked = sandbox.run("backup", &keyless);
    unasked.assert_exit(6).assert_says("a passphrase opens it");

    // With a key, nobody is asked.
    let removed = sandbox.run("backup", &["rekey", &id, "--remove-passphrases"]);
    removed.assert_exit(0).assert_silent_about("passphrase");
    typed(&sandbox, &keyless, &["correct horse"]).assert_exit(6);
    sandbox.run("backup", &["verify", &id]).assert_exit(0);
}

#[test]
fn ssh_keys_with_a_passphrase_ask_for_it() {
    let sandbox = Sandbox::new();
    sandbox.sql("create table t as select 1 as n");
    let locked = ssh_key(&sandbox, "locked", "ed25519", "open sesame");
    let id = create(&sandbox, &["--recipient", &locked]);
    open(&sandbox, &id, "locked")
        .assert_exit(6)
        .assert_says("nobody can be asked")
        .assert_silent_about("damaged");
    let args = [
        "verify",
        &id,
        "--level",
        "decrypted",
        "--identity",
        "locked",
    ];
    typed(&sandbox, &args, &["open sesame"]).assert_exit(0);
    typed(&sandbox, &args, &["sesame"])
        .assert_exit(6)
        .assert_silent_about("damaged");
}

#[test]
fn plugins_wrap_and_open() {
    let sandbox = Sandbox::new();
    sandbox.sql("create table t as select 1 as n");
    let missing = sandbox.run("backup", &["create", "--recipient", FAKE_RECIPIENT]);
    missing.assert_exit(2).assert_says("age-plugin-fake");
    sandbox.write("bin/age-plugin-fake", PLUGIN);
    let plugin = sandbox.folder.join("bin/age-plugin-fake");
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o755)).unwrap();
    sandbox.write("fake.txt", FAKE_IDENTITY);
    let path = format!(
        "{}:{}",
        sandbox.folder.join("bin").display(),
        sandbox.cluster.installation.path()
    );
    let run = |args: &[&str]| sandbox.tool("backup").args(args).env("PATH", &path).run();
    let created = run(&[
        "create",
        "--recipient",
        &format!("{FAKE_RECIPIENT} token"),
        "--recipient",
        &sandbox.recipient,
    ]);
    let id = created.assert_exit(0).last_line().to_owned();
    let verify = ["verify", &id, "--level", "decrypted"];
    run(&verify).assert_exit(0);
    run(&[&verify[..], &["--identity", "fake.txt"]].concat()).assert_exit(0);
    let absent = sandbox.run(
        "backup",
        &[&verify[..], &["--identity", "fake.txt"]].concat(),
    );
    absent.assert_exit(2).assert_says("age-plugin-fake");
}
