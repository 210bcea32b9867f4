//! What a rollback keeps from inside its own transaction: rows that changed between the snapshot
//! and the lock, rows that the scripts changed, and values as the scripts left them. All of it
//! goes into a second backup that continues the snapshot, durable before COMMIT.

mod shape;

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::model::backup::{BackupFacts, Part, PartColumn, PartRole};
use crate::model::event::{Event, Phase};
use crate::model::plan::{Coverage, Extent, Fate};
use crate::model::relation::{Oid, Relation, RelationKind, World};
use crate::ops::context::Context;
use crate::ops::keep::shape::{Successor, shape, successor};
use crate::ops::snapshot::{self, Purpose, Taken};
use crate::pg::as_user;
use crate::pg::capture::Captured;
use crate::pg::layout::Layout;
use crate::pg::net::{self, Net};
use crate::pg::reconcile::touched;
use crate::pg::record::{Saved, TableRecord};
use crate::pg::server::Server;
use crate::pg::session::Client;
use crate::pg::snapshot as instant;
use crate::pg::{copy, extent, lookup, replaced, value};
use crate::sql::quote;
use crate::store::{BackupKey, Store, Writer};

/// Of how many bytes a table may be of which it is kept what its rows look like: all of it is read under
/// the locks.
const SMALL: u64 = 16 << 20;

/// The second backup. It comes to nothing when there was nothing to keep.
pub struct Continuation<'a> {
    ctx: &'a Context,
    client: &'a Client,
    purpose: Purpose,
    writer: Option<Writer>,
    parts: usize,
}

impl<'a> Continuation<'a> {
    /// Nothing kept yet.
    pub const fn new(ctx: &'a Context, client: &'a Client, purpose: Purpose) -> Self {
        Self {
            ctx,
            client,
            purpose,
            writer: None,
            parts: 0,
        }
    }

    async fn keep(&mut self, part: &Part, query: String) -> Result<u64> {
        let (ctx, client) = (self.ctx, self.client);
        let writer = self.writer().await?;
        as_user::begin(client).await?;
        let rows = snapshot::save(ctx, client, writer, part, &[query], 0).await?;
        as_user::end(client).await?;
        self.parts += 1;
        Ok(rows)
    }

    /// Keeps what `query` finds, if it finds anything: looking first would read the table twice,
    /// and writers wait for it.
    async fn keep_found(&mut self, part: &Part, query: &str) -> Result<u64> {
        let client = self.client;
        let mut writer = Some(self.writer().await?);
        let mut out = None;
        let mut sink = |rows: &[u8]| {
            if let Some(writer) = writer.take() {
                out = Some(writer.part(part.clone())?);
            }
            out.as_mut().map_or(Ok(()), |out| out.rows(rows))
        };
        as_user::begin(client).await?;
        let read = copy::out(client, query, &mut sink).await;
        read.map_err(|e| e.wrap(format!("could not save {}", part.table)))?;
        as_user::end(client).await?;
        let Some(out) = out else {
            return Ok(0);
        };
        let rows = out.finish()?;
        self.parts += 1;
        Ok(rows)
    }

