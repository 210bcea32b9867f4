//! Tables and columns that the rollback renamed get the names back that they had, when the scripts
//! that would do so can't run.

use crate::error::Result;
use crate::pg::record::{Details, TableRecord};
use crate::pg::session::Client;
use crate::pg::transaction;
use crate::sql::quote;

/// Takes the renames of `details` back. Names may have been exchanged, so all of them are given up
/// before any is taken.
pub async fn take_back(client: &Client, details: &Details) -> Result<()> {
    let mut second = Vec::new();
    for (number, record) in details.tables.iter().enumerate() {
        let Some(after) = record.name_after() else {
            continue;
        };
        let before = record.name_before();
        let mut table = quote::table(&after);
        if after.schema != before.schema {
            let schema = quote::ident(&before.schema);
            let sql = format!("ALTER TABLE {table} SET SCHEMA {schema}");
            transaction::define(client, &sql).await?;
            table = format!("{schema}.{}", quote::ident(&after.name));
        }
        if after.name != before.name {
            let free = quote::ident(&format!("pgbelay {number}"));
            let sql = format!("ALTER TABLE {table} RENAME TO {free}");
            transaction::define(client, &sql).await?;
            table = format!("{}.{free}", quote::ident(&before.schema));
            let name = quote::ident(&before.name);
            second.push(format!("ALTER TABLE {table} RENAME TO {name}"));
            table = quote::table(&before);
        }
        second.extend(columns(record, &table));
    }
    for sql in second {
        transaction::define(client, &sql).await?;
    }
    Ok(())
}

/// Statements that do the same for the columns of one table, called `table` by then.
fn columns(record: &TableRecord, table: &str) -> Vec<String> {
    let rename = |from: &str, to: &str| {
        let (from, to) = (quote::ident(from), quote::ident(to));
        format!("ALTER TABLE {table} RENAME COLUMN {from} TO {to}")
    };
    let (mut given_up, mut taken) = (Vec::new(), Vec::new());
    for (number, now) in &record.columns_after {
        let Some(column) = record.column(*number).filter(|c| c.name != *now) else {
            continue;
        };
        let free = format!("pgbelay {number}");
        given_up.push(rename(now, &free));
        taken.push(rename(&free, &column.name));
    }
    given_up.append(&mut taken);
    given_up
}
