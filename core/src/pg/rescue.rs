//! Tables in our own schema for what an undo found no place for. They are nobody's but the
//! operator's: nothing here reads or drops them again.

use tokio_postgres::Client;

use crate::error::Result;
use crate::ident::TableName;
use crate::pg::as_user;
use crate::pg::error::PgContext as _;
use crate::pg::ledger;
use crate::sql::quote;

/// Longest name that the server keeps whole, in bytes (`NAMEDATALEN` − 1).
const LONGEST: usize = 63;

/// Makes a table of what `query` finds and returns its name and how many rows it holds; `None`: it
/// found nothing. `sequence` is the rollback's place in the journal, `of` the table that the rows
/// were in.
pub async fn keep(
    client: &Client,
    sequence: i64,
    of: &TableName,
    query: &str,
) -> Result<Option<(TableName, u64)>> {
    ledger::ensure(client).await?;
    let name = free(client, sequence, of).await?;
    let table = quote::table(&name);
    let made = as_user::execute(client, &format!("CREATE TABLE {table} AS {query}")).await;
    let rows = made.pg(format!("could not lay rows of {of} aside"))?;
    let comment = quote::literal(&format!(
        "what rollback {sequence} of the journal destroyed of {of}, laid aside by an undo; drop it \
         when it has served"
    ));
    let then = if rows == 0 {
        format!("DROP TABLE {table}")
    } else {
        format!("COMMENT ON TABLE {table} IS {comment}")
    };
    let done = as_user::batch(client, &then).await;
    done.pg(format!("could not lay rows of {of} aside"))?;
    Ok((rows > 0).then_some((name, rows)))
}

/// A name that no relation of the schema has.
async fn free(client: &Client, sequence: i64, of: &TableName) -> Result<TableName> {
    let rows = client
        .query(
            "SELECT c.relname::pg_catalog.text FROM pg_catalog.pg_class c \
             WHERE c.relnamespace = 'pgbelay'::pg_catalog.regnamespace",
            &[],
        )
        .await
        .pg("could not read the names of tables")?;
    let taken: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let mut number = 1;
    loop {
        let name = name(sequence, of, number);
        if !taken.contains(&name) {
            return Ok(TableName::new("pgbelay", &name));
        }
        number += 1;
    }
}

/// `rescued_<sequence>_<schema>_<table>`, cut to what the server keeps; from the second `number` on
/// with that at its end.
fn name(sequence: i64, of: &TableName, number: u32) -> String {
    let end = if number == 1 {
        String::new()
    } else {
        format!("_{number}")
    };
    let mut name = format!("rescued_{sequence}_{}_{}", of.schema, of.name);
    while name.len() + end.len() > LONGEST {
        name.pop();
    }
    name + &end
}

#[cfg(test)]
mod tests {
    use super::name;
    use crate::ident::TableName;

    #[test]
    fn names_are_cut_between_letters_and_told_apart() {
        let of = TableName::new("public", "orders");
        assert_eq!(name(7, &of, 1), "rescued_7_public_orders");
        assert_eq!(name(7, &of, 2), "rescued_7_public_orders_2");
        let of = TableName::new("s", "ä".repeat(31));
        assert_eq!(name(7, &of, 1), format!("rescued_7_s_{}", "ä".repeat(25)));
        assert_eq!(
            name(7, &of, 10),
            format!("rescued_7_s_{}_10", "ä".repeat(24))
        );
    }
}
