//! What a DROP takes with it.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::error::Result;
use crate::model::relation::Oid;
use crate::pg::query;

const CLOSURE: &str = include_str!("closure.sql");

/// An object as `pg_depend` names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The catalog it is in, without schema: `pg_class`, `pg_type`, `pg_namespace` …
    pub class: String,
    /// Its oid there.
    pub oid: Oid,
    /// The column's number, or 0 for the whole object.
    pub sub: i32,
}

impl Address {
    /// The object `oid` of the catalog `class`, or its column `sub`.
    pub fn new(class: impl Into<String>, oid: Oid, sub: i32) -> Self {
        Self {
            class: class.into(),
            oid,
            sub,
        }
    }
}

/// An object that goes when the roots are dropped with CASCADE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependent {
    /// Where it is.
    pub address: Address,
    /// What it is, as `pg_identify_object` says it: `view`, `table column`, `table constraint` …
    pub kind: String,
    /// Its full name, always with schema.
    pub identity: String,
    /// Goes silently, even without CASCADE. One that isn't automatic makes a plain DROP fail.
    pub automatic: bool,
    /// An implementation part of another member: the row type or TOAST table of a table, the rule
    /// of a view, the index of a constraint, but also the sequence of an identity column.
    pub internal: bool,
    /// The relation, when this is one (an index or sequence too) or a column of one.
    pub relation: Option<Oid>,
    /// The table that an index, constraint, trigger, rule, policy or default belongs to.
    pub table: Option<Oid>,
}

/// All that dropping `roots` together would take along, without the roots themselves and without
/// the columns of relations that go as a whole. Ordered by kind and identity.
///
/// Exact: it follows `pg_depend` as the server does.
pub async fn closure(client: &Client, roots: &[Address]) -> Result<Vec<Dependent>> {
    let classes: Vec<&str> = roots.iter().map(|r| r.class.as_str()).collect();
    let oids: Vec<Oid> = roots.iter().map(|r| r.oid).collect();
    let subs: Vec<i32> = roots.iter().map(|r| r.sub).collect();
    let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] = [
        (&classes, Type::TEXT_ARRAY),
        (&oids, Type::OID_ARRAY),
        (&subs, Type::INT4_ARRAY),
    ];
    let rows = query::rows(
        client,
        "what depends on the dropped objects",
        CLOSURE,
        &params,
    )
    .await?;
    Ok(rows
        .iter()
        .map(|row| Dependent {
            address: Address::new(row.get::<_, String>(0), row.get(1), row.get(2)),
            kind: row.get(3),
            identity: row.get(4),
            automatic: row.get(5),
            internal: row.get(6),
            relation: row.get(7),
            table: row.get(8),
        })
        .collect())
}
