//! Loading saved rows into temporary tables, straight from the encrypted backups.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::ident::TableName;
use crate::model::backup::{Part, PartColumn, PartRole};
use crate::model::event::{Event, Phase};
use crate::ops::context::Context;
use crate::ops::stream;
use crate::pg::layout::Layout;
use crate::pg::reconcile::stage_name;
use crate::pg::record::TableRecord;
use crate::pg::session::Client;
use crate::pg::stage::{self, Stage};
use crate::store::Verified;

/// The verified backups of a rollback, the snapshot first.
#[derive(Clone)]
pub struct Backups {
    all: Vec<Arc<Verified>>,
    /// The most rows that are read of a part.
    sample: Option<u64>,
}

/// Where a part is: backup, number, columns in order, and the most rows that are read of it.
struct Found {
    backup: Arc<Verified>,
    part: usize,
    columns: Vec<String>,
    most: Option<u64>,
}

impl Found {
    fn part(&self) -> Option<&Part> {
        self.backup.parts().get(self.part).map(|p| &p.part)
    }

    fn part_columns(&self) -> Vec<PartColumn> {
        self.part().map(|p| p.columns.clone()).unwrap_or_default()
    }
}

impl Backups {
    /// Takes the verified backups in the order in which they were made.
    pub fn new(all: Vec<Verified>) -> Self {
        Self {
            all: all.into_iter().map(Arc::new).collect(),
            sample: None,
        }
    }

    /// The first `rows` rows of each part alone. Of parts that only make sense as a whole, which tell what
    /// was written since, there are none.
    pub fn sample(self, rows: u64) -> Self {
        Self {
            sample: Some(rows),
            ..self
        }
    }

    /// True when not all rows are read.
    pub const fn is_sample(&self) -> bool {
        self.sample.is_some()
    }

    /// The tables of which rows are left out.
    pub fn cut_short(&self) -> BTreeSet<TableName> {
        let parts = self.all.iter().flat_map(|backup| backup.parts());
        let short = parts.filter(|p| self.sample.is_some_and(|most| p.rows > most));
        short.map(|p| p.part.table.clone()).collect()
    }

    /// The snapshot.
    pub fn first(&self) -> Option<&Verified> {
        self.all.first().map(AsRef::as_ref)
    }

    /// True when rows of `table` were saved.
    pub fn hold_rows_of(&self, table: &TableName) -> bool {
        let parts = self.all.iter().flat_map(|backup| backup.parts());
        let rows = |role| [PartRole::Rows, PartRole::Values, PartRole::Changed].contains(&role);
        let mut of = parts.filter(|p| p.part.table == *table && rows(p.part.role));
        of.any(|part| part.rows > 0)
    }

    /// The materialized views of which rows were saved.
    pub fn stored_views(&self) -> Vec<TableName> {
        let parts = self.all.iter().flat_map(|backup| backup.parts());
        let stored = parts.filter(|p| self.reads(p.part.role) && p.part.role == PartRole::Stored);
        stored.map(|p| p.part.table.clone()).collect()
    }

    /// True for parts of which a sample makes sense.
    fn reads(&self, role: PartRole) -> bool {
        let whole = [
            PartRole::Keys,
            PartRole::Present,
            PartRole::Looks,
            PartRole::Stored,
        ];
        self.sample.is_none() || !whole.contains(&role)
    }

    /// The newest part of `table` in one of `roles`: saved again under the lock, it stands for
    /// what was saved before.
    fn newest(&self, table: &TableName, roles: &[PartRole]) -> Option<Found> {
        for backup in self.all.iter().rev() {
            let mut parts = backup.parts().iter().enumerate();
            let wanted = |role| roles.contains(&role) && self.reads(role);
            let found = parts.find(|(_, p)| p.part.table == *table && wanted(p.part.role));
            if let Some((part, stored)) = found {
                return Some(Found {
                    backup: Arc::clone(backup),
                    part,
                    columns: stored.part.columns.iter().map(|c| c.name.clone()).collect(),
                    most: self.sample,
                });
            }
        }
        None
    }
}

/// Loads the effects of the rollback on rows, as text.
pub async fn effects(
    ctx: &Context,
    client: &Client,
    backups: &Backups,
    index: usize,
    record: &TableRecord,
) -> Result<()> {
    let values = Values {
        role: PartRole::Effects,
        layout: Layout::of(&record.effects),
        letters: "ba",
        others: &["had", "has"],
    };
    let name = stage_name("effects", index);
    values.load(ctx, client, backups, name, record).await
}

