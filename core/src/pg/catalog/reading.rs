//! A catalog that is remembered, so that the next reading need only ask for what was changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures_util::future::try_join_all;
use tokio_postgres::{Client, Row};

use crate::error::Result;
use crate::ident::Digest;
use crate::schema::{Catalog, Object, ObjectKey, ObjectKind};

use super::object;
use super::queries::{Known, MARKS, OBJECTS};

/// What a session read, and the marks by which it is told what was changed since.
#[derive(Debug, Clone)]
pub struct Reading {
    catalog: Catalog,
    fingerprint: Digest,
    /// By the oid of the relation.
    units: HashMap<u32, Unit>,
    /// The mark of all that belongs to no relation.
    others: String,
}

/// A relation with all that belongs to it.
#[derive(Debug, Clone)]
struct Unit {
    mark: String,
    keys: Vec<ObjectKey>,
}

type Objects = BTreeMap<ObjectKey, Object>;

impl Reading {
    /// What was read.
    pub const fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The fingerprint of it.
    pub const fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    /// Reads everything. Assumes what [`read`](super::read) does.
    pub async fn whole(client: &Client) -> Result<Self> {
        let known = Known::ask(client).await?;
        let marks = marks(client, &known).await?;
        Self::all(client, &known, marks).await
    }

    /// Reads again: of the relations, those that were added or changed since; everything where names
    /// may have changed that other definitions mention.
    pub async fn again(&self, client: &Client) -> Result<Self> {
        let known = Known::ask(client).await?;
        // Before the objects: what changes in between is then read once more the next time.
        let marks = marks(client, &known).await?;
        let changed = |(oid, mark): &(&u32, &String)| {
            self.units.get(*oid).is_none_or(|unit| unit.mark != **mark)
        };
        let wanted: Vec<u32> = (marks.units.iter().filter(changed))
            .map(|(oid, _)| *oid)
            .collect();
        if marks.others != self.others || wanted.len() > self.units.len() / 2 + 10 {
            return Self::all(client, &known, marks).await;
        }
        let mut read: HashMap<u32, Objects> = HashMap::new();
        if !wanted.is_empty() {
            let narrow = OBJECTS.iter().filter(|query| query.can_be_narrowed());
            let reads = narrow.map(|query| known.rows_of(client, query, &wanted));
            for row in try_join_all(reads).await?.iter().flatten() {
                let (key, object) = object(row)?;
                let oid: Option<u32> = row.get(6);
                read.entry(oid.unwrap_or_default())
                    .or_default()
                    .insert(key, object);
            }
        }
        match self.with(marks, read) {
            Ok(next) => Ok(next),
            Err(marks) => Self::all(client, &known, marks).await,
        }
    }

    /// As [`again`](Self::again), or [`whole`](Self::whole) where there is none before; within a
    /// transaction whose settings it leaves as they were.
    pub async fn aside(client: &Client, last: Option<&Self>) -> Result<Self> {
        super::aside(client, async {
            match last {
                Some(last) => last.again(client).await,
                None => Self::whole(client).await,
            }
        })
        .await
    }

    async fn all(client: &Client, known: &Known, marks: Marks) -> Result<Self> {
        let mut catalog = Catalog::default();
        let mut units = marks.without_objects();
        for row in all(client, known).await? {
            let (key, object) = object(&row)?;
            // One that is there only since the marks were read is read again the next time.
            if let Some(unit) = row
                .get::<_, Option<u32>>(6)
                .and_then(|oid| units.get_mut(&oid))
            {
                unit.keys.push(key.clone());
            }
            catalog.insert(key, object);
        }
        Ok(Self::of(catalog, units, marks.others))
    }

    fn of(catalog: Catalog, units: HashMap<u32, Unit>, others: String) -> Self {
        Self {
            fingerprint: catalog.fingerprint(),
            catalog,
            units,
            others,
        }
    }

