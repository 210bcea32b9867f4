//! A catalog that is remembered, so that the next reading need only ask for what was changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures_util::future::{try_join, try_join_all, try_join3};
use tokio_postgres::{Client, Row};

use crate::error::Result;
use crate::ident::Digest;
use crate::pg::{query, settings};
use crate::schema::{Catalog, Delta, Lines, Object, ObjectKey, ObjectKind};

use super::object;
use super::queries::{Known, MARKS, OBJECTS, TOUCHED};
use super::tally::{Since, Tally};

/// What a session read, and the marks by which it is told what was changed since.
#[derive(Debug, Clone)]
pub struct Reading {
    catalog: Catalog,
    lines: Lines,
    fingerprint: Digest,
    /// By the oid of the relation.
    units: HashMap<u32, Unit>,
    /// The mark of all that belongs to no relation.
    others: String,
    known: Known,
    /// It has followed a transaction that isn't known to be committed.
    provisional: bool,
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
        Self::all(client, known, marks).await
    }

    /// A reading of the schema as it is now.
    pub async fn again(&self, client: &Client) -> Result<Self> {
        let mut now = self.clone();
        now.know(client).await?;
        now.look(client).await?;
        Ok(now)
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

    /// What the server counted so far in the open transaction. Leaves the search path pinned.
    pub async fn tally(&self, client: &Client) -> Result<Tally> {
        let path = query::run(client, settings::PATH);
        let ((), tally) = try_join(path, Tally::ask(client, &self.known)).await?;
        Ok(tally)
    }

    /// Follows what the open transaction did to the schema since `before` was counted in it, and says
    /// what. Until then the schema was as it was read: what others change at the same time is not
    /// looked for. Leaves the transaction's settings as they were.
    pub async fn follow(&mut self, client: &Client, before: &Tally) -> Result<Delta> {
        self.provisional = true;
        super::aside(client, self.changes(client, before)).await
    }

    /// Says that what was followed is committed.
    pub const fn confirm(&mut self) {
        self.provisional = false;
    }

    /// True while it has followed what may not be committed: if that comes to nothing, it is of no use
    /// any more.
    pub const fn is_provisional(&self) -> bool {
        self.provisional
    }

    async fn changes(&mut self, client: &Client, before: &Tally) -> Result<Delta> {
        let asked = try_join(
            self.known.still_holds(client),
            Tally::ask(client, &self.known),
        );
        let (still, now) = asked.await?;
        if !still {
            self.know(client).await?;
        }
        match now.since(before) {
            Since::Nothing => Ok(Delta::default()),
            Since::Written => self.touched(client).await,
            Since::Anything => self.look(client).await,
        }
    }

    /// Reads what the open transaction wrote to, where it took nothing away.
    async fn touched(&mut self, client: &Client) -> Result<Delta> {
        let rows = self.known.rows(client, &TOUCHED).await?;
        let touched: Vec<u32> = rows.iter().map(|row| row.get(0)).collect();
        if touched.contains(&0) || touched.len() > self.units.len() / 2 + 10 {
            return self.look(client).await;
        }
        let read = self.read(client, &touched).await?;
        if self.is_more(touched.iter().copied(), &read) {
            return self.look(client).await;
        }
        // Their marks aren't known: the next look at those reads them again.
        let units = touched.into_iter().map(|oid| (oid, String::new()));
        Ok(self.put(units.collect(), &[], read))
    }

    /// Reads again: of the relations, those that were added or changed since; everything where names
    /// may have changed that other definitions mention.
    async fn look(&mut self, client: &Client) -> Result<Delta> {
        // Before the objects: what changes in between is then read once more the next time.
        let marks = marks(client, &self.known).await?;
        let changed = |(oid, mark): &(&u32, &String)| {
            self.units.get(*oid).is_none_or(|unit| unit.mark != **mark)
        };
        let wanted: HashMap<u32, String> = (marks.units.iter().filter(changed))
            .map(|(oid, mark)| (*oid, mark.clone()))
            .collect();
        if marks.others == self.others && wanted.len() <= self.units.len() / 2 + 10 {
            let oids: Vec<u32> = wanted.keys().copied().collect();
            let read = self.read(client, &oids).await?;
            if !self.is_more(oids.iter().copied(), &read) {
                let gone = |oid: &&u32| !marks.units.contains_key(*oid);
                let gone: Vec<u32> = self.units.keys().filter(gone).copied().collect();
                return Ok(self.put(wanted, &gone, read));
            }
        }
        let now = Self::all(client, self.known.clone(), marks).await?;
        let delta = Delta::between(&self.catalog, &now.catalog);
        *self = Self {
            provisional: self.provisional,
            ..now
        };
        Ok(delta)
    }

    /// The objects of `relations`.
    async fn read(&self, client: &Client, relations: &[u32]) -> Result<HashMap<u32, Objects>> {
        let mut read: HashMap<u32, Objects> = HashMap::new();
        if relations.is_empty() {
            return Ok(read);
        }
        // Plans are kept: what is quick to scan while there is little to see won't stay so.
        let indexes =
            "SET LOCAL enable_seqscan = off; SET LOCAL plan_cache_mode = force_generic_plan";
        let indexes = query::run(client, indexes);
        let narrow = OBJECTS.iter().filter(|query| query.can_be_narrowed());
        let reads = try_join_all(narrow.map(|query| self.known.rows_of(client, query, relations)));
        let scans = query::run(client, "SET LOCAL enable_seqscan = on");
        let ((), rows, ()) = try_join3(indexes, reads, scans).await?;
        for row in rows.iter().flatten() {
            let (key, object) = object(row)?;
            let oid: Option<u32> = row.get(6);
            read.entry(oid.unwrap_or_default())
                .or_default()
                .insert(key, object);
        }
        Ok(read)
    }

    /// Asks what the session has ready.
    async fn know(&mut self, client: &Client) -> Result<()> {
        self.known = Known::ask(client).await?;
        Ok(())
    }

    async fn all(client: &Client, known: Known, marks: Marks) -> Result<Self> {
        let mut catalog = Catalog::default();
        let mut units = marks.without_objects();
        for row in all(client, &known).await? {
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
        let lines = Lines::of(&catalog);
        Ok(Self {
            fingerprint: lines.digest(),
            catalog,
            lines,
            units,
            others: marks.others,
            known,
            provisional: false,
        })
    }

    /// True where what was `read` may not be all that changed.
    fn is_more(
        &self,
        touched: impl IntoIterator<Item = u32>,
        read: &HashMap<u32, Objects>,
    ) -> bool {
        let nothing = Objects::new();
        let mut queries = None;
        touched.into_iter().any(|oid| {
            let Some(unit) = self.units.get(&oid) else {
                return false;
            };
            match self.change(unit, read.get(&oid).unwrap_or(&nothing)) {
                Change::Own => false,
                Change::Names => true,
                Change::Columns => *queries.get_or_insert_with(|| self.has_queries()),
            }
        })
    }

    /// Takes over the relations that are called by their marks, as they were `read`, and forgets those
    /// that are `gone`.
    fn put(
        &mut self,
        units: HashMap<u32, String>,
        gone: &[u32],
        mut read: HashMap<u32, Objects>,
    ) -> Delta {
        // Before, after. All that goes goes before anything comes: it may be called the same.
        let mut changes: BTreeMap<ObjectKey, (Option<Object>, Option<Object>)> = BTreeMap::new();
        for oid in gone.iter().chain(units.keys()) {
            for key in self
                .units
                .remove(oid)
                .into_iter()
                .flat_map(|unit| unit.keys)
            {
                let before = self.catalog.remove(&key);
                changes.insert(key, (before, None));
            }
        }
        for (oid, mark) in units {
            let objects = read.remove(&oid).unwrap_or_default();
            let keys = objects.keys().cloned().collect();
            self.units.insert(oid, Unit { mark, keys });
            for (key, object) in objects {
                self.catalog.insert(key.clone(), object.clone());
                changes.entry(key).or_default().1 = Some(object);
            }
        }
        changes.retain(|_, (before, after)| before != after);
        for (key, (before, after)) in &changes {
            if let Some(object) = before {
                self.lines.remove(key, object);
            }
            if let Some(object) = after {
                self.lines.add(key, object);
            }
        }
        if !changes.is_empty() {
            self.fingerprint = self.lines.digest();
        }
        let changes = changes.into_iter();
        Delta {
            changes: changes.map(|(key, (was, is))| (key, was, is)).collect(),
        }
    }

    /// What became of `unit`, which now has `objects`.
    fn change(&self, unit: &Unit, objects: &Objects) -> Change {
        if unit.keys.is_empty() {
            // What became of a member of an extension isn't seen, but in what mentions it.
            return Change::Names;
        }
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
            // A body that isn't quoted is kept as what it means, and written anew.
            Function | Procedure => !object.definition.contains("\nAS "),
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
