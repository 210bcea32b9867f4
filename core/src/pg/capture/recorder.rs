//! The tables and functions that record what happens to rows, and how it is read again.

use crate::model::relation::{Column, Oid};
use crate::pg::layout::Layout;
use crate::pg::{settings, value};

/// Where the changes of a table are recorded.
pub(super) fn effects(oid: Oid, generation: usize) -> String {
    format!("pg_temp.pgbelay_effects_{oid}_{generation}")
}

/// True when what records rows of shape `a` records those of shape `b` too. A changed type changes
/// no name, but functions have to be made again; so have they where a cast came to be.
pub(super) fn alike(a: &[Column], b: &[Column]) -> bool {
    let same = |(a, b): (&Column, &Column)| {
        let by_cast = a.written_by_cast == b.written_by_cast;
        by_cast && (a.number, &a.name, a.type_oid) == (b.number, &b.name, b.type_oid)
    };
    a.len() == b.len() && a.iter().zip(b).all(same)
}

/// How rows of this shape are recorded.
fn layout(shape: &[Column]) -> Layout {
    let numbers: Vec<i16> = shape.iter().map(|c| c.number).collect();
    Layout::of(&numbers)
}

/// The table and functions that record changes of a table of this shape.
pub(super) fn recorder(oid: Oid, generation: usize, shape: &[Column], saved_whole: bool) -> String {
    let layout = layout(shape);
    let text = |row: &'static str| {
        move |number| {
            let column = shape.iter().find(|c| c.number == number)?;
            Some(value::text(row, column))
        }
    };
    let columns = |letter: char| -> String {
        let names = layout.names(letter).into_iter();
        names.map(|name| format!(", {name}")).collect()
    };
    let values = |row: &'static str| -> String {
        let laid_out = layout.lay_out('v', text(row)).into_iter();
        laid_out.map(|(_, value)| format!(", {value}")).collect()
    };
    let type_name = layout.type_name();
    let definition: String = layout
        .names('o')
        .into_iter()
        .zip(layout.names('n'))
        .map(|(o, n)| format!(", {o} pg_catalog.{type_name}, {n} pg_catalog.{type_name}"))
        .collect();
    let table = effects(oid, generation);
    let (old, new) = (columns('o'), columns('n'));
    let (old_values, new_values) = (values("OLD"), values("NEW"));
    let truncate = if saved_whole {
        format!("INSERT INTO {table} (op) VALUES ('T');")
    } else {
        // That it happened is marked: of no rows nothing else would remain.
        format!(
            "INSERT INTO {table} (op) VALUES ('M'); \
             EXECUTE pg_catalog.format('INSERT INTO {table} (op{old}) SELECT ''X''{selected} \
             FROM ONLY %I.%I AS t', TG_TABLE_SCHEMA, TG_TABLE_NAME);",
            selected = values("t").replace('\'', "''").replace('%', "%%"),
        )
    };
    let body = |code: &str| {
        let tag = dollar_tag(code);
        format!("{tag}{code}{tag}")
    };
    let row_body = body(&format!(
        "BEGIN \
         IF TG_OP = 'INSERT' THEN INSERT INTO {table} (op{new}) VALUES ('I'{new_values}); \
         ELSIF TG_OP = 'UPDATE' THEN \
         INSERT INTO {table} (op{old}{new}) VALUES ('U'{old_values}{new_values}); \
         ELSE INSERT INTO {table} (op{old}) VALUES ('D'{old_values}); END IF; \
         RETURN NULL; END"
    ));
    let truncate_body = body(&format!("BEGIN {truncate} RETURN NULL; END"));
    // Values must be written the same way whatever a script sets.
    let options = format!(
        "RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER {}",
        settings::of_function()
    );
    format!(
        "CREATE TEMP TABLE pgbelay_effects_{oid}_{generation} \
         (seq bigint NOT NULL DEFAULT pg_catalog.nextval('pg_temp.pgbelay_order'), \
         op \"char\" NOT NULL{definition});\
         CREATE OR REPLACE FUNCTION pg_temp.pgbelay_row_{oid}() {options} AS {row_body};\
         CREATE OR REPLACE FUNCTION pg_temp.pgbelay_truncate_{oid}() {options} AS {truncate_body};"
    )
}

/// A dollar quote that does not occur in `code`: column names may hold anything.
fn dollar_tag(code: &str) -> String {
    let mut tag = "$pgbelay$".to_owned();
    while code.contains(&tag) {
        tag.insert(1, 'x');
    }
    tag
}

/// What was recorded, as the two halves of each change: see [`crate::pg::net::work_out`].
pub(super) fn halves(
    oid: Oid,
    shapes: &[Vec<Column>],
    numbers: &[i16],
    truncated_at: i64,
) -> String {
    let all = Layout::of(numbers);
    let half = |generation: usize, letter: char, half: u8, ops: &str| {
        let shape = &shapes[generation];
        let recorded = layout(shape);
        let values: String = if recorded == all {
            // Arrays are taken as they are.
            let names = recorded.names(letter).into_iter().zip(all.names('v'));
            names
                .map(|(is, name)| format!(", {is} AS {name}"))
                .collect()
        } else {
            let value = |number| {
                let there = shape.iter().any(|c| c.number == number);
                there.then(|| recorded.value("e", letter, number))
            };
            let values = all.lay_out('v', value).into_iter();
            values
                .map(|(name, value)| format!(", {value} AS {name}"))
                .collect()
        };
        format!(
            "SELECT seq, {half} AS half{values} FROM {} AS e \
             WHERE op IN ({ops}) AND seq > {truncated_at}",
            effects(oid, generation)
        )
    };
    let halves: Vec<String> = (0..shapes.len())
        .flat_map(|g| {
            [
                half(g, 'o', 0, "'U', 'D', 'X'"),
                half(g, 'n', 1, "'U', 'I'"),
            ]
        })
        .collect();
    halves.join(" UNION ALL ")
}
