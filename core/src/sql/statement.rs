//! What a statement is, as far as the toolkit needs to know: a closed set that fails closed.
//!
//! Identifiers are folded to lower case unless quoted, and cut at 63 bytes, as PostgreSQL does.

use std::ops::Range;

use crate::sql::promise::Promise;

/// A name as written: an optional schema and the name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// The schema, when written.
    pub schema: Option<String>,
    /// The last part.
    pub name: String,
}

/// One statement of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Byte range in the script, without the semicolon.
    pub range: Range<usize>,
    /// One-based line where it starts (leading comments left out).
    pub line: u32,
    /// The text, without leading comments and without the semicolon.
    pub text: String,
    /// What it does.
    pub kind: Kind,
    /// Every function that running it may call, wherever that is written (once each). Left out:
    /// operators, casts, calls with a grammar of their own (`extract`, `trim`), and what is only
    /// stored to be run later (the body of a routine, view, trigger, rule or policy).
    pub functions: Vec<Name>,
    /// Every table or view that it reads by name: FROM, JOIN, USING, sub-queries, and the targets
    /// of DML. Names of its own CTEs are left out.
    pub reads: Vec<Name>,
    /// What it promises of the rows that are there, and fails where one breaks it.
    pub promises: Vec<Promise>,
    /// The rows that follow a `COPY … FROM STDIN`, up to the line `\.`, which is left out.
    pub data: Option<String>,
}

/// What a statement does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `DROP TABLE`.
    DropTable(Drop),
    /// `DROP SCHEMA`.
    DropSchema(Drop),
    /// `DROP TYPE` and `DROP DOMAIN`.
    DropType(Drop),
    /// `DROP SEQUENCE`.
    DropSequence(Drop),
    /// `DROP MATERIALIZED VIEW`.
    DropMatview(Drop),
    /// `DROP EXTENSION`.
    DropExtension(Drop),
    /// DROP of something that holds no data: view, index, function, procedure, routine,
    /// aggregate, trigger, rule, policy, statistics, cast, operator, collation, conversion, text
    /// search object, access method, operator class or family, transform, language, event trigger.
    /// With CASCADE it may still take columns along: a generated column goes with its function.
    DropDefinition {
        /// What kind of object, in lower case SQL words: `view`, `index`, `event trigger`.
        what: String,
        /// The names; for trigger, rule and policy the object's own name.
        drop: Drop,
        /// The table of a trigger, rule or policy.
        on: Option<Name>,
    },
    /// `ALTER TABLE`.
    AlterTable {
        /// The table.
        table: Name,
        /// `ONLY`.
        only: bool,
        /// `IF EXISTS`.
        if_exists: bool,
        /// The actions, in order.
        actions: Vec<TableAction>,
    },
    /// `TRUNCATE`.
    Truncate {
        /// The tables.
        tables: Vec<Name>,
        /// `CASCADE`.
        cascade: bool,
        /// `RESTART IDENTITY`.
        restart_identity: bool,
    },
    /// `DELETE` (without data-modifying CTEs).
    Delete(Dml),
    /// `UPDATE` (without data-modifying CTEs).
    Update(Dml),
    /// `INSERT` (without data-modifying CTEs).
    Insert {
        /// The target.
        table: Name,
        /// `ON CONFLICT DO UPDATE`.
        updates: bool,
    },
    /// `MERGE`, or a statement with data-modifying CTEs: what it changes, in every part of it.
    Changes {
        /// Tables of which rows may be deleted.
        deletes: Vec<Name>,
        /// Tables of which rows may be updated.
        updates: Vec<Name>,
        /// Tables into which rows may be inserted.
        inserts: Vec<Name>,
    },
    /// `ALTER TYPE` in a form that keeps every value (RENAME, ADD VALUE, RENAME VALUE, OWNER,
    /// SET SCHEMA, ADD ATTRIBUTE), and `ALTER DOMAIN`. Dropping or changing an attribute is
    /// [`Kind::Refuse`].
    AlterType {
        /// The type.
        name: Name,
        /// A new name for the type itself.
        renamed_to: Option<String>,
        /// A new schema.
        moved_to: Option<String>,
        /// `ADD VALUE`: can't be used in the same transaction.
        adds_value: bool,
    },
    /// `ALTER … RENAME TO` of a table, view, materialized view, index, or sequence by any
    /// spelling (`ALTER TABLE` can rename all of them).
    Rename {
        /// The old name.
        from: Name,
        /// The new name.
        to: String,
    },
    /// `ALTER TABLE … RENAME COLUMN` (also on views).
    RenameColumn {
        /// The table.
        table: Name,
        /// The column's old name.
        from: String,
        /// The column's new name.
        to: String,
    },
    /// `ALTER … SET SCHEMA` of a relation.
    SetSchema {
        /// The relation.
        from: Name,
        /// The new schema.
        to: String,
    },
    /// `ALTER SCHEMA … RENAME TO`.
    RenameSchema {
        /// The old name.
        from: String,
        /// The new name.
        to: String,
    },
    /// `ALTER SEQUENCE`: RESTART and the parameters; positions are saved with every snapshot.
    AlterSequence(Name),
    /// `CREATE TABLE`, `CREATE TABLE AS`, `SELECT INTO`, `CREATE MATERIALIZED VIEW`.
    CreateTable(Name),
    /// The same with IF NOT EXISTS: what the name means may have been there before.
    EnsureTable(Name),
    /// `CREATE TYPE` and `CREATE DOMAIN`.
    CreateType(Name),
    /// `CREATE SCHEMA` without further elements and without IF NOT EXISTS.
    CreateSchema(String),
    /// A CREATE, COMMENT, GRANT, REVOKE, SECURITY LABEL, REFRESH, ALTER … that changes
    /// definitions only and loses no stored data: CREATE OR REPLACE too (definitions are saved).
    Definition {
        /// The statement's leading words in upper case, for the report: `CREATE INDEX`.
        what: String,
    },
    /// `SET`, `RESET`, `SHOW` of a plain setting. Never `SET ROLE`, `SET SESSION
    /// AUTHORIZATION`, `session_replication_role`, `default_transaction_read_only`,
    /// `transaction_…`: those are [`Kind::Refuse`].
    Setting {
        /// The setting's name, lower case.
        name: String,
        /// For `search_path`: the schemas.
        values: Vec<String>,
    },
    /// `SELECT`, `VALUES`, `TABLE`, `EXPLAIN` without ANALYZE: reads, unless a function in
    /// [`Statement::functions`] does more.
    Query,
    /// `BEGIN`, `COMMIT` and their synonyms, `SAVEPOINT`, `RELEASE`, `ROLLBACK`,
    /// `SET TRANSACTION`, `SET CONSTRAINTS`, two-phase commands.
    Transaction {
        /// Opens a transaction block as any other: `BEGIN`, `START TRANSACTION`, without an
        /// isolation level or READ ONLY.
        opens: bool,
        /// Closes it with success: `COMMIT`, `END`, without `AND CHAIN`.
        closes: bool,
    },
    /// `LOCK TABLE`, `ANALYZE`: harmless inside our transaction.
    Harmless,
    /// Can't run inside a transaction: CONCURRENTLY, VACUUM, `CREATE/DROP DATABASE`,
    /// `ALTER SYSTEM`, tablespaces, `REINDEX DATABASE`, `CREATE SUBSCRIPTION`, …
    NonTransactional {
        /// Why, in words: `CREATE INDEX CONCURRENTLY`.
        what: String,
        /// True for index builds and drops, which lose no data.
        definition_only: bool,
    },
    /// Code that can't be judged from its text: DO, CALL, EXECUTE, PREPARE.
    Opaque {
        /// The leading words: `DO`.
        what: String,
    },
    /// Known, and not accepted in a rollback script, with the reason: COPY TO, COPY FROM PROGRAM,
    /// EXPLAIN ANALYZE, SET ROLE, `SET session_replication_role`, RESET ALL, NOTIFY, cursors,
    /// DROP OWNED, REASSIGN OWNED, role membership, `ALTER TYPE … DROP ATTRIBUTE`, event triggers,
    /// anything of roles, publications, subscriptions, foreign servers and tables, …
    Refuse {
        /// The leading words.
        what: String,
        /// Why, as a sentence fragment.
        why: String,
    },
    /// `COPY … FROM STDIN` or from a file: adds rows.
    CopyFrom(Name),
    /// Not understood: a parse error, or a statement outside this set.
    Unknown {
        /// What is wrong.
        why: String,
    },
}

