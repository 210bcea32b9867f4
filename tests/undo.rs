//! What a rollback destroys, an undo puts back exactly: shown by running both and comparing every
//! value, every sequence and every definition.

// What cases are written with.
mod case;

// What was foretold, against what went.
mod foretold;

// DROP COLUMN, on every kind of column and table.
mod columns;

// DROP TABLE, SCHEMA, TYPE, SEQUENCE, VIEW and renames.
mod tables;

// Plain tables made partitioned ones.
mod split;

// Names that mean another thing by then.
mod names;

// ALTER COLUMN TYPE.
mod types;

// Code that finds what it names along the search path.
mod paths;

// Casts and settings that change what text means.
mod values;

// As many columns as the server can hold, and as much in a row.
mod wide;

// Rows that are changed through views.
mod views;

// Constraints, indexes, code, privileges, sequences: all that holds no rows.
mod definitions;

// Migrations that can't be applied again: the snapshot knows what was there.
mod fallback;

// All that was made beside the migrations.
mod by_hand;

// DELETE, UPDATE, TRUNCATE and what foreign keys and triggers make of them.
mod rows;

// What no plan foretells: kept all the same, or nothing happens.
mod guard;

// Undos that can't work, found out in time.
mod proof;

// Rows that somebody wrote between the rollback and its undo.
mod since;

// Sequences that scripts set.
mod set;

// Materialized views.
mod stored;

// Keys that went from one row to another in between.
mod another;

// Keys that are equal and not the same text.
mod equal;

// Rows that were there, touched in between by whatever.
mod touched;

// Tables whose columns somebody changed in between.
mod reshaped;

// Some tables alone, and what has no place laid aside.
mod part;

// Undone twice, by table and whole, and what is left over each time.
mod twice;

// Combinations nobody thought of: what is drawn, and what becomes of it.
mod drawn;
mod meanwhile;
mod odd;
pub use drawn::Draw;
mod random;
