//! Functions that statements call: some may do anything.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::model::plan::{Refusal, Step};
use crate::model::relation::World;
use crate::pg::inspect::{self, FunctionFacts, Volatility};
use crate::pg::session::Client;
use crate::planner::touch::Reach;
use crate::sql::statement::Name;

/// Built-in functions that are volatile and yet change nothing that matters here.
const HARMLESS: [&str; 9] = [
    "random",
    "clock_timestamp",
    "timeofday",
    "gen_random_uuid",
    "statement_timestamp",
    "transaction_timestamp",
    "nextval",
    "pg_sleep",
    "setseed",
];

/// Volatile functions of extensions that make values and nothing else.
const GENERATORS: [&str; 6] = [
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
    "gen_random_bytes",
    "gen_salt",
    "crypt",
];

/// What is written like a call and is part of the grammar: the catalog has no function for it.
const GRAMMAR: [&str; 16] = [
    "coalesce",
    "nullif",
    "greatest",
    "least",
    "row",
    "grouping",
    "cube",
    "rollup",
    "trim",
    "cast",
    "treat",
    "extract",
    "xmlconcat",
    "xmlelement",
    "xmlforest",
    "merge_action",
];

/// Refuses statements that call functions which may do anything.
pub async fn judge(
    client: &Client,
    world: &World,
    steps: &[Step],
    reach: &mut Reach,
) -> Result<()> {
    let names: BTreeSet<Name> = reach.functions.iter().map(|f| f.1.clone()).collect();
    let names: Vec<Name> = names.into_iter().collect();
    if names.is_empty() {
        return Ok(());
    }
    let known = inspect::function_volatility(client, &names, &world.search_path).await?;
    for (place, name) in &reach.functions {
        let reason = match known.get(name) {
            None if name.schema.is_none() && GRAMMAR.contains(&name.name.as_str()) => None,
            None => Some("is not known to the server, so what it does can't be judged"),
            Some(candidates) => candidates.iter().find_map(|f| dangerous(name, f)),
        };
        if let Some(reason) = reason {
            reach.refusals.push(Refusal {
                rule: "RB-OPAQUE",
                path: steps[place.step].script.path.clone(),
                line: place.line,
                reason: format!("the function {} {reason}", name.name),
                forceable: true,
            });
            reach.opaque = true;
        }
    }
    Ok(())
}

fn dangerous(name: &Name, function: &FunctionFacts) -> Option<&'static str> {
    let harmless = function.volatility != Volatility::Volatile
        || function.is_builtin && HARMLESS.contains(&name.name.as_str())
        || function.extension.is_some() && GENERATORS.contains(&name.name.as_str());
    if harmless {
        None
    } else if function.is_builtin {
        Some("acts outside the transaction or on the server itself")
    } else {
        Some("is volatile: it may change anything")
    }
}
