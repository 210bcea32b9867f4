//! The settings of the server that change what text means: how values are written and read, and
//! which object a name stands for. All that moves values pins them, and nothing else lists them; a
//! test compares the list with the settings that the server has.

/// What a setting is pinned to.
#[derive(Debug, Clone, Copy)]
pub struct Pinned {
    /// Its name.
    pub name: &'static str,
    /// The value, as SQL.
    value: &'static str,
    /// It changes how a value is written: code of ours that runs among scripts pins it by itself.
    written: bool,
}

const fn written(name: &'static str, value: &'static str) -> Pinned {
    Pinned {
        name,
        value,
        written: true,
    }
}

const fn read(name: &'static str, value: &'static str) -> Pinned {
    Pinned {
        name,
        value,
        written: false,
    }
}

/// All of them. UTC, so that texts of two sessions can be compared.
pub const PINNED: &[Pinned] = &[
    written("search_path", "pg_catalog, pg_temp"),
    written("DateStyle", "'ISO, MDY'"),
    written("TimeZone", "'UTC'"),
    written("IntervalStyle", "'postgres'"),
    written("extra_float_digits", "3"),
    written("bytea_output", "'hex'"),
    written("row_security", "off"),
    written("quote_all_identifiers", "off"),
    read("xmloption", "'content'"),
    read("array_nulls", "on"),
    read("synchronize_seqscans", "off"),
    read("standard_conforming_strings", "on"),
];

/// The statement that pins what names mean: the server's own come first, whatever somebody called a
/// temporary table; nothing of users is found without its schema.
pub const PATH: &str = "SET LOCAL search_path = pg_catalog, pg_temp";

/// Statements that pin all of them for the rest of the transaction: `SET LOCAL`, since a plain
/// `SET` would leak to others through a pooler.
pub fn pin() -> String {
    let set = PINNED
        .iter()
        .map(|s| format!("SET LOCAL {} = {}; ", s.name, s.value));
    set.collect::<String>() + "SET LOCAL client_encoding = 'UTF8'"
}

/// Statements that give all of them, but for the encoding, what the role and the database say.
pub fn release() -> String {
    let set = PINNED
        .iter()
        .map(|s| format!("SET LOCAL {} TO DEFAULT; ", s.name));
    set.collect()
}

/// What a function of ours is made with, so that it writes values alike whatever a script sets.
pub fn of_function() -> String {
    let written = PINNED.iter().filter(|s| s.written);
    let set: Vec<String> = written
        .map(|s| format!("SET {} = {}", s.name, s.value))
        .collect();
    set.join(" ")
}
