//! Tables without a key: rows are told apart by all they hold, and equal ones are as good as each
//! other. What the scripts and the rollback did is added up per row; the sum says how many of
//! each are to come or to go.

use crate::model::relation::Column;
use crate::pg::layout::Layout;
use crate::pg::net;
use crate::pg::reconcile::{GONE, Target, digest, whole_row};
use crate::pg::value;
use crate::sql::quote;

/// A column: its number in the record of changes, and what it is now.
type Recorded<'a> = (i16, &'a Column);

/// `wanted` gets the rows to add, `leaving` the places of the rows to remove, and `missing` how
/// many that should go are not there any more.
pub fn wanted(target: &Target<'_>) -> String {
    let wanted = target.wanted();
    let columns: Vec<&str> = target.written().map(|c| c.name.as_str()).collect();
    let mut selected = quote::idents(columns.iter().copied());
    if !selected.is_empty() {
        selected += ", ";
    }
    let mut sql = format!(
        "CREATE TEMP TABLE {wanted} AS SELECT {selected}false AS {GONE} FROM ONLY {} WITH NO DATA;\
         CREATE TEMP TABLE {leaving} (pos tid);\
         CREATE TEMP TABLE {missing} (rows bigint);",
        target.table(),
        leaving = target.stage("leaving"),
        missing = target.stage("missing"),
    );
    sql += &add_up(target);
    if target.record.is_some_and(|r| r.truncated) && target.saved && !columns.is_empty() {
        let names = quote::idents(columns.iter().copied());
        sql += &format!(
            "INSERT INTO {wanted} ({names}, {GONE}) SELECT {names}, false FROM {};",
            target.stage("saved")
        );
    }
    sql
}

/// What the scripts that ran again did, by today's numbers.
fn by_scripts<'a>(target: &'a Target<'_>) -> Option<Vec<Recorded<'a>>> {
    let numbers = target.up.numbers.iter();
    (!target.up.is_empty()).then(|| {
        numbers
            .filter_map(|n| Some((*n, target.kept_column(*n)?)))
            .collect()
    })
}

/// What the rollback did, by the numbers of that time.
fn by_rollback<'a>(target: &'a Target<'_>) -> Option<Vec<Recorded<'a>>> {
    let record = target.record.filter(|r| !r.effects.is_empty())?;
    let columns = record.effects.iter().filter_map(|n| {
        let column = record.column(*n).filter(|c| !c.generated)?;
        let live = target.live.column(&column.name).filter(|l| !l.generated)?;
        Some((*n, live))
    });
    Some(columns.collect())
}

fn add_up(target: &Target<'_>) -> String {
    let (scripts, rollback) = (by_scripts(target), by_rollback(target));
    let has = |list: &Option<Vec<Recorded<'_>>>, name: &str| {
        (list.as_ref()).is_none_or(|l| l.iter().any(|c| c.1.name == name))
    };
    let common: Vec<&Column> = target
        .written()
        .filter(|c| has(&scripts, &c.name) && has(&rollback, &c.name))
        .collect();
    let mut halves = Vec::new();
    let none = Vec::new();
    let effects = target.record.map_or(&none, |record| &record.effects);
    let sources = [
        (&scripts, (net::table(target.live.oid), &target.up.numbers)),
        (&rollback, (target.stage("seen"), effects)),
    ];
    // Their places among these columns are the numbers.
    let places: Vec<i16> = (1..).take(common.len()).collect();
    let layout = Layout::of(&places);
    for (list, (table, numbers)) in sources {
        let Some(list) = list else { continue };
        let recorded = Layout::of(numbers);
        let table = recorded.rows(&table, "ba", &[], &["had", "has"]);
        for (letter, flag, sign) in [('b', "had", 1), ('a', "has", -1)] {
            let value = |number| {
                let (_, column) = places.iter().zip(&common).find(|c| *c.0 == number)?;
                let found = list.iter().find(|l| l.1.name == column.name)?;
                Some(recorded.value("e", letter, found.0))
            };
            let values = layout.lay_out('v', value).into_iter();
            let values: Vec<String> = values
                .map(|(name, value)| format!(", {value} AS {name}"))
                .collect();
            halves.push(format!(
                "SELECT {sign} AS m{} FROM {table} AS e WHERE e.{flag}",
                values.concat()
            ));
        }
    }
    if halves.is_empty() || common.is_empty() {
        return String::new();
    }
    let values = layout.names('v').join(", ");
    let each = places.iter().map(|place| layout.value("h", 'v', *place));
    let back: Vec<String> = (places.iter().zip(&common))
        .map(|(place, c)| value::read(&layout.value("e", 'v', *place), c))
        .collect();
    format!(
        "CREATE TEMP TABLE {delta} AS SELECT {values}, pg_catalog.sum(m)::int AS m, \
         {digest} AS \"pgbelay row\" \
         FROM ({halves}) AS h GROUP BY {values} HAVING pg_catalog.sum(m) <> 0;\
         INSERT INTO {wanted} ({names}, {GONE}) SELECT {back}, false FROM {added} AS e, \
         pg_catalog.generate_series(1, e.m) WHERE e.m > 0;\
         INSERT INTO {leaving} SELECT t.pos FROM \
         (SELECT r.pos, r.\"pgbelay row\", pg_catalog.row_number() \
         OVER (PARTITION BY r.\"pgbelay row\") AS nth FROM \
         (SELECT t.ctid AS pos, {row} AS \"pgbelay row\" FROM ONLY {table} AS t) AS r) AS t \
         JOIN {delta} AS e ON t.\"pgbelay row\" = e.\"pgbelay row\" AND t.nth <= -e.m;\
         INSERT INTO {missing} SELECT -COALESCE(pg_catalog.sum(e.m), 0) \
         - (SELECT pg_catalog.count(*) FROM {leaving}) FROM {delta} AS e WHERE e.m < 0;",
        delta = target.stage("delta"),
        digest = digest(&each.collect::<Vec<String>>()),
        added = layout.rows(&target.stage("delta"), "v", &[], &["m"]),
        halves = halves.join(" UNION ALL "),
        wanted = target.wanted(),
        names = quote::idents(common.iter().map(|c| c.name.as_str())),
        back = back.join(", "),
        leaving = target.stage("leaving"),
        missing = target.stage("missing"),
        row = whole_row(
            "t",
            common.iter().map(|c| c.name.as_str()),
            &target.live.columns
        ),
        table = target.table(),
    )
}
