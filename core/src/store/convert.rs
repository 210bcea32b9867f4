//! Between what is stored and what the rest of the toolkit works with.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::error::Result;
use crate::ident::TableName;
use crate::model::backup::Part;
use crate::model::backup::PartColumn;
use crate::model::backup::PartRole;
use crate::model::backup::SequenceState;
use crate::model::backup::Skipped;
use crate::model::backup::TableFacts;
use crate::store::age_key;
use crate::store::codec::Codec;
use crate::store::facts::CommitFacts;
use crate::store::facts::Scope;
use crate::store::facts::Selection;
use crate::store::layout;
use crate::store::rekey::wire_recipient;
use crate::store::script;
use crate::store::statement_writer::LargeObjectFacts;
use crate::store::verified::StoredPart;
use crate::store::wire;
use crate::store::wire_private;
use crate::store::writer::Writer;

/// The public facts of what `writer` wrote.
pub fn public(
    writer: &Writer,
    facts: &CommitFacts,
    previous: Option<wire::Previous>,
) -> wire::Public {
    let (full, include, exclude) = match facts.scope.selection.clone() {
        Selection::Full => (true, Vec::new(), Vec::new()),
        Selection::Patterns { include, exclude } => (false, include, exclude),
    };
    let kept = writer.parts.iter().map(table_to_wire);
    let skipped = facts.skipped.iter().map(|s| wire::Table {
        schema: s.table.schema.clone(),
        name: s.table.name.clone(),
        role: None,
        staging: None,
        rows: 0,
        chunks: 0,
        skipped: Some(s.reason.clone()),
    });
    let written = writer.objects.written();
    let begin = written.objects.get(layout::BEGIN);
    wire::Public {
        id: writer.id.to_string(),
        kind: writer.new.kind.as_str().to_owned(),
        name: writer.new.name.clone(),
        reason: writer.new.reason.clone(),
        started: wire::Time(writer.started),
        tool: wire::Tool::this(),
        database: wire::Database {
            name: writer.new.database.clone(),
            encoding: facts.encoding.clone(),
            collation: facts.collation.clone(),
            bytes: facts.database_bytes,
        },
        server: wire::Server {
            version: facts.server_version.clone(),
            system_identifier: facts.system_identifier.clone(),
            standby: facts.standby,
        },
        revision: facts.revision.as_ref().map(ToString::to_string),
        target: facts.target.as_ref().map(ToString::to_string),
        continues: facts.continues.as_ref().map(ToString::to_string),
        scope: wire::Scope {
            full,
            include,
            exclude,
            schema_only: facts.scope.schema_only,
            data_only: facts.scope.data_only,
        },
        tables: Some(kept.chain(skipped).collect()),
        compression: wire::Compression {
            method: writer.objects.codec().word().to_owned(),
            level: (writer.objects.codec() != Codec::None).then_some(writer.objects.level()),
        },
        recipients: writer
            .operators
            .operators()
            .iter()
            .map(wire_recipient)
            .collect(),
        identity_sha256: age_key::public_digest(writer.objects.recipient()).to_string(),
        begin_sha256: begin.map(|(_, digest)| digest.to_string()),
        previous,
    }
}

fn table_to_wire(stored: &StoredPart) -> wire::Table {
    let role = stored.part.role;
    wire::Table {
        schema: stored.part.table.schema.clone(),
        name: stored.part.table.name.clone(),
        role: (role != PartRole::Rows).then(|| role.as_str().to_owned()),
        staging: stored.staging.as_ref().map(|t| t.name.clone()),
        rows: stored.rows,
        chunks: stored.chunks.len() as u64,
        skipped: None,
    }
}

/// The tables kept and those left out. A table kept in several parts counts once: with the rows
/// that were saved for it, not with the keys and changes noted beside them.
pub fn tables(public: &wire::Public) -> (Vec<TableFacts>, Vec<Skipped>) {
    let mut kept: BTreeMap<TableName, (bool, TableFacts)> = BTreeMap::new();
    let mut skipped = Vec::new();
    for entry in public.tables.iter().flatten() {
        let table = TableName::new(&entry.schema, &entry.name);
        if let Some(reason) = entry.skipped.clone() {
            skipped.push(Skipped { table, reason });
            continue;
        }
        let saved = matches!(entry.role.as_deref(), None | Some("values"));
        let (any_saved, facts) = kept.entry(table.clone()).or_insert_with(|| {
            let (rows, chunks) = (0, 0);
            (
                false,
                TableFacts {
                    table,
                    rows,
                    chunks,
                },
            )
        });
        if saved && !*any_saved {
            (*any_saved, facts.rows) = (true, 0);
        }
        if saved == *any_saved {
            facts.rows += entry.rows;
        }
        facts.chunks += entry.chunks;
    }
    (
        kept.into_values().map(|(_, facts)| facts).collect(),
        skipped,
    )
}

