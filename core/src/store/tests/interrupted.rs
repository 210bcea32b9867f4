//! Stopped at any point, a backup is incomplete and never restored by mistake.

use std::fs;

use crate::error::Result;
use crate::model::backup::Compression;
use crate::model::backup::VerifyLevel;
use crate::store::Writer;
use crate::store::tests::fixture::Fixture;
use crate::store::tests::fixture::commit_facts;
use crate::store::tests::fixture::fill;
use crate::store::tests::fixture::on_disk;
use crate::store::tests::fixture::sequences;
use crate::store::tests::fixture::tables;

/// Checks that there is one backup and that it counts as incomplete.
fn incomplete(fixture: &Fixture, id: &str) {
    let [facts] = &fixture.store.list(None).unwrap()[..] else {
        panic!("one backup was begun");
    };
    assert_eq!(facts.id.as_str(), id);
    assert!(!facts.complete);
    assert_eq!(facts.database, "shop / ä");
    assert_eq!(facts.kind.as_str(), "prerollback");
    let error = fixture.store.find(id, None).unwrap_err();
    assert_eq!(error.kind().exit_code(), 6);
    assert!(error.to_string().contains("incomplete"), "{error}");
    assert!(fixture.store.find("latest", None).is_err());
    fixture.store.remove(facts).unwrap();
    assert!(fixture.store.list(None).unwrap().is_empty());
}

#[test]
fn killed_between_any_two_steps() {
    type Step = fn(&mut Writer) -> Result<()>;
    let steps: [Step; 4] = [
        |_| Ok(()),
        |w| w.schema(b"", b""),
        |w| w.sequences(&sequences()),
        |w| {
            fill(w);
            Ok(())
        },
    ];
    for step in steps {
        let fixture = Fixture::new();
        let mut writer = fixture.begin(Compression::Zstd(1));
        step(&mut writer).unwrap();
        let id = writer.id().to_string();
        std::mem::forget(writer);
        incomplete(&fixture, &id);
    }
}

#[test]
fn killed_within_a_part() {
    let fixture = Fixture::new();
    let mut writer = fixture.begin(Compression::None);
    let id = writer.id().to_string();
    let (part, rows) = tables().remove(0);
    let mut out = writer.part(part).unwrap();
    out.rows(rows.concat().as_bytes()).unwrap();
    std::mem::forget(out);
    std::mem::forget(writer);
    incomplete(&fixture, &id);
}

#[test]
fn killed_before_the_rename_or_while_deleting() {
    let fixture = Fixture::new();
    let facts = fixture.backup(Compression::Zstd(1));
    let folder = fixture.folder(&facts);
    let partial = folder.with_extension("partial");
    fs::rename(&folder, &partial).unwrap();
    let found = &fixture.store.list(None).unwrap()[0];
    assert!(!found.complete && found.started == facts.started);
    let error = fixture
        .store
        .find(partial.to_str().unwrap(), None)
        .unwrap_err();
    assert_eq!(error.kind().exit_code(), 6);
    fs::rename(&partial, &folder).unwrap();
    fs::remove_file(folder.join("manifest.json")).unwrap();
    fs::remove_file(folder.join("begin.json")).unwrap();
    incomplete(&fixture, facts.id.as_str());
}

#[test]
fn a_dropped_writer_leaves_nothing() {
    let fixture = Fixture::new();
    let mut writer = fixture.begin(Compression::Zstd(1));
    fill(&mut writer);
    drop(writer);
    assert!(fixture.store.list(None).unwrap().is_empty());
    // A part that was left open makes a commit impossible.
    let mut writer = fixture.begin(Compression::Zstd(1));
    drop(writer.part(tables().remove(0).0).unwrap());
    assert!(writer.commit(commit_facts()).is_err());
    assert!(fixture.store.list(None).unwrap().is_empty());
}

#[test]
fn an_object_that_reads_back_other_than_written_stops_the_commit() {
    let fixture = Fixture::new();
    let mut writer = fixture.begin(Compression::Zstd(1));
    fill(&mut writer);
    let victim = on_disk(writer.objects.folder().place()).join("data/000000.sql.zst.age");
    let mut bytes = fs::read(&victim).unwrap();
    bytes[500] ^= 1;
    fs::write(&victim, bytes).unwrap();
    let error = writer.commit(commit_facts()).unwrap_err();
    assert!(
        error.to_string().contains("data/000000.sql.zst.age"),
        "{error}"
    );
    assert!(fixture.store.list(None).unwrap().is_empty());
}

#[test]
fn nothing_is_overwritten() {
    let fixture = Fixture::new();
    let mut writer = fixture.begin(Compression::Zstd(1));
    writer.sequences(&[]).unwrap();
    let error = writer.sequences(&[]).unwrap_err();
    assert!(error.to_string().contains("seq.sql.zst.age"), "{error}");
    drop(writer);
    let mut writer = fixture.begin(Compression::Zstd(1));
    fill(&mut writer);
    fs::create_dir(on_disk(&writer.target)).unwrap();
    assert!(writer.commit(commit_facts()).is_err());
}

#[test]
fn backups_form_a_chain() {
    let fixture = Fixture::new();
    let first = fixture.backup(Compression::Zstd(1));
    let second = fixture.backup(Compression::Zstd(1));
    let path = fixture.folder(&second).join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(&first.manifest.unwrap().to_string()));
    // White space changes the digest and nothing else.
    let path = fixture.folder(&first).join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}\n")).unwrap();
    for facts in [&first, &second] {
        fixture.verify(facts, VerifyLevel::Listed).unwrap();
        let error = fixture.verify(facts, VerifyLevel::Hashed).unwrap_err();
        assert!(error.to_string().contains("manifest.json"), "{error}");
    }
    fixture.store.remove(&first).unwrap();
    fixture.verify(&second, VerifyLevel::Hashed).unwrap();
}