/// The objects of a DROP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drop {
    /// The names.
    pub names: Vec<Name>,
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// `CASCADE`.
    pub cascade: bool,
}

/// The parts of a plain UPDATE or DELETE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dml {
    /// The target.
    pub table: Name,
    /// `ONLY`.
    pub only: bool,
    /// The alias of the target, when written.
    pub alias: Option<String>,
    /// The text of USING (DELETE) or FROM (UPDATE), without the keyword.
    pub using: Option<String>,
    /// The text of WHERE, without the keyword.
    pub predicate: Option<String>,
    /// The text of the WITH clause (read-only CTEs), with the keyword.
    pub with: Option<String>,
    /// The columns that SET assigns, for UPDATE.
    pub columns: Vec<String>,
}

/// One action of ALTER TABLE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableAction {
    /// `DROP COLUMN`.
    DropColumn {
        /// The column.
        column: String,
        /// `IF EXISTS`.
        if_exists: bool,
        /// `CASCADE`.
        cascade: bool,
    },
    /// `ALTER COLUMN … TYPE`.
    AlterType {
        /// The column.
        column: String,
        /// The new type as written, with COLLATE left out.
        new_type: String,
        /// The text of USING, without the keyword.
        using: Option<String>,
    },
    /// `ADD COLUMN`. With IF NOT EXISTS it is a [`TableAction::Definition`]: the column may have
    /// been there before, with values.
    AddColumn {
        /// The column.
        column: String,
    },
    /// `DROP CONSTRAINT`.
    DropConstraint {
        /// The constraint.
        name: String,
        /// `CASCADE`.
        cascade: bool,
    },
    /// `RENAME CONSTRAINT`.
    RenameConstraint {
        /// The old name.
        from: String,
        /// The new name.
        to: String,
    },
    /// `DETACH PARTITION` (rows leave the parent, none is lost).
    DetachPartition {
        /// The partition.
        partition: Name,
        /// `CONCURRENTLY`.
        concurrently: bool,
    },
    /// `DROP EXPRESSION`, `DROP IDENTITY`, defaults, NOT NULL, ADD CONSTRAINT, VALIDATE, SET,
    /// CLUSTER ON, OWNER, INHERIT, ATTACH, ENABLE …: no stored value changes.
    Definition {
        /// The leading words in upper case.
        what: String,
    },
    /// DISABLE or ENABLE REPLICA of a trigger or rule, SET UNLOGGED, SET EXPRESSION, merging and
    /// splitting partitions: refused.
    Refuse {
        /// The leading words.
        what: String,
        /// Why.
        why: String,
    },
}
