//! Values as text, and texts as values, by the output and input functions of their types.
//!
//! `x::text` and `'…'::type` mean those functions unless there is a cast between the type and text that is a
//! function by itself: it may round, add or refuse. The server's own casts to text lose nothing but
//! the blanks of one type, and texts that were saved are in their form, so they stay; casts that
//! somebody made are never used, nor is any cast from text that is a function.

use crate::model::relation::Column;
use crate::sql::quote;

/// The types (`oid[]`) that a cast to text would write by a function that somebody made.
pub const WRITTEN_BY_CAST: &str = "ARRAY (\
     WITH RECURSIVE by_cast (type) AS ( \
         SELECT k.castsource FROM pg_catalog.pg_cast k \
         WHERE k.casttarget = 'pg_catalog.text'::pg_catalog.regtype AND k.castmethod = 'f' \
           AND k.oid >= 16384 \
         UNION SELECT d.oid FROM by_cast JOIN pg_catalog.pg_type d \
         ON d.typbasetype = by_cast.type AND d.typtype = 'd') \
     SELECT type FROM by_cast)";

/// The types (`oid[]`) that a cast from text would read by a function.
pub const READ_BY_CAST: &str = "ARRAY (\
     WITH RECURSIVE by_cast (type) AS ( \
         SELECT k.casttarget FROM pg_catalog.pg_cast k \
         WHERE k.castsource = 'pg_catalog.text'::pg_catalog.regtype AND k.castmethod = 'f' \
           AND k.casttarget NOT IN ('pg_catalog.json'::pg_catalog.regtype, \
                                    'pg_catalog.jsonb'::pg_catalog.regtype) \
         UNION SELECT d.oid FROM by_cast JOIN pg_catalog.pg_type d \
         ON d.typbasetype = by_cast.type AND d.typtype = 'd') \
     SELECT type FROM by_cast)";

/// The types (`oid[]`) of which equal values are the same text.
pub const EXACT: &str = "ARRAY['bool', 'int2', 'int4', 'int8', 'oid', 'text', 'varchar', '\"char\"', 'name', \
     'uuid', 'date', 'time', 'timestamp', 'timestamptz', 'bytea', 'xid', 'xid8', 'pg_lsn', 'macaddr', \
     'macaddr8', 'inet', 'cidr', 'bit', 'varbit']::pg_catalog.regtype[]";

/// The value of `column` in the row `alias`, as text that gives the very same value again.
pub fn text(alias: &str, column: &Column) -> String {
    let value = format!("{alias}.{}", quote::ident(&column.name));
    of(&value, column)
}

/// The value of the column called `name` in the row `alias`, which is of the type of the one that
/// `columns` has by that name.
pub fn named(alias: &str, name: &str, columns: &[Column]) -> String {
    let value = format!("{alias}.{}", quote::ident(name));
    match columns.iter().find(|c| c.name == name) {
        Some(column) => of(&value, column),
        None => format!("{value}::pg_catalog.text"),
    }
}

/// The expression `value`, of the type of `column`, as text.
pub fn of(value: &str, column: &Column) -> String {
    if column.written_by_cast {
        // Not IS NULL: that is also true of a row of nothing but nulls.
        format!("CASE WHEN {value} IS DISTINCT FROM NULL THEN pg_catalog.format('%s', {value}) END")
    } else if column.blanks {
        // A cast would cut off what the type calls insignificant and keeps.
        format!("pg_catalog.textin(pg_catalog.bpcharout({value}::pg_catalog.bpchar))")
    } else if column.collated {
        format!("{value}::pg_catalog.text COLLATE pg_catalog.\"C\"")
    } else {
        format!("{value}::pg_catalog.text")
    }
}

/// The value of the type of `column` that the expression `text` stands for.
pub fn read(text: &str, column: &Column) -> String {
    read_as(text, &column.type_name, column.read_by_cast)
}

/// The value of `type_name` that the expression `text` stands for; `by_cast`: the type is one of
/// [`READ_BY_CAST`].
pub fn read_as(text: &str, type_name: &str, by_cast: bool) -> String {
    if by_cast {
        // Fields of objects are read by the input functions of their types.
        format!(
            "(SELECT r.v FROM pg_catalog.json_to_record(\
             pg_catalog.json_build_object('v', {text})) AS r (v {type_name}))"
        )
    } else {
        format!("{text}::{type_name}")
    }
}
