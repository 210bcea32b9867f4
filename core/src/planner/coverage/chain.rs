//! Rows that a statement deletes or updates, and what foreign keys make of that.

use crate::model::loss::Certainty;
use crate::model::relation::{ForeignKey, Oid};
use crate::planner::count;
use crate::planner::coverage::Cover;
use crate::planner::coverage::earlier::What;
use crate::planner::touch::Place;

/// Rows of one table that a statement changes, itself or through foreign keys.
#[derive(Debug, Clone)]
pub struct Rows {
    /// The table.
    pub table: Oid,
    /// The table, its partitions and children, as far as the statement reaches them.
    pub members: Vec<Oid>,
    /// Selects the rows on today's data; `None`: any row may be among them.
    pub query: Option<String>,
    /// Selects as many rows on today's data, of whatever columns.
    pub as_many: Option<String>,
    /// How far the number of rows that `query` selects can be relied on.
    pub certainty: Certainty,
    /// Why they change, in words.
    pub why: String,
    /// The statement.
    pub place: Place,
}

/// What is done to rows: `None` deletes them, columns are assigned (empty: any).
type Assigned = Option<Vec<String>>;

/// The foreign keys on the way to some rows, and what was followed without knowing
/// which rows are meant: once is enough.
#[derive(Debug, Default)]
pub struct Path {
    keys: Vec<Oid>,
    whole: Vec<(Oid, Assigned)>,
}

impl Path {
    /// True when all rows of `table` have been followed already.
    fn again(&mut self, rows: &Rows, assigned: Assigned) -> bool {
        let whole = (rows.table, assigned);
        let again = rows.query.is_none() && self.whole.contains(&whole);
        if rows.query.is_none() && !again {
            self.whole.push(whole);
        }
        again
    }
}

