//! The structure of a database as the planner sees it: tables, columns, keys, references.

use std::collections::BTreeMap;

use crate::ident::TableName;

/// A PostgreSQL object identifier. Only valid within the database it came from.
pub type Oid = u32;

/// What a relation is, after `pg_class.relkind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationKind {
    /// An ordinary table, a leaf partition included.
    Table,
    /// A partitioned table: holds no rows of its own.
    Partitioned,
    /// A materialized view.
    Matview,
    /// A foreign table.
    Foreign,
    /// A view.
    View,
}

/// A column.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of the catalog by itself"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// `pg_attribute.attnum`.
    pub number: i16,
    /// The name.
    pub name: String,
    /// The type as `format_type` writes it under an empty `search_path`.
    pub type_name: String,
    /// The type itself: another one may have been given its name.
    pub type_oid: Oid,
    /// `bpchar` without length: it keeps blanks at the end, and a cast to text loses them.
    pub blanks: bool,
    /// A cast to text runs a function that somebody made, and may lose something.
    pub written_by_cast: bool,
    /// A cast from text runs a function, and may refuse what the type itself writes.
    pub read_by_cast: bool,
    /// Values that its `=` calls equal may be different texts: 1.0 and 1.00, or one word by two cases.
    pub coarse: bool,
    /// Its collation calls different texts equal.
    pub collated: bool,
    /// NOT NULL.
    pub not_null: bool,
    /// GENERATED ALWAYS AS (…): never written by us.
    pub generated: bool,
    /// GENERATED … AS IDENTITY.
    pub identity: bool,
}

impl Column {
    /// True when both hold values of the very same type, whatever it is called.
    pub fn same_type(&self, other: &Self) -> bool {
        let modifier = |column: &Self| column.type_name.split_once('(').map(|m| m.1.to_owned());
        self.type_oid == other.type_oid && modifier(self) == modifier(other)
    }
}

/// A foreign key, seen from the referencing table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// The constraint: names are unique within a table only.
    pub oid: Oid,
    /// The key of a partitioned table that it is a part of.
    pub part_of: Option<Oid>,
    /// The constraint's name.
    pub name: String,
    /// The referencing table.
    pub from: Oid,
    /// The referencing columns.
    pub from_columns: Vec<String>,
    /// The referenced table.
    pub to: Oid,
    /// The referenced columns.
    pub to_columns: Vec<String>,
    /// `pg_constraint.confdeltype`: `a`, `r`, `c`, `n`, `d`.
    pub on_delete: char,
    /// `pg_constraint.confupdtype`.
    pub on_update: char,
    /// False for one made NOT VALID: rows from before may refer to nothing.
    pub validated: bool,
}

/// A unique index over expressions, or over some of the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionalUnique {
    /// What is unique, as SQL with plain column names.
    pub expressions: Vec<String>,
    /// Among which rows, as SQL; `None`: all.
    pub predicate: Option<String>,
}

/// What has a name among relations, and neither rows of its own nor a query: an index, a sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: TableName,
    /// An index; else a sequence.
    pub index: bool,
    /// The table of an index, or the one that a sequence goes with.
    pub table: Option<Oid>,
    /// An index that has the name of the constraint that it is there for.
    pub constraint: bool,
}

/// What is beneath a view whose rows the server finds by itself when they are written: one relation, a
/// table or another such view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beneath {
    /// The relation.
    pub relation: Oid,
    /// Its columns, by what they are called in the view.
    pub columns: BTreeMap<String, String>,
}

