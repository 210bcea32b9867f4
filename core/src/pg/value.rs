//! Values as text.

use crate::model::relation::Column;
use crate::sql::quote;

/// The value of `column` in the row `alias`, as text that gives the very same value again.
pub fn text(alias: &str, column: &Column) -> String {
    let value = format!("{alias}.{}", quote::ident(&column.name));
    of(&value, column.blanks)
}

/// The expression `value` as text. For one type (`blanks` as in [`Column::blanks`]) a cast would
/// not do: it cuts off what the type calls insignificant and keeps.
pub fn of(value: &str, blanks: bool) -> String {
    if blanks {
        format!("pg_catalog.textin(pg_catalog.bpcharout({value}::pg_catalog.bpchar))")
    } else {
        format!("{value}::pg_catalog.text")
    }
}