/// Loads them once more, whether or not they are loaded. Returns besides how the values of the columns
/// `numbers` are laid out there.
pub async fn effects_again(
    ctx: &Context,
    client: &Client,
    backups: &Backups,
    index: usize,
    record: &TableRecord,
    numbers: &[i16],
) -> Result<(Stage, Layout)> {
    let name = stage_name("effects again", index);
    let found = newest_of(backups, record, PartRole::Effects)?;
    let layout = Layout::of(numbers).as_kept(&found.part_columns());
    let stage = text(ctx, client, name, record, found).await?;
    Ok((stage, layout))
}

/// Loads the converted values as the rollback left them, as text.
pub async fn left(
    ctx: &Context,
    client: &Client,
    backups: &Backups,
    index: usize,
    record: &TableRecord,
) -> Result<()> {
    let values = Values {
        role: PartRole::Left,
        layout: record.layout_of_left(),
        letters: "a",
        others: &[],
    };
    let name = stage_name("left", index);
    values.load(ctx, client, backups, name, record).await
}

/// Values that are to be laid out so.
struct Values {
    /// The part that they are in.
    role: PartRole,
    layout: Layout,
    letters: &'static str,
    /// What else is in the part.
    others: &'static [&'static str],
}

impl Values {
    /// Loads them into the table called `name`. An older version, or one that knew of more columns,
    /// may have laid them out otherwise.
    async fn load(
        self,
        ctx: &Context,
        client: &Client,
        backups: &Backups,
        name: String,
        record: &TableRecord,
    ) -> Result<()> {
        let found = newest_of(backups, record, self.role)?;
        let kept = self.layout.as_kept(&found.part_columns());
        if kept == self.layout {
            text(ctx, client, name, record, found).await?;
            return Ok(());
        }
        let as_kept = format!("{name} as kept");
        let stage = text(ctx, client, as_kept, record, found).await?;
        let layouts = (&kept, &self.layout);
        let (letters, others) = (self.letters, self.others);
        let stage = stage.laid_out(client, &name, layouts, letters, others);
        stage.await?.analyze(client).await
    }
}

/// Loads what the rows of a table looked like beside the values that went, as text, if that was kept.
pub async fn looks(
    ctx: &Context,
    client: &Client,
    backups: &Backups,
    index: usize,
    record: &TableRecord,
) -> Result<Option<Stage>> {
    let Ok(found) = newest_of(backups, record, PartRole::Looks) else {
        return Ok(None);
    };
    let name = stage_name("looks", index);
    text(ctx, client, name, record, found).await.map(Some)
}

/// Loads the keys of the rows of `table` that were there when the rollback was done, as text, if they
/// were kept and are its `key` still.
pub async fn present(
    ctx: &Context,
    client: &Client,
    backups: &Backups,
    table: &TableName,
    key: &[String],
) -> Result<Option<Stage>> {
    let found = backups.newest(table, &[PartRole::Present]);
    let Some(found) = found.filter(|found| found.columns == key) else {
        return Ok(None);
    };
    let name = "pgbelay present";
    let stage = Stage::text(client, name, &found.part_columns()).await?;
    load(ctx, client, &stage, found, table).await?;
    stage.analyze(client).await?;
    Ok(Some(stage))
}

fn newest_of(backups: &Backups, record: &TableRecord, role: PartRole) -> Result<Found> {
    let table = record.name_before();
    let found = backups.newest(&table, &[role]);
    found.ok_or_else(|| missing(&table))
}

async fn text(
    ctx: &Context,
    client: &Client,
    name: String,
    record: &TableRecord,
    found: Found,
) -> Result<Stage> {
    let stage = Stage::text(client, &name, &found.part_columns()).await?;
    load(ctx, client, &stage, found, &record.name_before()).await?;
    stage.analyze(client).await?;
    Ok(stage)
}