    async fn writer(&mut self) -> Result<&mut Writer> {
        let writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.begin().await?,
        };
        Ok(self.writer.insert(writer))
    }

    async fn begin(&self) -> Result<Writer> {
        let raw = copy::is_raw(self.client).await?;
        let mut writer = Store::open(&self.ctx.backups)?.begin(self.purpose.new.clone())?;
        if raw {
            writer.raw_rows();
        }
        Ok(writer)
    }

    /// Makes what was kept durable, and returns what opens it during this run. `None` when there was
    /// nothing to keep.
    pub fn commit(
        self,
        server: &Server,
        taken: Option<&Taken>,
    ) -> Result<Option<(BackupFacts, BackupKey)>> {
        let Some(writer) = self.writer.filter(|_| self.parts > 0) else {
            return Ok(None);
        };
        let mut facts = snapshot::commit_facts(server, &self.purpose, None);
        facts.continues = taken.map(|t| t.facts.id.clone());
        facts.scope.data_only = true;
        let key = writer.key();
        let facts = writer.commit(facts)?;
        self.ctx.observer.observe(Event::BackupComplete {
            id: facts.id.clone(),
            rows: facts.tables.iter().map(|t| t.rows).sum(),
            bytes: facts.bytes,
        });
        Ok(Some((facts, key)))
    }

    /// Saves again, under the locks, what changed since the snapshot.
    pub async fn recapture(
        &mut self,
        world: &World,
        coverage: &BTreeMap<Oid, Coverage>,
        taken: &Taken,
    ) -> Result<()> {
        self.ctx.observer.observe(Event::Phase(Phase::Recapture));
        let oids: Vec<Oid> = taken.parts.keys().copied().collect();
        if instant::files(self.client, &oids).await? != taken.files {
            return Err(Error::refused(
                "a table was truncated or rewritten by somebody else while its rows were saved",
            )
            .hint("nothing was changed by this run; run the command again"));
        }
        for (oid, part) in &taken.parts {
            let Some(coverage) = coverage.get(oid) else {
                continue;
            };
            // What scripts change row by row is recorded when it happens.
            let reshaped = !coverage.dropped.is_empty() || !coverage.retyped.is_empty();
            let truncated = coverage.extent == Extent::Full;
            if coverage.fate == Fate::Kept && !reshaped && !truncated {
                continue;
            }
            let saved = taken.rows.get(oid).copied().unwrap_or_default();
            let columns = quote::idents(part.columns.iter().map(|c| c.name.as_str()));
            let all = format!("SELECT {columns} FROM ONLY {}", quote::table(&part.table));
            if part.key.is_empty() {
                // Without a key a changed row can't be told from another: all are saved again.
                if instant::changed(self.client, &part.table, taken.xmin, saved).await? {
                    self.keep(part, all).await?;
                }
                continue;
            }
            let changed = Part {
                role: PartRole::Changed,
                ..part.clone()
            };
            let written = instant::written_since(taken.xmin);
            let query = format!("{all} WHERE {written}");
            let written = self.keep_found(&changed, &query).await?;
            // Of a table that stays, an undo looks at the rows that are there by then.
            let goes = coverage.fate != Fate::Kept || truncated;
            if goes
                && world.relations.contains_key(oid)
                && (written > 0 || instant::count(self.client, &part.table).await? != saved)
            {
                self.keys(part).await?;
            }
        }
        Ok(())
    }

    /// Remembers what must be compared with what the scripts leave, and refuses keys that a
    /// conversion would cut: the old rows could not be found by them.
    pub async fn prepare(&self, world: &World, coverage: &BTreeMap<Oid, Coverage>) -> Result<()> {
        for (oid, coverage) in coverage {
            let Some(relation) = world.relations.get(oid) else {
                continue;
            };
            if coverage.replaced {
                replaced::remember(self.client, relation).await?;
            }
            for (column, limit) in &coverage.shortened {
                if lookup::is_longer(self.client, &relation.name, column, *limit).await? {
                    return Err(Error::refused(format!(
                        "values of {}.{column} are longer than {limit} characters, and rows are \
                         told apart by them",
                        relation.name
                    ))
                    .hint(
                        "nothing was changed; shorten them first, or write what to do with USING",
                    ));
                }
            }
        }
        Ok(())
    }

    /// The keys that are there under the lock: a row of the snapshot whose key is not among them
    /// had been deleted.
    async fn keys(&mut self, part: &Part) -> Result<()> {
        let is_key = |c: &&PartColumn| part.key.contains(&c.name);
        let keys = Part {
            role: PartRole::Keys,
            columns: part.columns.iter().filter(is_key).cloned().collect(),
            ..part.clone()
        };
        let columns = quote::idents(keys.columns.iter().map(|c| c.name.as_str()));
        let query = format!("SELECT {columns} FROM ONLY {}", quote::table(&part.table));
        self.keep(&keys, query).await?;
        Ok(())
    }

    /// Keeps what the scripts did to rows, and writes down each table's shape before and after.
    pub async fn aftermath(
        &mut self,
        before: &World,
        after: &World,
        coverage: &BTreeMap<Oid, Coverage>,
        captured: &Captured,
        taken: Option<&Taken>,
    ) -> Result<Vec<TableRecord>> {
        let mut tables = Vec::new();
        for relation in before.relations.values() {
            let covered = coverage.get(&relation.oid);
            let watched = captured.tables().any(|oid| oid == relation.oid);
            if covered.is_none() && !watched {
                continue;
            }
            let saved = taken.and_then(|t| t.parts.get(&relation.oid));
            let mut successor = successor(relation, after, covered);
            let mut record = shape(relation, successor, covered, saved);
            let had_key = covered.is_some_and(|c| !c.key.is_empty());
            if let (Successor::Other(now), true, true) = (successor, had_key, record.key.is_empty())
                && !extent::empty(self.client, &[now.oid]).await?.is_empty()
            {
                // None of its rows went over: it is a table like any other that the scripts make.
                successor = Successor::None;
                record = shape(relation, successor, covered, saved);
            }
            if let Successor::Other(now) = successor {
                if record.key.is_empty() && had_key {
                    return Err(Error::refused(format!(
                        "{} was replaced by a table in which its key is another: old and new rows \
                         can't be matched",
                        relation.name
                    ))
                    .hint("nothing was changed; keep the key, or change the table in place"));
                }
                let net = replaced::net(self.client, relation, now, &record.key).await?;
                if !net.is_empty() {
                    self.effects(&mut record, &net, relation.oid).await?;
                }
            } else if record.after.is_some() && watched {
                let net = captured.net(self.client, relation.oid, &record.key).await?;
                if !net.is_empty() {
                    self.effects(&mut record, &net, relation.oid).await?;
                }
            }
            if let Some(now) = successor.relation().filter(|_| !record.retyped.is_empty()) {
                self.left(&record, now).await?;
            }
            let finds = taken.is_some() && record.finds_rows();
            if let Some(now) = successor.relation().filter(|_| finds) {
                self.looks(&record, now).await?;
            }
            let nothing = record.effects.is_empty() && !record.truncated;
            if covered.is_some() || !nothing {
                tables.push(record);
            }
        }
        Ok(tables)
    }

    async fn effects(&mut self, record: &mut TableRecord, net: &Net, oid: Oid) -> Result<()> {
        if net.truncated && record.saved != Saved::Full {
            return Err(Error::refused(format!(
                "{} was truncated without having been saved",
                record.name_before()
            )));
        }
        if record.reshaped() && record.key.is_empty() {
            return Err(Error::refused(format!(
                "{} has no key that survives, and both its columns and its rows were changed: \
                 the old rows could not be told apart",
                record.name_before()
            ))
            .hint("nothing was changed; give the table a primary key, or split the migration"));
        }
        record.truncated = net.truncated;
        record.effects.clone_from(&net.numbers);
        let column = |name: String, type_name: &str| PartColumn {
            name,
            type_name: type_name.to_owned(),
        };
        let layout = Layout::of(&net.numbers);
        let values = layout.names('b').into_iter().zip(layout.names('a'));
        let mut columns = vec![
            column("had".to_owned(), "boolean"),
            column("has".to_owned(), "boolean"),
        ];
        for name in values.flat_map(|(before, after)| [before, after]) {
            columns.push(column(name, layout.type_name()));
        }
        let names = quote::idents(columns.iter().map(|c| c.name.as_str()));
        let part = Part {
            table: record.name_before(),
            role: PartRole::Effects,
            columns,
            key: Vec::new(),
        };
        let query = format!("SELECT {names} FROM {}", net::table(oid));
        self.keep(&part, query).await?;
        Ok(())
    }

    /// Keeps the keys of the rows of `tables` as the scripts leave them, as text: only those tell, when
    /// the scripts of the way there run again, which rows were written since. Who touched a row last
    /// doesn't.
    pub async fn present(&mut self, after: &World, tables: &BTreeSet<Oid>) -> Result<()> {
        let relations = tables.iter().filter_map(|oid| after.relations.get(oid));
        for relation in relations.filter(|r| r.kind == RelationKind::Table) {
            let Some(key) = relation.keys.first() else {
                continue;
            };
            let text = |name: &String| PartColumn {
                name: name.clone(),
                type_name: "text".to_owned(),
            };
            let part = Part {
                table: relation.name.clone(),
                role: PartRole::Present,
                columns: key.iter().map(text).collect(),
                key: Vec::new(),
            };
            let text = |name: &String| value::named("t", name, &relation.columns);
            let keys: Vec<String> = key.iter().map(text).collect();
            let query = format!(
                "SELECT {} FROM ONLY {} AS t",
                keys.join(", "),
                quote::table(&relation.name)
            );
            self.keep(&part, query).await?;
        }
        Ok(())
    }

    /// Keeps what the materialized `views` hold, which nobody can write rows into, of those that take no
    /// more than `most` bytes.
    pub async fn stored(&mut self, before: &World, views: &[Oid], most: u64) -> Result<()> {
        let extents = extent::of(self.client, views).await?;
        let kept = |oid: &Oid| extents.get(oid).is_some_and(|e| e.bytes <= most);
        for oid in views.iter().filter(|oid| kept(oid)) {
            let Some(view) = before.relations.get(oid) else {
                continue;
            };
            let columns = view.columns.iter().map(snapshot::part_column);
            let part = Part {
                table: view.name.clone(),
                role: PartRole::Stored,
                columns: columns.collect(),
                key: Vec::new(),
            };
            let columns = quote::idents(view.columns.iter().map(|c| c.name.as_str()));
            let query = format!("SELECT {columns} FROM {}", quote::table(&view.name));
            self.keep(&part, query).await?;
        }
        Ok(())
    }

    /// Keeps what the rows of a small table look like beside the values that go: an undo must tell whether
    /// a row with the same key still is the one that they came from.
    async fn looks(&mut self, record: &TableRecord, now: &Relation) -> Result<()> {
        let extent = extent::of(self.client, &[now.oid]).await?;
        let small = |e: &extent::Extent| e.pages > 0 && e.bytes <= SMALL;
        let small = extent.get(&now.oid).is_some_and(small);
        let Some((names, query)) = touched::looks(record, now).filter(|_| small) else {
            return Ok(());
        };
        let text = |name: String| PartColumn {
            name,
            type_name: "text".to_owned(),
        };
        let part = Part {
            table: record.name_before(),
            role: PartRole::Looks,
            columns: names.into_iter().map(text).collect(),
            key: Vec::new(),
        };
        self.keep(&part, query).await?;
        Ok(())
    }

    /// Keeps the converted values, as text: an undo must see whether somebody has changed them
    /// since.
    async fn left(&mut self, record: &TableRecord, now: &Relation) -> Result<()> {
        if record.key.is_empty() {
            return Ok(()); // compared by all the other columns
        }
        let layout = record.layout_of_left();
        let value = |number| Some(value::named("t", record.after(number)?, &now.columns));
        let laid_out = layout.lay_out('a', value).into_iter();
        let column = |(name, value)| {
            let column = PartColumn {
                name,
                type_name: layout.type_name().to_owned(),
            };
            (column, value)
        };
        let (columns, values): (Vec<PartColumn>, Vec<String>) = laid_out.map(column).unzip();
        let part = Part {
            table: record.name_before(),
            role: PartRole::Left,
            columns,
            key: Vec::new(),
        };
        let query = format!(
            "SELECT {} FROM ONLY {} AS t",
            values.join(", "),
            quote::table(&now.name)
        );
        self.keep(&part, query).await?;
        Ok(())
    }
}
