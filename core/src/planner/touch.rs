//! What a statement does to a table or to the catalog, resolved to the objects that are there now.

use std::collections::BTreeSet;

use crate::model::lock::LockMode;
use crate::model::plan::Refusal;
use crate::model::relation::Oid;
use crate::sql::promise::Promise;
use crate::sql::statement::{Dml, Name};

/// Where a statement stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Index of the step.
    pub step: usize,
    /// Index of the statement in its script: several may stand on one line.
    pub statement: usize,
    /// One-based line in its script.
    pub line: u32,
}

/// What a statement does to the rows or columns of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// All rows go.
    Truncate,
    /// Rows are deleted; the text is there when they can be counted on today's data.
    Delete(Option<Box<Dml>>),
    /// Columns are assigned.
    Update {
        /// The statement, when its rows can be counted on today's data.
        countable: Option<Box<Dml>>,
        /// The columns, by their original names; empty: any.
        columns: Vec<String>,
    },
    /// Rows are added.
    Insert,
    /// A column's type changes.
    Retype {
        /// The column, by its original name.
        column: String,
        /// The new type as written.
        new_type: String,
        /// USING as written.
        using: Option<String>,
        /// Nothing earlier in the scripts touched the table.
        first: bool,
    },
    /// Definitions of the table change; no stored value does.
    Redefine,
}

/// One effect on one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// The table. Partitions and children are not listed separately.
    pub table: Oid,
    /// `ONLY` was written: partitions and children are left alone.
    pub only: bool,
    /// The view that the statement names instead of it.
    pub through: Option<Oid>,
    /// What happens to it.
    pub action: Action,
    /// By which statement.
    pub place: Place,
}

/// Something that is dropped by name; its dependents go with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// What is dropped.
    pub object: RootObject,
    /// `CASCADE` was written.
    pub cascade: bool,
    /// By which statement.
    pub place: Place,
}

/// The object of a [`Root`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootObject {
    /// A relation that stores rows, or a view.
    Relation(Oid),
    /// A column, by its original name.
    Column(Oid, String),
    /// A schema.
    Schema(Oid),
    /// A type or domain.
    Type(Oid),
    /// An index or a sequence.
    Part(Oid),
    /// Anything else, to be looked up in the catalog by the word of its kind (`extension`,
    /// `function`), along the search path of the statement; schemas by their original names.
    Other(String, Name, Vec<String>),
    /// A constraint of a table.
    Constraint(Oid, String),
}

/// A promise that today's rows can be asked about: nothing earlier touches them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// By which statement.
    pub place: Place,
    /// The table.
    pub table: Oid,
    /// The table that a reference is to.
    pub to: Option<Oid>,
    /// The promise.
    pub promise: Promise,
}

/// All that a walk through the scripts finds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// What is dropped.
    pub roots: Vec<Root>,
    /// What happens to tables.
    pub touches: Vec<Touch>,
    /// What stands in the way.
    pub refusals: Vec<Refusal>,
    /// Statements that will fail, by place, with the reason.
    pub failures: Vec<(Place, String)>,
    /// What statements promise of today's rows, with the table and, of a reference, the other one.
    pub promises: Vec<Kept>,
    /// Functions called by the statements that need a look into the catalog.
    pub functions: Vec<(Place, Name)>,
    /// Statements that set sequences by name.
    pub setting: BTreeSet<Place>,
    /// The sequences that they may mean.
    pub sequences: BTreeSet<Oid>,
    /// Tables in whose place another one stands in the end, under the same name.
    pub replaced: Vec<Oid>,
    /// Tables that statements lock by their words, and how.
    pub locks: Vec<(Oid, LockMode)>,
    /// Views of which all that they read is locked, and how.
    pub locked_views: Vec<(Oid, LockMode)>,
    /// Code that can't be read will run: anything may change.
    pub opaque: bool,
}