/// Loads the rows that were there before the rollback, with the types that `table` has now, and
/// brings them up to the moment of the lock.
pub async fn saved(
    ctx: &Context,
    client: &Client,
    backups: &Backups,
    index: usize,
    record: &TableRecord,
) -> Result<()> {
    let table = record.name_before();
    let found = backups
        .newest(&table, &[PartRole::Rows, PartRole::Values])
        .ok_or_else(|| missing(&table))?;
    let (stage, columns) = rows(ctx, client, found, stage_name("saved", index), record).await?;
    let key = record.key_names();
    if let Some(changed) = backups.newest(&table, &[PartRole::Changed]) {
        let name = stage_name("changed", index);
        let (newer, _) = rows(ctx, client, changed, name, record).await?;
        stage.overlay(client, &newer, &key, &columns).await?;
    }
    if let Some(keys) = backups.newest(&table, &[PartRole::Keys]) {
        let name = stage_name("keys", index);
        let (there, _) = rows(ctx, client, keys, name, record).await?;
        stage.keep_only(client, &there, &key).await?;
    }
    stage.analyze(client).await
}

/// Loads the rows that were there before the rollback under the names and types that their columns
/// had then, whatever became of the table, and brings them up to the moment of the lock. Returns
/// the names; `None`: no rows were saved.
pub async fn as_saved(
    ctx: &Context,
    client: &Client,
    backups: &Backups,
    index: usize,
    table: &TableName,
) -> Result<Option<(Stage, Vec<String>)>> {
    let Some(found) = backups.newest(table, &[PartRole::Rows, PartRole::Values]) else {
        return Ok(None);
    };
    let columns = found.columns.clone();
    let key = found.part().map(|part| part.key.clone());
    let key = key.unwrap_or_default();
    let stage = typed(ctx, client, found, stage_name("as saved", index), table).await?;
    if let Some(changed) = backups.newest(table, &[PartRole::Changed]) {
        let name = stage_name("changed as saved", index);
        let newer = typed(ctx, client, changed, name, table).await?;
        stage.overlay(client, &newer, &key, &columns).await?;
        newer.discard(client).await?;
    }
    if let Some(keys) = backups.newest(table, &[PartRole::Keys]) {
        let name = stage_name("keys as saved", index);
        let there = typed(ctx, client, keys, name, table).await?;
        stage.keep_only(client, &there, &key).await?;
        there.discard(client).await?;
    }
    Ok(Some((stage, columns)))
}

/// Loads what the materialized view `view` held.
pub async fn stored(
    ctx: &Context,
    client: &Client,
    backups: &Backups,
    view: &TableName,
) -> Result<Stage> {
    let found = backups.newest(view, &[PartRole::Stored]);
    let found = found.ok_or_else(|| missing(view))?;
    typed(ctx, client, found, "pgbelay stored".to_owned(), view).await
}

async fn typed(
    ctx: &Context,
    client: &Client,
    found: Found,
    name: String,
    table: &TableName,
) -> Result<Stage> {
    let part = found.part().ok_or_else(|| missing(table))?;
    let stage = Stage::as_saved(client, &name, &part.columns).await?;
    load(ctx, client, &stage, found, table).await?;
    Ok(stage)
}

/// Loads a part into a table called `name`, whose columns are called as those of the table are
/// now. Returns their names.
async fn rows(
    ctx: &Context,
    client: &Client,
    mut found: Found,
    name: String,
    record: &TableRecord,
) -> Result<(Stage, Vec<String>)> {
    let table = record.name_before();
    let there: Vec<Option<&str>> = found.columns.iter().map(|c| record.now(c)).collect();
    let saved = found.part_columns();
    let (stage, columns) = Stage::following(client, &name, &table, &saved, &there).await?;
    found.columns.clone_from(&columns);
    load(ctx, client, &stage, found, &table).await?;
    Ok((stage, columns))
}

fn missing(table: &TableName) -> Error {
    Error::damaged(format!(
        "the backups of this rollback hold no rows of {table}"
    ))
    .hint("all backups that the journal names are needed: `migrate history -v`")
}

/// Streams a part into a stage.
async fn load(
    ctx: &Context,
    client: &Client,
    stage: &Stage,
    found: Found,
    table: &TableName,
) -> Result<()> {
    ctx.observer.observe(Event::Progress {
        phase: Phase::Restore,
        what: table.to_string(),
        done: 0,
        total: found.backup.parts().get(found.part).map_or(0, |p| p.rows),
    });
    let Found {
        backup,
        part,
        columns,
        most,
    } = found;
    let (pieces, reading) = stream::rows(backup, part);
    let loaded = stage::fill(client, stage, &columns, pieces, most).await;
    let ended = reading.end().await;
    loaded?;
    ended
}
