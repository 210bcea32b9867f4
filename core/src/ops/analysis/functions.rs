//! Functions that statements call: some may do anything.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::model::plan::{Refusal, Step};
use crate::model::relation::World;
use crate::pg::inspect::{self, FunctionFacts, Volatility};
use crate::pg::session::Client;
use crate::planner::touch::{Place, Reach};
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

/// What sets a sequence, and what names one.
const SETTING: [&str; 2] = ["setval", "pg_get_serial_sequence"];

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
    let plain = !reach.setting.is_empty() && are_own(client, world, &SETTING).await?;
    let sets = |place: &Place, name: &Name| {
        plain && name.name == SETTING[0] && reach.setting.contains(place)
    };
    let mut refusals = Vec::new();
    for (place, name) in &reach.functions {
        let reason = match known.get(name) {
            None if name.schema.is_none() && GRAMMAR.contains(&name.name.as_str()) => None,
            None => Some("is not known to the server, so what it does can't be judged"),
            Some(_) if sets(place, name) => None,
            Some(candidates) => candidates.iter().find_map(|f| dangerous(name, f)),
        };
        if let Some(reason) = reason {
            refusals.push(Refusal {
                rule: "RB-OPAQUE",
                path: steps[place.step].script.path.clone(),
                line: place.line,
                reason: format!("the function {} {reason}", name.name),
                forceable: true,
            });
        }
    }
    reach.opaque |= !refusals.is_empty();
    reach.refusals.extend(refusals);
    Ok(())
}

/// Whether `names` mean the server's own functions, along whatever search path.
async fn are_own(client: &Client, world: &World, names: &[&str]) -> Result<bool> {
    let plain = |name: &&str| Name {
        schema: None,
        name: (*name).to_owned(),
    };
    let names: Vec<Name> = names.iter().map(plain).collect();
    let schemas: Vec<String> = world.schemas.keys().cloned().collect();
    let known = inspect::function_volatility(client, &names, &schemas).await?;
    Ok(known.values().flatten().all(|f| f.is_builtin))
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
