//! Which queries may be run for a look: those that do nothing but compute, as far as anybody knows.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::model::relation::World;
use crate::pg::inspect::{self, Run};
use crate::pg::session::Client;
use crate::sql::words::Words;

/// Queries that were judged before anything of them ran.
#[derive(Debug, Default)]
pub(super) struct Gate {
    passed: BTreeSet<String>,
    stopped: BTreeMap<String, String>,
}

impl Gate {
    /// Judges `queries`. Assumes an empty search path.
    pub(super) async fn judge(
        client: &Client,
        world: &World,
        queries: BTreeSet<String>,
    ) -> Result<Self> {
        let mut gate = Self::default();
        // Most often none is suspect, and one question tells.
        let mut all = Words::default();
        for query in &queries {
            all.add(query);
        }
        let none = queries.is_empty() || suspects(client, world, &all).await?.is_empty();
        if none {
            gate.passed = queries;
            return Ok(gate);
        }
        for query in queries {
            let found = suspects(client, world, &Words::of(&query)).await?;
            match found.into_iter().next() {
                None => gate.passed.insert(query),
                Some(why) => gate.stopped.insert(query, why).is_none(),
            };
        }
        Ok(gate)
    }

    /// Why `query` is not run; `None`: it may be.
    pub(super) fn stops(&self, query: &str) -> Option<String> {
        if self.passed.contains(query) {
            return None;
        }
        let why = self.stopped.get(query).cloned();
        Some(why.unwrap_or_else(|| "it was not judged".to_owned()))
    }
}

async fn suspects(client: &Client, world: &World, words: &Words) -> Result<Vec<String>> {
    inspect::suspects(client, words, &world.search_path, Run::Look).await
}
