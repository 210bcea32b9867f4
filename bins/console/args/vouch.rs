//! Flags that say what vouches for a backup.

use pgbelay_core::ident::Digest;
use pgbelay_core::ops::context::Context;

use crate::args::value;

/// What is known of a backup from outside the store.
#[derive(Debug, clap::Args)]
pub struct Vouch {
    /// SHA-256 that the backup's manifest.json must have, from a copy or a note that you trust
    #[arg(long, value_name = "SHA256", value_parser = value::digest)]
    expect: Option<Digest>,

    /// Run the backup's definitions, which are code, even where nothing vouches for them
    #[arg(long)]
    trust_definitions: bool,
}

impl Vouch {
    /// Tells `context` what was given.
    pub const fn apply(&self, context: &mut Context) {
        context.vouching.expect = self.expect;
        context.vouching.trust = self.trust_definitions;
    }
}