    /// This reading with the relations `read` as they are now, and without those that have no mark
    /// any more. Gives the marks back where that may not be all.
    fn with(&self, marks: Marks, mut read: HashMap<u32, Objects>) -> Result<Self, Marks> {
        let mut fickle = None;
        for (oid, objects) in &read {
            let Some(unit) = self.units.get(oid) else {
                continue;
            };
            let change = self.change(unit, objects);
            let mut fickle = || *fickle.get_or_insert_with(|| self.has_queries());
            if change == Change::Names || change == Change::Columns && fickle() {
                return Err(marks);
            }
        }
        let mut catalog = self.catalog.clone();
        let mut units = self.units.clone();
        let stale = |oid: &u32| !marks.units.contains_key(oid) || read.contains_key(oid);
        let gone: Vec<u32> = units.keys().copied().filter(stale).collect();
        for unit in gone.iter().filter_map(|oid| units.remove(oid)) {
            for key in &unit.keys {
                catalog.remove(key);
            }
        }
        for (oid, mark) in &marks.units {
            if units.contains_key(oid) {
                continue;
            }
            let objects = read.remove(oid).unwrap_or_default();
            let unit = Unit {
                mark: mark.clone(),
                keys: objects.keys().cloned().collect(),
            };
            units.insert(*oid, unit);
            for (key, object) in objects {
                catalog.insert(key, object);
            }
        }
        Ok(Self::of(catalog, units, marks.others))
    }

    /// What became of `unit`, which now has `objects`.
    fn change(&self, unit: &Unit, objects: &Objects) -> Change {
        let was: BTreeSet<&ObjectKey> = unit.keys.iter().collect();
        let gone = || was.iter().filter(|key| !objects.contains_key(**key));
        let come = || objects.keys().filter(|key| !was.contains(key));
        let is_relation = |kind: ObjectKind| {
            use ObjectKind::{Matview, Sequence, Table, View};
            matches!(kind, Table | View | Matview | Sequence)
        };
        // What goes and what comes may be one thing with another name, which others mention.
        let renamed =
            gone().any(|old| is_relation(old.kind) || come().any(|new| new.kind == old.kind));
        // So may be what a view now calls its columns.
        let defined_anew = |key: &&ObjectKey| {
            matches!(key.kind, ObjectKind::View | ObjectKind::Matview)
                && self.catalog.get(key) != objects.get(*key)
        };
        if renamed || objects.keys().any(|key| defined_anew(&key)) {
            return Change::Names;
        }
        let column = |key: &ObjectKey| key.kind == ObjectKind::Column;
        if gone().any(|key| column(key)) || come().any(column) {
            return Change::Columns;
        }
        Change::Own
    }

    /// True where a definition is a query: the server may write it another way once a table that it
    /// reads has other columns.
    fn has_queries(&self) -> bool {
        use ObjectKind::{Function, Matview, Policy, Procedure, Rule, View};
        let mut objects = self.catalog.objects().iter();
        objects.any(|(key, object)| match key.kind {
            View | Matview | Rule | Policy => true,
            Function | Procedure => object.definition.contains("BEGIN ATOMIC"),
            _ => false,
        })
    }
}

/// What a change of one relation means for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// Nothing.
    Own,
    /// It has other columns.
    Columns,
    /// Others may be written in another way.
    Names,
}

struct Marks {
    units: HashMap<u32, String>,
    others: String,
}

impl Marks {
    fn without_objects(&self) -> HashMap<u32, Unit> {
        let units = self.units.iter();
        units
            .map(|(oid, mark)| {
                let mark = mark.clone();
                let keys = Vec::new();
                (*oid, Unit { mark, keys })
            })
            .collect()
    }
}

async fn marks(client: &Client, known: &Known) -> Result<Marks> {
    let mut marks = Marks {
        units: HashMap::new(),
        others: String::new(),
    };
    for row in known.rows(client, &MARKS).await? {
        let (oid, mark): (u32, String) = (row.get(0), row.get(1));
        if oid == 0 {
            marks.others = mark;
        } else {
            marks.units.insert(oid, mark);
        }
    }
    Ok(marks)
}

/// The rows of all queries.
pub(super) async fn all(client: &Client, known: &Known) -> Result<Vec<Row>> {
    let reads = OBJECTS.iter().map(|query| known.rows(client, query));
    let rows = try_join_all(reads).await?;
    Ok(rows.into_iter().flatten().collect())
}
