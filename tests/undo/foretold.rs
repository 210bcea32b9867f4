//! What a plan says that it discards, against what its rollback then discarded.
//!
//! The truth comes from the server, not from pgbelay: the rows that tables hold before and after,
//! and PostgreSQL's own counters of rows updated and deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::Sandbox;
use crate::harness::database::Session;

/// The tables of the user: oid, name, the oldest ancestor, rows updated and deleted so far.
const TABLES: &str = "
    with recursive up (oid, root) as (
        select oid, oid from pg_catalog.pg_class where relkind in ('r', 'p')
        union all
        select up.oid, i.inhparent from up join pg_catalog.pg_inherits i on i.inhrelid = up.root)
    select c.oid, format('%I.%I', n.nspname, c.relname), min(up.root::int8::text) filter (
               where not exists (select from pg_catalog.pg_inherits i where i.inhrelid = up.root)),
           pg_catalog.pg_stat_get_tuples_updated(c.oid)
               + pg_catalog.pg_stat_get_tuples_deleted(c.oid)
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join up on up.oid = c.oid
    where c.relkind = 'r' and n.nspname !~ '^pg_'
      and n.nspname not in ('information_schema', 'pgbelay', 'pgbelay_saved')
    group by c.oid, n.nspname, c.relname";

struct Column {
    name: String,
    kind: String,
    generated: bool,
}

struct Table {
    name: String,
    family: String,
    changed: u64,
    columns: BTreeMap<i32, Column>,
    rows: Vec<BTreeMap<i32, Option<String>>>,
}

/// What tables hold, by oid.
pub struct Held(BTreeMap<String, Table>);

impl Held {
    /// What the tables of `sandbox` hold now.
    pub fn now(sandbox: &Sandbox) -> Self {
        Self::read(sandbox, None)
    }

    /// With values of other types than `before` read as what they would have been.
    fn read(sandbox: &Sandbox, before: Option<&Self>) -> Self {
        let session = sandbox.session();
        alone(&session);
        let mut tables = BTreeMap::new();
        for row in session.rows(TABLES) {
            let [Some(oid), Some(name), Some(family), Some(changed)] = &row[..] else {
                panic!("{row:?}")
            };
            let old = before.and_then(|b| b.0.get(oid)).map(|t| &t.columns);
            let columns = columns(&session, oid);
            let rows = rows(&session, name, &columns, old);
            let table = Table {
                name: name.clone(),
                family: family.clone(),
                changed: changed.parse().unwrap(),
                columns,
                rows,
            };
            tables.insert(oid.clone(), table);
        }
        Self(tables)
    }

    /// The rollback that `plan` foretold has been made: nothing more was discarded, and where the
    /// plan says that a number is exact, just that.
    #[track_caller]
    pub fn assert_foretold(&self, sandbox: &Sandbox, plan: &Value, done: &Value) {
        let after = Self::read(sandbox, Some(self));
        let losses = plan["losses"].as_array().unwrap();
        let fires = |n: &Value| n.as_str().unwrap().starts_with("triggers on ");
        let fires = plan["not_evaluated"].as_array().unwrap().iter().any(fires);
        let mut families: BTreeMap<&str, Family> = BTreeMap::new();
        for (oid, table) in &self.0 {
            let of_it = losses.iter().filter(|l| is(l, table));
            let family = families.entry(&table.family).or_default();
            family.names.insert(&table.name);
            match after.0.get(oid) {
                None => family.lost += table.rows.len(),
                Some(now) => {
                    for (number, column) in &table.columns {
                        if !now.columns.contains_key(number) && !column.generated {
                            table.assert_values(*number, of_it.clone(), plan);
                        }
                    }
                    family.lost += changed(table, now);
                    family.counted += now.changed - table.changed;
                }
            }
            if !after.0.contains_key(oid) {
                family.dropped = true;
                for loss in of_it.filter(|l| dropped(l) && exact(l)) {
                    let rows = table.rows.len() as u64;
                    assert_eq!(loss["rows"], rows, "rows of {}: {loss}", table.name);
                }
            }
        }
        for (root, family) in &mut families {
            // The partitioned table itself stores no rows; losses may be told by its name.
            let named = |l: &&Value| {
                let table = unquoted(l["table"].as_str().unwrap());
                let root = sandbox.query_text(&format!("select {root}::regclass::text"));
                family.names.iter().any(|n| unquoted(n) == table)
                    || table.ends_with(&format!(".{}", unquoted(&root)))
            };
            let of_it: Vec<&Value> = losses.iter().filter(named).collect();
            // What an undo does that is tried and taken back, the server counts, too.
            family.tried = done["undo"] == "proved" || done["undo_why"] != Value::Null;
            family.assert_told(&of_it, fires, plan);
        }
    }
}

#[derive(Default)]
struct Family<'a> {
    names: BTreeSet<&'a str>,
    /// Rows gone or changed, by comparing.
    lost: usize,
    /// Rows changed or deleted, by the server's count.
    counted: u64,
    dropped: bool,
    /// The server counted more than the rollback.
    tried: bool,
}

impl Family<'_> {
    #[track_caller]
    fn assert_told(&self, losses: &[&Value], fires: bool, plan: &Value) {
        let rows: Vec<&&Value> = losses.iter().filter(|l| !is_column(l)).collect();
        let can_say = |l: &&&Value| !["estimate", "unknown"].contains(&certainty(l));
        if !rows.iter().all(can_say) || fires && rows.is_empty() {
            return;
        }
        let told: u64 = rows.iter().map(|l| l["rows"].as_u64().unwrap()).sum();
        assert!(
            told >= self.lost as u64,
            "{:?}: {told} rows foretold, {} lost: {plan:#}",
            self.names,
            self.lost
        );
        let by_statement = |l: &&&Value| ["RB-DELETE", "RB-UPDATE"].contains(&rule(l));
        // An UPDATE of columns that the scripts add themselves is counted, too, but takes nothing.
        if !self.dropped && !fires && rows.iter().all(|l| exact(l) && by_statement(l)) {
            assert!(
                told == self.counted || told == self.lost as u64 || self.tried,
                "{:?}: exactly {told} rows foretold, {} changed, {} lost: {plan:#}",
                self.names,
                self.counted,
                self.lost
            );
        }
    }
}