impl Cover<'_> {
    /// Rows go, and with them what foreign keys say.
    pub(super) fn delete(&mut self, rows: &Rows, path: &mut Path) {
        if path.again(rows, None) {
            return;
        }
        self.count("RB-DELETE", rows, &[]);
        self.rows_change(rows, None);
        let (rows, followed) = self.with_descendants(rows);
        for key in self.keys_to(&rows.members, |key| key.on_delete) {
            if followed.contains(&key.oid) {
                continue;
            }
            let cascades = key.on_delete == 'c';
            let verb = if cascades { "deleted" } else { "emptied" };
            let children = self.children(&rows, &key, verb, path);
            path.keys.push(key.oid);
            if cascades {
                self.delete(&children, path);
            } else {
                self.update(&children, &key.from_columns, path);
            }
            path.keys.pop();
        }
    }

    /// Columns of rows are assigned (none named: any), and with them what foreign keys say.
    pub(super) fn update(&mut self, rows: &Rows, columns: &[String], path: &mut Path) {
        if path.again(rows, Some(columns.to_vec())) {
            return;
        }
        self.count("RB-UPDATE", rows, columns);
        self.rows_change(rows, Some(columns));
        for key in self.keys_to(&rows.members, |key| key.on_update) {
            let hit = columns.is_empty() || key.to_columns.iter().any(|c| columns.contains(c));
            if !hit {
                continue;
            }
            let mut children = self.children(rows, &key, "updated", path);
            // A key that is assigned the value that it has changes nothing.
            children.certainty = Certainty::UpperBound;
            path.keys.push(key.oid);
            self.update(&children, &key.from_columns, path);
            path.keys.pop();
        }
    }

    /// What rows of `rows` the key `key` drags along.
    fn children(&self, rows: &Rows, key: &ForeignKey, verb: &str, path: &Path) -> Rows {
        let (table, place) = (key.from, rows.place);
        let members = self.world.family(table);
        let circle = path.keys.contains(&key.oid);
        let known = !circle
            && self
                .earlier
                .no_others_hold(&members, &key.from_columns, place);
        let query = rows.query.as_deref().filter(|_| known);
        let query = query.zip(self.world.relations.get(&table));
        // A row that the statement reaches in two ways is changed once.
        let certainty = if self.earlier.once(&members, place) {
            rows.certainty
        } else {
            Certainty::UpperBound
        };
        let query = query.map(|(parents, child)| count::referring(child, key, parents));
        Rows {
            table,
            members,
            as_many: query.clone(),
            query,
            certainty,
            why: format!("{verb} through {}", key.name),
            place,
        }
    }

    /// `rows`, and all that keys of the same table drag along however deep, which is counted; and
    /// those keys.
    fn with_descendants(&mut self, rows: &Rows) -> (Rows, Vec<Oid>) {
        let keys = self.keys_to(&rows.members, |key| key.on_delete);
        let own = |key: &&ForeignKey| {
            key.on_delete == 'c' && (key.from, key.to) == (rows.table, rows.table)
        };
        let keys: Vec<ForeignKey> = keys.iter().filter(own).cloned().collect();
        let same = keys.windows(2).all(|w| w[0].to_columns == w[1].to_columns);
        let relation = self.world.relations.get(&rows.table);
        let (Some(query), Some(relation), Some(first), true) =
            (&rows.query, relation, keys.first(), same)
        else {
            return (rows.clone(), Vec::new());
        };
        let whole = |c: &String| relation.column(c).is_some_and(|c| c.not_null);
        if !first.to_columns.iter().all(whole) {
            return (rows.clone(), Vec::new()); // followed like any circle
        }
        let all = count::descendants(relation, &keys, query);
        let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
        let added = count::without(&all, query, &first.to_columns);
        let below = Rows {
            query: Some(added.clone()),
            as_many: Some(added),
            why: format!("deleted through {}", names.join(", ")),
            ..rows.clone()
        };
        self.count("RB-DELETE", &below, &[]);
        self.rows_change(&below, None);
        let all = Rows {
            query: Some(all.clone()),
            as_many: Some(all),
            ..rows.clone()
        };
        (all, keys.iter().map(|key| key.oid).collect())
    }

    fn count(&mut self, rule: &'static str, rows: &Rows, columns: &[String]) {
        let query = rows.as_many.as_deref();
        self.measure(rule, rows.table, &rows.why, rows.place, query);
        if let Some(measure) = self.measures.last_mut() {
            measure.columns = columns.to_vec();
            measure.certainty = rows.certainty;
        }
    }

    fn rows_change(&mut self, rows: &Rows, columns: Option<&[String]>) {
        let what = columns.map_or(What::Rows, |c| What::Columns(c.to_vec()));
        for member in &rows.members {
            self.earlier
                .note(self.world, *member, rows.place, what.clone());
            let alone = *member == rows.table;
            let triggers = self.world.relations.get(member).is_some_and(|r| r.triggers);
            let need = self.need(*member);
            need.rows_change = true;
            match (&rows.query, columns) {
                // The query selects rows of the whole family, which have the parent's columns.
                (Some(query), _) if alone && rows.members.len() == 1 => {
                    need.matching.push(query.clone());
                }
                (_, Some(columns)) if !triggers && !columns.is_empty() => {
                    need.columns.extend(columns.iter().cloned());
                }
                _ => need.full = true,
            }
        }
    }

    /// Foreign keys to any of `members` whose action (`on_delete` or `on_update`) changes rows.
    /// A key of a partitioned table stands for those of its partitions.
    fn keys_to(&self, members: &[Oid], action: fn(&ForeignKey) -> char) -> Vec<ForeignKey> {
        let all = &self.world.foreign_keys;
        let acts =
            |key: &ForeignKey| members.contains(&key.to) && matches!(action(key), 'c' | 'n' | 'd');
        let whole = |key: &ForeignKey| all.iter().find(|k| Some(k.oid) == key.part_of);
        let stood_for =
            |key: &ForeignKey| std::iter::successors(whole(key), |key| whole(key)).any(acts);
        let keys = all.iter().filter(|key| acts(key) && !stood_for(key));
        keys.cloned().collect()
    }
}
