//! What was written comes back, whatever the compression.

use std::os::unix::fs::PermissionsExt as _;

use crate::model::backup::BackupKind;
use crate::model::backup::Compression;
use crate::model::backup::PartRole;
use crate::model::backup::VerifyLevel;
use crate::model::event::Silent;
use crate::store::Backup;
use crate::store::Identities;
use crate::store::RowHash;
use crate::store::Store;
use crate::store::Verified;
use crate::store::Writer;
use crate::store::layout::Object;
use crate::store::sums;
use crate::store::tests::fixture::Fixture;
use crate::store::tests::fixture::commit_facts;
use crate::store::tests::fixture::files;
use crate::store::tests::fixture::fill;
use crate::store::tests::fixture::sequences;
use crate::store::tests::fixture::tables;

#[test]
fn everything_comes_back() {
    for compression in [
        Compression::Zstd(1),
        Compression::Gzip(2),
        Compression::None,
    ] {
        let fixture = Fixture::new();
        let facts = fixture.backup(compression);
        let verified = fixture.verify(&facts, VerifyLevel::Decrypted).unwrap();
        for (number, (part, rows)) in tables().into_iter().enumerate() {
            let stored = &verified.parts()[number];
            assert_eq!(stored.part, part);
            let mut hash = RowHash::default();
            for row in &rows {
                hash.add(row.trim_end_matches('\n').as_bytes());
            }
            assert_eq!(stored.row_hash, hash.value());
            let mut read = Vec::new();
            let mut sink = |block: &[u8]| {
                read.extend_from_slice(block);
                Ok(())
            };
            assert_eq!(verified.read(number, &mut sink).unwrap(), rows.len() as u64);
            assert!(read == rows.concat().as_bytes(), "{}", part.table);
        }
        assert!(verified.parts()[0].chunks.len() > 1, "{compression:?}");
        let (pre, post) = verified.schema().unwrap().unwrap();
        assert_eq!(pre, "CREATE TABLE a ();\n");
        assert_eq!(post, "CREATE INDEX i ON a (b);\n");
        assert_eq!(verified.sequences().unwrap(), sequences());
        assert_eq!(verified.commit_facts().unwrap(), &commit_facts());
        assert_eq!(verified.details(), &commit_facts().details);
    }
}

#[test]
fn small_parts_share_chunks_and_chunks_end_near_their_limit() {
    let fixture = Fixture::new();
    let facts = fixture.backup(Compression::None);
    let verified = fixture.verify(&facts, VerifyLevel::Decrypted).unwrap();
    let small = &verified.parts()[1..];
    let mut chunks: Vec<&str> = small.iter().map(|p| p.chunks[0].0.as_str()).collect();
    chunks.dedup();
    assert!(small.iter().all(|p| p.chunks.len() == 1));
    assert!(chunks.len() > 1 && chunks.len() < 8, "{chunks:?}");
    for (name, bytes) in files(&fixture.folder(&facts)) {
        assert!(bytes.len() < 64 * 1024 + 300 * 1024, "{name}");
    }
}

#[test]
fn facts_say_what_was_told() {
    let fixture = Fixture::new();
    let made = fixture.backup(Compression::Zstd(1));
    let [listed] = &fixture.store.list(Some("shop / ä")).unwrap()[..] else {
        panic!("one backup was made");
    };
    for facts in [&made, listed] {
        assert!(facts.complete && facts.pinned);
        assert_eq!(facts.kind, BackupKind::Prerollback);
        assert_eq!(facts.database, "shop / ä");
        assert_eq!(facts.name.as_deref(), Some("before the sale"));
        assert_eq!(facts.revision, Some("0042".parse().unwrap()));
        assert_eq!(facts.target, Some("0041".parse().unwrap()));
        assert_eq!(facts.recipients, ["alice"]);
        assert_eq!(facts.skipped.len(), 1);
        assert_eq!(facts.tables.len(), 15);
        let big = facts.tables.iter().find(|t| t.table.name == "big").unwrap();
        assert_eq!(big.rows, 12_002);
        assert_eq!(facts.verified, None);
    }
    assert_eq!(fixture.store.list(Some("other")).unwrap().len(), 0);
    assert!(made.id.as_str().contains("Z-prerollback-0042-"));
}

