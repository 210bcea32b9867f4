//! A store in a folder of its own, an operator, and a backup with something of everything.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use crate::error::Result;
use crate::ident::TableName;
use crate::model::ask::Nobody;
use crate::model::backup::BackupFacts;
use crate::model::backup::BackupKind;
use crate::model::backup::Compression;
use crate::model::backup::Part;
use crate::model::backup::PartColumn;
use crate::model::backup::PartRole;
use crate::model::backup::SequenceState;
use crate::model::backup::Skipped;
use crate::model::backup::VerifyLevel;
use crate::model::event::Silent;
use crate::model::location::Location;
use crate::store::CommitFacts;
use crate::store::Identities;
use crate::store::NewBackup;
use crate::store::Place;
use crate::store::Scope;
use crate::store::Selection;
use crate::store::Store;
use crate::store::Verified;
use crate::store::Writer;
use crate::store::chunk::Limits;
use crate::store::keygen;

/// A folder that is removed with it.
pub struct Fixture {
    pub root: PathBuf,
    pub store: Store,
    pub recipient: String,
    pub identity: PathBuf,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

impl Fixture {
    pub fn new() -> Self {
        let root =
            std::env::temp_dir().join(format!("pgbelay-store-{:016x}", rand::random::<u64>()));
        let identity = root.join("keys").join("identity.txt");
        let recipient = keygen::generate(&identity).unwrap();
        Self {
            store: {
                let place = root.join("backups").to_str().unwrap().to_owned();
                let variables = Vec::new();
                Store::open(&Location { place, variables }).unwrap()
            },
            recipient: format!("{recipient} alice"),
            identity,
            root,
        }
    }

    pub fn begin(&self, compression: Compression) -> Writer {
        let mut writer = self
            .store
            .begin(NewBackup {
                kind: BackupKind::Prerollback,
                label: Some("0042".to_owned()),
                name: Some("before the sale".to_owned()),
                reason: None,
                database: "shop / ä".to_owned(),
                recipients: vec![self.recipient.clone()],
                signing_key: None,
                compression,
                actor: "alice@host".to_owned(),
            })
            .unwrap();
        writer.limits = Limits {
            chunk: 64 * 1024,
            small: 16 * 1024,
            shared: 32 * 1024,
        };
        writer.lane = writer.lane();
        writer
    }

    /// A complete backup of [`tables`], with schema and sequences.
    pub fn backup(&self, compression: Compression) -> BackupFacts {
        let mut writer = self.begin(compression);
        fill(&mut writer);
        writer.commit(commit_facts()).unwrap()
    }

    pub fn folder(&self, facts: &BackupFacts) -> PathBuf {
        let backup = self.store.find(facts.id.as_str(), None).unwrap();
        on_disk(backup.place()).to_owned()
    }

    pub fn identities(&self) -> Identities {
        Identities::load(std::slice::from_ref(&self.identity), Arc::new(Nobody)).unwrap()
    }

    pub fn verify(&self, facts: &BackupFacts, level: VerifyLevel) -> Result<Verified> {
        let backup = self.store.find(facts.id.as_str(), None)?;
        backup.verify(level, &self.identities(), &Silent)
    }
}

/// Writes everything that a backup can hold.
pub fn fill(writer: &mut Writer) {
    for (part, rows) in tables() {
        let mut out = writer.part(part).unwrap();
        // Uneven blocks, so that their borders lie anywhere.
        for block in rows.chunks(1000) {
            out.rows(block.concat().as_bytes()).unwrap();
        }
        assert_eq!(out.finish().unwrap(), rows.len() as u64);
    }
    writer
        .schema(b"CREATE TABLE a ();\n", b"CREATE INDEX i ON a (b);\n")
        .unwrap();
    writer.sequences(&sequences()).unwrap();
}

pub fn sequences() -> Vec<SequenceState> {
    vec![SequenceState {
        name: TableName::new("public", "it's \\ a \"seq\""),
        last_value: -7,
        is_called: true,
    }]
}

pub fn commit_facts() -> CommitFacts {
    CommitFacts {
        revision: Some("0042".parse().unwrap()),
        target: Some("0041".parse().unwrap()),
        continues: None,
        server_version: "15.18".to_owned(),
        system_identifier: "7".to_owned(),
        encoding: "UTF8".to_owned(),
        collation: "C".to_owned(),
        database_bytes: 12,
        standby: false,
        scope: Scope {
            selection: Selection::Full,
            schema_only: false,
            data_only: false,
        },
        skipped: vec![Skipped {
            table: TableName::new("public", "far"),
            reason: "foreign table".to_owned(),
        }],
        settings: vec![("DateStyle".to_owned(), "ISO".to_owned())],
        pg_dump_version: Some("15.18".to_owned()),
        extensions: vec![("plpgsql".to_owned(), "1.0".to_owned())],
        details: json!({ "plan": [1, "two"] }),
    }
}

/// A large part, many small ones in every role, an empty one, one without columns.
pub fn tables() -> Vec<(Part, Vec<String>)> {
    let mut tables = Vec::new();
    // Rows that can't be compressed away, so that several chunks are needed.
    let mut state = 1_u64;
    let mut noise = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state
    };
    let big = (0..12_000).map(|i| format!("{i}\t{:016x}{:016x}\n", noise(), noise()));
    tables.push((part("big", PartRole::Rows, &["id", "noise"]), big.collect()));
    for i in 0..12 {
        let rows = (0..i * 20).map(|row| format!("{row}\t\\N {i} {}\n", "x".repeat(80)));
        let name = format!("small \"{i};\n");
        tables.push((
            part(&name, PartRole::Rows, &["a\"b", "c;\nd"]),
            rows.collect(),
        ));
    }
    for role in PartRole::ALL.into_iter().filter(|r| *r != PartRole::Rows) {
        let rows = vec!["1\t\\\\.\n".to_owned(), "2\t\n".to_owned()];
        tables.push((part("big", role, &["id", "noise"]), rows));
    }
    tables.push((
        part("big", PartRole::Effects, &["id", "other"]),
        vec!["9\t9\n".to_owned()],
    ));
    tables.push((part("empty", PartRole::Rows, &["id"]), Vec::new()));
    tables.push((part("bare", PartRole::Rows, &[]), vec!["\n".to_owned(); 3]));
    tables
}

fn part(name: &str, role: PartRole, columns: &[&str]) -> Part {
    let column = |name: &&str| PartColumn {
        name: (*name).to_owned(),
        type_name: "text".to_owned(),
    };
    Part {
        table: TableName::new("public", name),
        role,
        columns: columns.iter().map(column).collect(),
        key: columns.iter().take(1).map(|c| (*c).to_owned()).collect(),
    }
}

/// All files below `path`, by relative name.
pub fn files(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap().path();
            if entry.is_dir() {
                folders.push(entry);
            } else {
                let name = entry
                    .strip_prefix(path)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                found.insert(name, fs::read(&entry).unwrap());
            }
        }
    }
    found
}

/// Where `place` is on the disk.
pub fn on_disk(place: &Place) -> &Path {
    match place {
        Place::Disk(path) => path,
        Place::Bucket(prefix) => panic!("{prefix} is no folder"),
    }
}