/// A relation that holds rows, or a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// Its oid.
    pub oid: Oid,
    /// Its name.
    pub name: TableName,
    /// What it is.
    pub kind: RelationKind,
    /// Its live columns, in order.
    pub columns: Vec<Column>,
    /// Candidate keys, the primary key first: unique, not partial, no expression, all NOT NULL,
    /// not deferrable.
    pub keys: Vec<Vec<String>>,
    /// Every unique constraint or index that is not partial and has no expression.
    pub uniques: Vec<Vec<String>>,
    /// Unique indexes that are partial or have an expression.
    pub conditional: Vec<ConditionalUnique>,
    /// The partitioned table or inheritance parents it belongs to.
    pub parents: Vec<Oid>,
    /// Has user triggers or rules that are not disabled: writing its rows may do more.
    pub triggers: bool,
    /// The planner's estimate of rows; negative when never analysed.
    pub estimated_rows: i64,
    /// The type that it was made OF.
    pub of_type: Option<Oid>,
    /// It takes the rows that no other partition of its parent takes.
    pub default_partition: bool,
    /// The extension that owns it, if any.
    pub extension: Option<String>,
}

impl Relation {
    /// The column called `name`.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// True when rows are stored in it.
    pub fn stores_rows(&self) -> bool {
        matches!(self.kind, RelationKind::Table | RelationKind::Matview)
    }
}

/// All relations of a database outside the system schemas and `pgbelay`, with their references.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct World {
    /// Relations by oid.
    pub relations: BTreeMap<Oid, Relation>,
    /// Indexes and sequences by oid.
    pub parts: BTreeMap<Oid, Part>,
    /// What rows are written to that are written to a view.
    pub views: BTreeMap<Oid, Beneath>,
    /// All foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
    /// The schemas, by name.
    pub schemas: BTreeMap<String, Oid>,
    /// Types and domains by schema and name (not the row types of tables, not array types).
    pub types: BTreeMap<TableName, Oid>,
    /// What each domain is over.
    pub domains: BTreeMap<Oid, Oid>,
    /// The effective search path of the session, `pg_catalog` left out.
    pub search_path: Vec<String>,
    /// The role that the session acts as: `"$user"` in a search path.
    pub role: String,
}

impl World {
    /// The relation called `name` in `schema`.
    pub fn find(&self, schema: &str, name: &str) -> Option<&Relation> {
        self.relations
            .values()
            .find(|r| r.name.schema == schema && r.name.name == name)
    }

    /// The partition of `parent` that takes what no other does. The server locks it with `parent`
    /// whenever partitions come or go, since it may hold other rows then.
    pub fn default_partition(&self, parent: Oid) -> Option<Oid> {
        let mut relations = self.relations.values();
        let default = relations.find(|r| r.default_partition && r.parents.contains(&parent));
        default.map(|r| r.oid)
    }

    /// Relations that store rows and have a column of the domain `oid`, or of one over it.
    pub fn with_domain(&self, oid: Oid) -> Vec<Oid> {
        let is_over = |column: &Column| {
            let under = |of: &Oid| self.domains.get(of).copied();
            std::iter::successors(Some(column.type_oid), under).any(|of| of == oid)
        };
        let relations = self.relations.values().filter(|r| r.stores_rows());
        let concerned = relations.filter(|r| r.columns.iter().any(is_over));
        concerned.map(|r| r.oid).collect()
    }

    /// The table any row of which `key` may refer to: of what a key to a partitioned table is made of for each
    /// partition, all of that table.
    pub fn referenced(&self, key: &ForeignKey) -> Oid {
        let mut key = key;
        while let Some(of) = key.part_of
            && let Some(whole) = self.foreign_keys.iter().find(|k| k.oid == of)
        {
            key = whole;
        }
        key.to
    }

    /// `oid` and everything that inherits from it or is a partition of it, at any depth.
    pub fn family(&self, oid: Oid) -> Vec<Oid> {
        let mut all = vec![oid];
        let mut next = 0;
        while next < all.len() {
            let parent = all[next];
            next += 1;
            for relation in self.relations.values() {
                if relation.parents.contains(&parent) && !all.contains(&relation.oid) {
                    all.push(relation.oid);
                }
            }
        }
        all
    }
}
