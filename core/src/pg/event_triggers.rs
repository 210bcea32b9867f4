//! Event triggers: code that fires whenever something is defined, by us too.

use tokio_postgres::Client;

use crate::error::Result;
use crate::pg::error::PgContext as _;
use crate::pg::query;

/// An event trigger that fires in this session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventTrigger {
    /// Its name.
    pub name: String,
    /// The source of its function.
    source: String,
}

impl EventTrigger {
    /// True where its source names `table` as a word. What calls other functions tells nothing of
    /// theirs.
    pub fn mentions(&self, table: &str) -> bool {
        let source = self.source.to_lowercase();
        let table = table.to_lowercase();
        let word = |c: char| c.is_alphanumeric() || c == '_';
        source.match_indices(&table).any(|(at, _)| {
            !source[..at].ends_with(word) && !source[at + table.len()..].starts_with(word)
        })
    }
}

/// Whether there is any that is not disabled. Names mean what they say under any search path.
pub async fn any(client: &Client) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_event_trigger AS e \
               WHERE e.evtenabled OPERATOR(pg_catalog.<>) 'D')";
    let rows = query::rows(client, "the event triggers", sql, &[]).await?;
    Ok(rows.first().is_some_and(|row| row.get(0)))
}

/// Those that fire.
pub async fn enabled(client: &Client) -> Result<Vec<EventTrigger>> {
    let rows = client
        .query(
            "SELECT e.evtname::text, coalesce(p.prosrc, '') \
             FROM pg_catalog.pg_event_trigger e \
             JOIN pg_catalog.pg_proc p ON p.oid = e.evtfoid \
             WHERE e.evtenabled <> 'D' ORDER BY e.evtname",
            &[],
        )
        .await
        .pg("could not read the event triggers")?;
    let trigger = |row: &tokio_postgres::Row| EventTrigger {
        name: row.get(0),
        source: row.get(1),
    };
    Ok(rows.iter().map(trigger).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_named_as_a_word() {
        let trigger = EventTrigger {
            name: "e".to_owned(),
            source: "begin insert into Public.\"DDL_log\" values (1); end".to_owned(),
        };
        assert!(trigger.mentions("ddl_log"));
        assert!(!trigger.mentions("log"));
        assert!(!trigger.mentions("ddl_logs"));
    }
}