impl Table {
    /// The values of a column that went.
    #[track_caller]
    fn assert_values<'a>(
        &self,
        number: i32,
        losses: impl Iterator<Item = &'a Value>,
        plan: &Value,
    ) {
        let name = &self.columns[&number].name;
        let held = self.rows.iter().filter(|row| row[&number].is_some());
        let held = held.count() as u64;
        let mut told = 0;
        let named = losses.filter(|l| is_column(l) && columns_of(l).contains(&name.as_str()));
        for loss in named {
            told += loss["rows"].as_u64().unwrap();
            assert!(
                !exact(loss) || told == held,
                "{}.{name} held {held} values: {loss}",
                self.name
            );
        }
        assert!(
            told >= held,
            "{}.{name}: {told} values foretold, {held} lost: {plan:#}",
            self.name
        );
    }
}

/// Rows of `before` that `after` does not hold, as far as columns are in both.
fn changed(before: &Table, after: &Table) -> usize {
    let both: Vec<i32> = before.columns.keys().copied().collect();
    let both = both.iter().filter(|n| after.columns.contains_key(n));
    let both: Vec<i32> = both.copied().collect();
    let part = |row: &BTreeMap<i32, Option<String>>| -> Vec<Option<String>> {
        both.iter().map(|n| row[n].clone()).collect()
    };
    let mut left: BTreeMap<Vec<Option<String>>, usize> = BTreeMap::new();
    for row in &after.rows {
        *left.entry(part(row)).or_default() += 1;
    }
    let gone = |row: &&BTreeMap<i32, Option<String>>| match left.get_mut(&part(row)) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    before.rows.iter().filter(gone).count()
}

fn columns(session: &Session, oid: &str) -> BTreeMap<i32, Column> {
    let sql = format!(
        "select attnum, attname, format_type(atttypid, atttypmod), attgenerated <> ''
         from pg_attribute where attrelid = {oid} and attnum > 0 and not attisdropped"
    );
    let column = |row: Vec<Option<String>>| {
        let text = |i: usize| row[i].clone().unwrap();
        let column = Column {
            name: text(1),
            kind: text(2),
            generated: text(3) == "t",
        };
        (text(0).parse().unwrap(), column)
    };
    session.rows(&sql).into_iter().map(column).collect()
}

/// The rows of `table` itself. A value whose type is another than in `old` is converted back,
/// where that can be done.
fn rows(
    session: &Session,
    table: &str,
    columns: &BTreeMap<i32, Column>,
    old: Option<&BTreeMap<i32, Column>>,
) -> Vec<BTreeMap<i32, Option<String>>> {
    let name = |column: &Column| format!("\"{}\"", column.name.replace('"', "\"\""));
    let expression = |(number, column): (&i32, &Column)| {
        let was = old.and_then(|o| o.get(number));
        let other = was.filter(|w| w.kind != column.kind);
        let back = other.map(|w| format!("({}::{})::text", name(column), w.kind));
        let sql = |e: &str| format!("select {e} from only {table}");
        back.filter(|b| session.try_run(&sql(b)).is_ok())
            .unwrap_or_else(|| format!("{}::text", name(column)))
    };
    let expressions: Vec<String> = columns.iter().map(expression).collect();
    let sql = format!("select {} from only {table}", expressions.join(", "));
    let row = |values: Vec<Option<String>>| columns.keys().copied().zip(values).collect();
    session.rows(&sql).into_iter().map(row).collect()
}

/// Waits until every other session has ended, and with it has told its counts.
fn alone(session: &Session) {
    let others = "select count(*) from pg_stat_activity where datname = current_database()
        and pid <> pg_backend_pid() and backend_type = 'client backend'";
    let end = Instant::now() + Duration::from_secs(20);
    while session.text(others) != "0" {
        assert!(Instant::now() < end, "sessions that don't end");
        thread::sleep(Duration::from_millis(5));
    }
}

fn is(loss: &Value, table: &Table) -> bool {
    unquoted(loss["table"].as_str().unwrap()) == unquoted(&table.name)
}

/// Messages and reports show what would move the cursor as an escape.
fn unquoted(name: &str) -> String {
    name.replace('"', "").replace('\t', "\\t")
}

fn rule(loss: &Value) -> &str {
    loss["rule"].as_str().unwrap()
}

fn certainty(loss: &Value) -> &str {
    loss["certainty"].as_str().unwrap()
}

fn exact(loss: &Value) -> bool {
    certainty(loss) == "exact"
}

fn columns_of(loss: &Value) -> Vec<&str> {
    let columns = loss["columns"].as_array().unwrap().iter();
    columns.map(|c| c.as_str().unwrap()).collect()
}

/// A column that goes, not rows that do.
fn is_column(loss: &Value) -> bool {
    ["RB-DROP-COLUMN", "RB-CASCADE-HIDDEN"].contains(&rule(loss)) && !columns_of(loss).is_empty()
}

/// A table that goes.
fn dropped(loss: &Value) -> bool {
    ["RB-DROP-TABLE", "RB-CASCADE-HIDDEN"].contains(&rule(loss)) && columns_of(loss).is_empty()
}
