//! Adding the rows that are missing in live tables, from staged ones, and nothing else.

use tokio_postgres::Client;

use crate::error::Result;
use crate::ident::TableName;
use crate::model::relation::Relation;
use crate::pg::error::PgContext as _;
use crate::pg::reconcile::pairs;
use crate::pg::value;
use crate::sql::quote;

/// One table and the rows staged for it.
#[derive(Debug, Clone)]
pub struct Merge<'a> {
    /// Its number: names its temporary table.
    pub index: usize,
    /// The table.
    pub live: &'a Relation,
    /// The columns that were saved.
    pub columns: Vec<String>,
    /// The columns that identify a row; empty: the table must be empty.
    pub key: Vec<String>,
}

/// What became of the rows of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// Rows that were missing and came back.
    pub added: u64,
    /// Rows that are there as they were saved.
    pub present: u64,
    /// Rows that are there with other values, or whose place another row has taken. Left alone.
    pub differing: u64,
}

impl Merge<'_> {
    /// The plain name of its temporary table.
    pub fn stage_name(&self) -> String {
        format!("pgbelay restore {}", self.index)
    }

    fn stage(&self) -> String {
        format!("pg_temp.{}", quote::ident(&self.stage_name()))
    }

    fn table(&self) -> String {
        quote::table(&self.live.name)
    }

    /// True for the row of the table that has the key of the staged one.
    fn same(&self) -> String {
        pairs(&self.key, |c| format!("t.{0} = s.{0}", quote::ident(c)))
    }

    /// True for rows of the table that stand in the way of the staged one.
    fn in_the_way(&self) -> String {
        let saved = |unique: &&Vec<String>| unique.iter().all(|c| self.columns.contains(c));
        let uniques = self.live.uniques.iter().filter(saved);
        let clauses: Vec<String> = uniques
            .map(|unique| {
                let same = pairs(unique, |c| format!("t.{0} = s.{0}", quote::ident(c)));
                format!(
                    "EXISTS (SELECT FROM ONLY {} AS t WHERE {same})",
                    self.table()
                )
            })
            .collect();
        if clauses.is_empty() {
            "false".to_owned()
        } else {
            clauses.join(" OR ")
        }
    }

    /// True when the two rows hold other values. As text: `json` has no equality.
    fn differs(&self) -> String {
        let clauses: Vec<String> = (self.columns.iter())
            .map(|c| {
                let text = |alias| value::named(alias, c, &self.live.columns);
                format!("{} IS DISTINCT FROM {}", text("t"), text("s"))
            })
            .collect();
        if clauses.is_empty() {
            "false".to_owned()
        } else {
            clauses.join(" OR ")
        }
    }

    fn insert(&self) -> String {
        let names = quote::idents(self.columns.iter().map(String::as_str));
        let list = if names.is_empty() {
            String::new()
        } else {
            format!("({names})")
        };
        let selected: Vec<String> = (self.columns.iter())
            .map(|c| format!("s.{}", quote::ident(c)))
            .collect();
        format!(
            "i{} AS (INSERT INTO {} {list} OVERRIDING SYSTEM VALUE SELECT {} FROM {} AS s \
             WHERE NOT ({}) RETURNING 1)",
            self.index,
            self.table(),
            selected.join(", "),
            self.stage(),
            self.in_the_way()
        )
    }
}

/// True when `table` holds no row.
pub async fn is_empty(client: &Client, table: &TableName) -> Result<bool> {
    let sql = format!(
        "SELECT NOT EXISTS (SELECT FROM ONLY {})",
        quote::table(table)
    );
    let row = client.query_one(&sql, &[]).await;
    Ok(row.pg(format!("could not look into {table}"))?.get(0))
}

/// Adds what is missing in all tables, in one statement: foreign keys are checked at its end, so
/// neither the order of tables nor cycles between them matter.
pub async fn apply(client: &Client, merges: &[Merge<'_>]) -> Result<Vec<Merged>> {
    let mut outcome = Vec::new();
    for merge in merges {
        outcome.push(compare(client, merge).await?);
    }
    if merges.is_empty() {
        return Ok(outcome);
    }
    let parts: Vec<String> = merges.iter().map(Merge::insert).collect();
    let counts: Vec<String> = merges
        .iter()
        .map(|m| format!("(SELECT pg_catalog.count(*) FROM i{})", m.index))
        .collect();
    let sql = format!("WITH {} SELECT {}", parts.join(", "), counts.join(", "));
    let row = client.query_one(&sql, &[]).await;
    let row = row.pg("could not add the rows that are missing")?;
    for (place, table) in outcome.iter_mut().enumerate() {
        table.added = row.get::<_, i64>(place).unsigned_abs();
    }
    Ok(outcome)
}

/// Counts what is there already.
async fn compare(client: &Client, merge: &Merge<'_>) -> Result<Merged> {
    let table = merge.table();
    if merge.key.is_empty() {
        return Ok(Merged::default());
    }
    let sql = format!(
        "SELECT pg_catalog.count(*) FILTER (WHERE there AND NOT differs), \
         pg_catalog.count(*) FILTER (WHERE there AND differs OR NOT there AND taken) \
         FROM (SELECT t.{key} IS NOT NULL AS there, {differs} AS differs, {taken} AS taken \
               FROM {stage} AS s LEFT JOIN ONLY {table} AS t ON {same}) AS compared",
        key = quote::ident(&merge.key[0]),
        differs = merge.differs(),
        taken = merge.in_the_way(),
        stage = merge.stage(),
        same = merge.same(),
    );
    let row = client.query_one(&sql, &[]).await;
    let row = row.pg(format!("could not compare the rows of {}", merge.live.name))?;
    Ok(Merged {
        added: 0,
        present: row.get::<_, i64>(0).unsigned_abs(),
        differing: row.get::<_, i64>(1).unsigned_abs(),
    })
}