/// A part as it is stored.
pub fn part_to_wire(stored: &StoredPart) -> wire_private::Part {
    let column = |c: &PartColumn| wire_private::Column {
        name: c.name.clone(),
        type_name: c.type_name.clone(),
    };
    let slice = |(object, rows): &(String, u64)| wire_private::Slice {
        object: object.clone(),
        rows: *rows,
    };
    wire_private::Part {
        schema: stored.part.table.schema.clone(),
        table: stored.part.table.name.clone(),
        role: stored.part.role.as_str().to_owned(),
        columns: stored.part.columns.iter().map(column).collect(),
        key: stored.part.key.clone(),
        staging: stored.staging.as_ref().map(|t| t.name.clone()),
        rows: stored.rows,
        row_hash: format!("{:032x}", stored.row_hash),
        chunks: stored.chunks.iter().map(slice).collect(),
    }
}

/// A part as it was stored.
pub fn part_from_wire(part: &wire_private::Part) -> Result<StoredPart> {
    let role = PartRole::ALL.into_iter().find(|r| r.as_str() == part.role);
    let role = role.ok_or_else(|| Error::damaged("a part has a role this version doesn't know"))?;
    let row_hash = u128::from_str_radix(&part.row_hash, 16);
    let column = |c: &wire_private::Column| PartColumn {
        name: c.name.clone(),
        type_name: c.type_name.clone(),
    };
    let staging = part.staging.as_ref();
    Ok(StoredPart {
        part: Part {
            table: TableName::new(&part.schema, &part.table),
            role,
            columns: part.columns.iter().map(column).collect(),
            key: part.key.clone(),
        },
        staging: staging.map(|name| TableName::new(script::STAGING_SCHEMA, name)),
        rows: part.rows,
        row_hash: row_hash.map_err(|_| Error::damaged("a part has an invalid row hash"))?,
        chunks: part
            .chunks
            .iter()
            .map(|c| (c.object.clone(), c.rows))
            .collect(),
    })
}

/// The state of a sequence as it is stored.
pub fn sequence_to_wire(state: &SequenceState) -> wire_private::Sequence {
    wire_private::Sequence {
        schema: state.name.schema.clone(),
        name: state.name.name.clone(),
        last_value: state.last_value,
        is_called: state.is_called,
    }
}

/// The state of a sequence as it was stored.
pub fn sequence_from_wire(state: &wire_private::Sequence) -> SequenceState {
    SequenceState {
        name: TableName::new(&state.schema, &state.name),
        last_value: state.last_value,
        is_called: state.is_called,
    }
}

/// What the large objects are, as it was stored.
pub fn large_objects(private: &wire_private::Private) -> Result<Option<LargeObjectFacts>> {
    let stored = private.large_objects.as_ref();
    let facts = |stored: &wire_private::LargeObjects| {
        Ok(LargeObjectFacts {
            count: stored.count,
            bytes: stored.bytes,
            hash: u128::from_str_radix(&stored.hash, 16)
                .map_err(|_| Error::damaged("the hash of large objects is invalid"))?,
        })
    };
    stored.map(facts).transpose()
}

/// What was told at the commit, as it was stored.
pub fn commit_facts(private: &wire_private::Private) -> Result<CommitFacts> {
    let public = &private.public;
    let revision = |text: &Option<String>| text.as_deref().map(str::parse).transpose();
    let selection = if public.scope.full {
        Selection::Full
    } else {
        Selection::Patterns {
            include: public.scope.include.clone(),
            exclude: public.scope.exclude.clone(),
        }
    };
    Ok(CommitFacts {
        revision: revision(&public.revision)?,
        target: revision(&public.target)?,
        continues: public.continues.as_deref().map(str::parse).transpose()?,
        server_version: public.server.version.clone(),
        system_identifier: public.server.system_identifier.clone(),
        encoding: public.database.encoding.clone(),
        collation: public.database.collation.clone(),
        database_bytes: public.database.bytes,
        standby: public.server.standby,
        scope: Scope {
            selection,
            schema_only: public.scope.schema_only,
            data_only: public.scope.data_only,
        },
        skipped: tables(public).1,
        settings: private.settings.clone(),
        pg_dump_version: private.pg_dump_version.clone(),
        extensions: private.extensions.clone(),
        details: private.details.clone(),
    })
}
