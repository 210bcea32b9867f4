//! `migrate revision`: a new, empty migration.

use std::path::PathBuf;

use crate::clock;
use crate::error::Result;
use crate::ident::Revision;
use crate::ops::context::Context;
use crate::source;

/// Writes the files of a new migration called `message` and returns their paths.
pub fn create(ctx: &Context, message: &str, depends_on: &[Revision]) -> Result<Vec<PathBuf>> {
    source::create(
        &ctx.migrations,
        ctx.layout,
        message,
        depends_on,
        None,
        clock::now(),
    )
}
