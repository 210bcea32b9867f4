//! `migrate lock`: who holds the migration lock, and ending that.

use crate::error::Error;
use crate::model::consent::Consent;
use crate::ops::context::Context;
use crate::ops::task::Task;
use crate::pg::connect;
use crate::pg::lock;
use crate::pg::lock::Holder;

/// Who holds the lock.
#[derive(Debug)]
pub struct Held {
    /// The database, as the server names it.
    pub database: String,
    /// The holder; `None` when it is free.
    pub holder: Option<Holder>,
}

/// Looks who holds the migration lock.
pub fn show(ctx: &Context) -> Task<'_, Held> {
    Box::pin(async move {
        let session = connect::connect(&ctx.database, "pgbelay lock").await?;
        Ok(Held {
            database: session.database().to_owned(),
            holder: lock::holder(session.client()).await?,
        })
    })
}

/// Ends the session that holds the lock, if it still is `holder`: its open transaction is rolled
/// back by the server.
pub fn release<'a>(ctx: &'a Context, holder: &'a Holder, consent: &'a Consent) -> Task<'a, ()> {
    Box::pin(async move {
        let session = connect::connect(&ctx.database, "pgbelay lock").await?;
        consent.check(session.database())?;
        match lock::holder(session.client()).await? {
            None => Ok(()),
            Some(now) if now == *holder => {
                lock::terminate(session.client(), holder, ctx.wait).await
            }
            Some(now) => Err(Error::refused(format!(
                "somebody else holds the migration lock now ({now})"
            ))
            .hint("nothing was changed; look again with `migrate lock show`")),
        }
    })
}
