//! Who can open what is saved: said with where it comes from, and asked where `.env` changed it.

use serde_json::{Value, json};

use crate::harness::Sandbox;
use crate::scenes::{shop, to};

/// Another operator's recipient, in a file.
fn other(sandbox: &Sandbox) -> String {
    let identity = sandbox.folder.join("other.txt").display().to_string();
    let made = sandbox.run("backup", &["keygen", "--output", &identity]);
    let recipient = made.last_line().to_owned();
    sandbox.write("others.txt", &format!("{recipient}\n"));
    recipient
}

fn said(sandbox: &Sandbox, tool: &str, args: &[&str], code: i32) -> Value {
    let output = sandbox.run(tool, &[args, &["--json"]].concat());
    output.assert_exit(code);
    output.events("recipients").remove(0)
}

#[test]
fn a_plan_says_who_can_open_what_is_saved_and_who_says_so() {
    let sandbox = shop();
    let recipient = sandbox.recipient.clone();
    let line = said(&sandbox, "rollback", &["to", "0001", "--dry-run"], 0);
    let shown = line["recipients"][0].as_str().unwrap();
    assert!(shown.starts_with(&recipient), "{shown}");
    let source = line["recipients_source"].as_str().unwrap();
    assert!(source.ends_with("pgbelay/recipients.txt"), "{source}");
    assert_eq!(line["before"], Value::Null);
    let output = to(&sandbox, "0001", &[]).run();
    output.assert_exit(0).assert_says(&recipient);
    output.assert_says("what is saved can be opened by");
    let line = said(&sandbox, "rollback", &["undo", "--yes"], 0);
    assert_eq!(line["added"], json!([]));
    assert_eq!(line["removed"], json!([]));
}

#[test]
fn recipients_that_dotenv_changes_are_asked_for() {
    let sandbox = shop();
    to(&sandbox, "0001", &[]).run().assert_exit(0);
    sandbox.run("rollback", &["undo", "--yes"]).assert_exit(0);
    let recipient = other(&sandbox);
    let before = sandbox.content();
    // Also where a store without any backup of this database hides the one before.
    for dotenv in [
        "PGBELAY_RECIPIENTS_FILE=others.txt\n",
        "PGBELAY_RECIPIENTS_FILE=others.txt\nPGBELAY_BACKUPS=elsewhere\n",
    ] {
        sandbox.write(".env", dotenv);
        for extra in [&[] as &[&str], &["--yes"], &["--force"]] {
            let output = to(&sandbox, "0001", extra).run();
            output.assert_exit(3).assert_says(&recipient);
            output.assert_says("PGBELAY_RECIPIENTS_FILE in .env");
            output.assert_says("--recipients-file");
        }
        assert_eq!(sandbox.content(), before);
        assert!(!sandbox.folder.join("elsewhere").exists());
    }
    sandbox.write(".env", "PGBELAY_CONFIG=theirs.toml\n");
    sandbox.write("theirs.toml", &format!("recipients = ['{recipient}']\n"));
    to(&sandbox, "0001", &[]).run().assert_exit(3);
    // A flag is the answer, and the journal knows.
    let flag = ["--recipients-file", "others.txt"];
    let output = to(&sandbox, "0001", &flag).run();
    output.assert_exit(0).assert_says("the recipients changed");
    let details = sandbox.query_text(
        "select details from pgbelay.journal where verb = 'rollback' order by sequence desc limit 1",
    );
    let details: Value = serde_json::from_str(&details).unwrap();
    assert_eq!(
        details["recipients"]["who"][0]["recipient"],
        json!(recipient)
    );
    assert!(details["recipients"]["before"].is_array(), "{details}");
    assert_eq!(
        details["recipients"]["named_by"],
        "--recipients-file others.txt"
    );
    // They are those of the newest backup now: nothing changes any more.
    sandbox.write(".env", "PGBELAY_RECIPIENTS_FILE=others.txt\n");
    let identity = ["undo", "--yes", "--identity", "other.txt"];
    sandbox.run("rollback", &identity).assert_exit(0);
}

#[test]
fn a_manual_backup_is_made_whoever_changed_them() {
    let sandbox = shop();
    sandbox.run("backup", &["create"]).assert_exit(0);
    let recipient = other(&sandbox);
    sandbox.write(".env", "PGBELAY_RECIPIENTS_FILE=others.txt\n");
    let line = said(&sandbox, "backup", &["create"], 0);
    assert_eq!(line["added"], json!([recipient]));
    let line = said(&sandbox, "backup", &["create"], 0);
    assert_eq!(line["added"], json!([]));
}
