//! What a plan is made from, read at one instant: by two of the server's processes, as long as there is
//! a connection for the second.

use futures_util::future::{Either, select};
use futures_util::try_join;

use crate::error::{Error, Result};
use crate::model::ledger::Entry;
use crate::model::relation::World;
use crate::ops::context::Context;
use crate::ops::task::Task;
use crate::pg::session::Session;
use crate::pg::{catalog, connect, inspect, ledger, lookup, retry, snapshot, transaction};
use crate::schema::Catalog;

/// Ledger, structure, and the schema with every option.
pub async fn look(ctx: &Context, session: &Session) -> Result<(Vec<Entry>, World, Catalog)> {
    let client = session.client();
    let snapshot = snapshot::id(client).await;
    if snapshot.is_err() {
        // Without the right to share it, say, all is read here.
        transaction::abandon(client).await;
        snapshot::begin_reading(client, ctx.lock_timeout).await?;
    }
    let path = lookup::search_path(client).await?;
    transaction::ours(client).await?;
    let schema = catalog::Shared::default();
    let here = async {
        let read = try_join!(ledger::read(client), inspect::world(client, path))?;
        schema.help(client).await?;
        Ok::<_, Error>(read)
    };
    // Whatever becomes of the help (there may be no connection left for it), all is read here then.
    let helping = help(ctx, session, snapshot, &schema);
    let (all, world) = match select(Box::pin(here), helping).await {
        Either::Left((read, helping)) => {
            let read = read?;
            if schema.is_being_read() && helping.await.is_err() {
                schema.help(client).await?;
            }
            read
        }
        Either::Right((_, here)) => here.await?,
    };
    Ok((all, world, schema.end()))
}

/// Reads the schema on a session of its own, of the same instant, and leaves some of it to others.
fn help<'a>(
    ctx: &'a Context,
    session: &'a Session,
    snapshot: Result<String>,
    schema: &'a catalog::Shared,
) -> Task<'a, ()> {
    Box::pin(async move {
        let snapshot = snapshot?;
        let database = ctx.database.at(session.host());
        let session = connect::connect(&database, "pgbelay plan").await?;
        let client = session.client();
        snapshot::begin_reading(client, ctx.lock_timeout).await?;
        snapshot::share(client, &snapshot).await?;
        transaction::ours(client).await?;
        let read = schema.help(client).await;
        retry::end_reading(client, read).await
    })
}