#[test]
fn the_folder_holds_what_the_format_says_and_nothing_readable() {
    let fixture = Fixture::new();
    let facts = fixture.backup(Compression::None);
    let folder = fixture.folder(&facts);
    let files = files(&folder);
    let digests = sums::parse(&files["SHA256SUMS"]).unwrap();
    for (name, bytes) in &files {
        let object = Object::of(name).unwrap();
        assert_eq!(digests.contains_key(name), object.is_summed(), "{name}");
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains("AGE-SECRET-KEY"), "{name}");
        assert!(!text.contains("COPY "), "{name}");
        let mode = std::fs::metadata(folder.join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    for name in ["", "data", "keys", "..", "../.."] {
        let mode = std::fs::metadata(folder.join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700, "{name}");
    }
    assert_eq!(facts.objects, digests.len() as u64 + 2);
    let manifest = String::from_utf8_lossy(&files["manifest.json"]);
    let public = fixture.recipient.split(' ').next().unwrap();
    assert!(!manifest.contains(public));
    let restore = String::from_utf8_lossy(&files["RESTORE.txt"]);
    let update = "UPDATE \"public\".\"big\" AS live SET \"noise\" = saved.\"noise\" \
                  FROM \"pgbelay_saved\".\"public.big.values\" AS saved \
                  WHERE live.\"id\" = saved.\"id\";";
    assert!(restore.contains(update), "{restore}");
}

#[test]
fn backups_are_found_by_id_prefix_latest_and_path() {
    let fixture = Fixture::new();
    let first = fixture.backup(Compression::Zstd(1));
    let second = fixture.backup(Compression::Zstd(1));
    let find = |selector: &str| {
        fixture
            .store
            .find(selector, None)
            .map(|b| b.facts().id.clone())
    };
    assert_eq!(find(first.id.as_str()).unwrap(), first.id);
    assert_eq!(find("latest").unwrap(), second.id);
    let folder = fixture.folder(&first);
    assert_eq!(find(folder.to_str().unwrap()).unwrap(), first.id);
    assert_eq!(
        find(folder.join("manifest.json").to_str().unwrap()).unwrap(),
        first.id
    );
    let ambiguous = find("2").unwrap_err();
    assert_eq!(ambiguous.kind().exit_code(), 2);
    assert!(ambiguous.hints()[0].contains(first.id.as_str()));
    for unknown in ["", "x", "/nowhere", "../nowhere"] {
        assert_eq!(
            find(unknown).unwrap_err().kind().exit_code(),
            2,
            "{unknown}"
        );
    }
    let most = &first.id.as_str()[..first.id.as_str().len() - 1];
    assert_eq!(find(most).unwrap(), first.id);
}

#[test]
fn verifications_and_pins_are_remembered() {
    let fixture = Fixture::new();
    let facts = fixture.backup(Compression::Zstd(1));
    let verified = fixture.verify(&facts, VerifyLevel::Decrypted).unwrap();
    let backup = verified.backup();
    backup
        .record_verification(VerifyLevel::Hashed, true, "a@b", None)
        .unwrap();
    backup
        .record_verification(VerifyLevel::Decrypted, true, "a@b", None)
        .unwrap();
    backup
        .record_verification(VerifyLevel::Restored, false, "a@b", Some("15"))
        .unwrap();
    backup
        .record_verification(VerifyLevel::Hashed, true, "a@b", None)
        .unwrap();
    let now = || fixture.store.list(None).unwrap().remove(0);
    assert_eq!(now().verified.unwrap().0, VerifyLevel::Decrypted);
    backup.unpin().unwrap();
    assert!(!now().pinned);
    backup
        .pin("kept", "a@b", Some(crate::clock::now()))
        .unwrap();
    assert!(!now().pinned);
    backup.pin("kept", "a@b", None).unwrap();
    assert!(now().pinned);
    fixture.verify(&facts, VerifyLevel::Decrypted).unwrap();
    fixture.store.remove(&now()).unwrap();
    assert!(fixture.store.list(None).unwrap().is_empty());
}

#[test]
fn without_recipients_or_with_a_bad_level_nothing_is_written() {
    let fixture = Fixture::new();
    let mut writer = fixture.begin(Compression::Zstd(1));
    fill(&mut writer);
    let mut new = writer.new.clone();
    drop(writer);
    new.recipients.clear();
    let error = fixture.store.begin(new.clone()).err().unwrap();
    assert_eq!(error.kind().exit_code(), 2);
    assert!(error.hints()[0].contains("backup keygen"));
    new.recipients = vec!["age1nonsense".to_owned()];
    assert_eq!(
        fixture
            .store
            .begin(new.clone())
            .err()
            .unwrap()
            .kind()
            .exit_code(),
        2
    );
    new.recipients = vec![fixture.recipient.clone()];
    new.compression = Compression::Gzip(11);
    assert_eq!(
        fixture.store.begin(new).err().unwrap().kind().exit_code(),
        2
    );
    assert!(fixture.store.list(None).unwrap().is_empty());
}

#[test]
fn rows_that_would_break_out_of_copy_are_refused() {
    let fixture = Fixture::new();
    for bad in ["1", "1\n\\.\n2\n"] {
        let mut writer = fixture.begin(Compression::None);
        let (part, _) = tables().remove(0);
        assert!(writer.part(part).unwrap().rows(bad.as_bytes()).is_err());
        assert!(writer.part(tables().remove(1).0).is_err());
        assert!(writer.commit(commit_facts()).is_err());
    }
    let mut writer = fixture.begin(Compression::None);
    for role in [PartRole::Rows, PartRole::Values] {
        let (mut part, _) = tables().remove(0);
        part.role = role;
        writer.part(part.clone()).unwrap().finish().unwrap();
        let twice = writer.part(part);
        assert_eq!(twice.is_ok(), role == PartRole::Values);
        twice.map(|p| p.finish().unwrap()).ok();
    }
    drop(writer);
    assert!(fixture.store.list(None).unwrap().is_empty());
}

#[test]
fn all_can_be_moved_to_a_blocking_thread() {
    fn movable<T: Send>() {}
    movable::<Store>();
    movable::<Writer>();
    movable::<Backup>();
    movable::<Identities>();
    movable::<Verified>();
}

#[test]
fn an_unverified_backup_gives_nothing() {
    let fixture = Fixture::new();
    let facts = fixture.backup(Compression::Zstd(1));
    let backup = fixture.store.find(facts.id.as_str(), None).unwrap();
    let verified = backup
        .verify(VerifyLevel::Hashed, &fixture.identities(), &Silent)
        .unwrap();
    assert!(verified.parts().is_empty() && verified.schema().is_err());
    assert!(verified.read(0, &mut |_| Ok(())).is_err());
}

#[test]
fn several_lanes_fill_one_backup() {
    let fixture = Fixture::new();
    let mut writer = fixture.begin(Compression::Zstd(1));
    let tables = tables();
    let rows_only = tables.iter().filter(|(p, _)| p.role == PartRole::Rows);
    let rows_only: Vec<_> = rows_only.collect();
    let first = writer.reserve_chunks(rows_only.len() as u32 * 2);
    let mut headings = Vec::new();
    for (part, _) in &rows_only {
        headings.push(writer.announce(part.clone()).unwrap());
    }
    // Each part in two slices, each slice in a thread of its own.
    let slice = |number: usize, half: usize| {
        let mut lane = writer.lane();
        let (heading, rows) = (headings[number].clone(), &rows_only[number].1);
        let middle = rows.len() / 2;
        let rows = if half == 0 {
            &rows[..middle]
        } else {
            &rows[middle..]
        };
        move || {
            let chunk = first + (number * 2 + half) as u32;
            lane.begin(heading, Some(chunk), false).unwrap();
            for row in rows {
                // In pieces, too.
                let (head, tail) = row.as_bytes().split_at(row.len() / 2);
                lane.row(head, false).unwrap();
                lane.row(tail, true).unwrap();
            }
            let saved = lane.end().unwrap();
            lane.close().unwrap();
            saved
        }
    };
    let saved: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..rows_only.len())
            .map(|number| [0, 1].map(|half| scope.spawn(slice(number, half))))
            .collect();
        let joined = threads
            .into_iter()
            .map(|pair| pair.map(|t| t.join().unwrap()));
        joined.collect()
    });
    for (heading, slices) in headings.iter().zip(saved) {
        writer.saved(heading, slices.to_vec());
    }
    let facts = writer.commit(commit_facts()).unwrap();
    let verified = fixture.verify(&facts, VerifyLevel::Decrypted).unwrap();
    for (number, (_, rows)) in rows_only.iter().enumerate() {
        let mut found = Vec::new();
        let mut sink = |bytes: &[u8]| {
            found.extend_from_slice(bytes);
            Ok(())
        };
        verified.read(number, &mut sink).unwrap();
        assert!(found == rows.concat().as_bytes(), "{number}");
    }
}
