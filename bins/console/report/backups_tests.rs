use pgbelay_core::clock::Timestamp;
use pgbelay_core::ident::TableName;
use pgbelay_core::model::backup::{BackupKind, TableFacts, Unreadable, VerifyLevel};
use serde_json::{Value, json};

use super::*;
use crate::report::lines;
use crate::target::Target;

fn facts() -> BackupFacts {
    let at = Timestamp::from_timestamp(1_795_256_100, 0).unwrap();
    let table = |name: &str, rows| TableFacts {
        table: TableName::new("public", name),
        rows,
        chunks: 1,
    };
    BackupFacts {
        id: "20261121T101500Z-prerollback-0042-7f3a9c".parse().unwrap(),
        kind: BackupKind::Prerollback,
        complete: true,
        started: at,
        finished: Some(at),
        database: "shop\x1b[31m".into(),
        name: None,
        reason: Some("a bad release".into()),
        revision: Some("0042".parse().unwrap()),
        target: Some("0041".parse().unwrap()),
        continues: None,
        server_version: "18.1".into(),
        whole: false,
        tables: vec![table("orders", 1_000), table("users", 234)],
        skipped: Vec::new(),
        bytes: 1_400_000,
        objects: 4,
        recipients: vec!["age1abc".into()],
        passphrases: 0,
        manifest: None,
        verified: Some((VerifyLevel::Decrypted, at)),
        failed: None,
        pinned: true,
        signer: None,
        signature: None,
    }
}

fn listing() -> Listing {
    Listing {
        backups: vec![facts()],
        unreadable: Vec::new(),
    }
}

#[test]
fn what_cannot_be_read_is_a_row_with_its_path() {
    let mut listing = listing();
    listing.unreadable.push(Unreadable {
        id: "20260101T000000Z-manual-aaaaaa".parse().ok(),
        database: "crm".into(),
        place: "backups/crm/20260101T000000Z-manual-aaaaaa".into(),
        why: "it is no plain file\x1b[31m".into(),
    });
    let list = human_listing(&listing);
    assert!(
        list.contains("backups/crm/2026") && !list.contains('\x1b'),
        "{list}"
    );
    let document = lines::document(&wire_listing(&listing), &Target::default());
    let value: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(value["backups"][1]["state"], "unreadable");
    assert_eq!(
        value["backups"][1]["path"],
        "backups/crm/20260101T000000Z-manual-aaaaaa"
    );
}

#[test]
fn the_list_has_the_promised_fields() {
    let document = lines::document(&wire_listing(&listing()), &Target::default());
    let value: Value = serde_json::from_str(&document).unwrap();
    let expected = json!({
        "id": "20261121T101500Z-prerollback-0042-7f3a9c",
        "kind": "prerollback",
        "state": "complete",
        "created_at": "2026-11-21T10:15:00Z",
        "database": "shop\u{1b}[31m",
        "revision": "0042",
        "tables": 2,
        "rows": 1234,
        "bytes": 1_400_000,
        "verified": {"level": "decrypted", "at": "2026-11-21T10:15:00Z"},
        "verification_failed": null,
        "pinned": true,
        "signer": null,
    });
    assert_eq!(value["backups"], json!([expected]));
    assert_eq!(value["schema"], 1);
}

#[test]
fn one_backup_adds_to_the_fields_of_the_list() {
    let value: Value =
        serde_json::from_str(&lines::document(&wire_one(&facts()), &Target::default())).unwrap();
    assert_eq!(value["tables"], 2);
    assert_eq!(
        value["contents"][0],
        json!({"table": "public.orders", "rows": 1000, "chunks": 1})
    );
    assert_eq!(value["target"], "0041");
}

#[test]
fn for_people() {
    let list = human_listing(&listing());
    let one = human_one(&facts(), Paint::new(false));
    for text in [&list, &one] {
        assert!(!text.contains('\x1b') && text.contains("1.4 MB"), "{text}");
    }
    assert!(list.contains("1,234") && list.contains("pinned"), "{list}");
    assert!(
        one.contains("a bad release") && one.contains("public.users"),
        "{one}"
    );
}
