//! What a revision on the command line means.

use crate::error::Error;
use crate::error::Result;
use crate::ident::Revision;
use crate::model::migration::Target;

/// How many candidates a message names.
const SHOWN: usize = 8;

/// The target that `arg` names: a full version, a whole `version_name`, an unambiguous prefix of
/// either, `head`, `base`, `+N` or `-N`.
///
/// `known` holds each revision with its `version_name`, in the order of application; `current` is
/// the newest one applied, from which `+N` and `-N` count. An argument that is unknown or
/// ambiguous is a usage error that lists what it could have been.
pub fn resolve(
    arg: &str,
    known: &[(Revision, String)],
    current: Option<&Revision>,
) -> Result<Target> {
    match arg {
        "base" => return Ok(Target::Base),
        "head" => return Ok(at(known, known.len())),
        _ => {}
    }
    if let Some(steps) = arg.strip_prefix('+') {
        let from = position(known, current)?;
        let to = steps_of(arg, steps)?
            .checked_add(from)
            .filter(|to| *to <= known.len());
        let left = known.len() - from;
        return to.map(|to| at(known, to)).ok_or_else(|| {
            Error::usage(format!("'{arg}' goes beyond the newest migration")).hint(format!(
                "{left} migrations are pending; `head` names the newest"
            ))
        });
    }
    if let Some(steps) = arg.strip_prefix('-') {
        let from = position(known, current)?;
        let to = from.checked_sub(steps_of(arg, steps)?);
        return to.map(|to| at(known, to)).ok_or_else(|| {
            Error::usage(format!("'{arg}' goes back before the first migration")).hint(format!(
                "{from} migrations are applied; `base` takes all of them back"
            ))
        });
    }
    named(arg, known)
}

/// The target after the first `count` of `known`.
fn at(known: &[(Revision, String)], count: usize) -> Target {
    match count.checked_sub(1).and_then(|i| known.get(i)) {
        Some((revision, _)) => Target::Revision(revision.clone()),
        None => Target::Base,
    }
}

/// How many of `known` are applied when `current` is the newest applied.
fn position(known: &[(Revision, String)], current: Option<&Revision>) -> Result<usize> {
    let Some(current) = current else {
        return Ok(0);
    };
    let found = known.iter().position(|(r, _)| r == current);
    found.map(|i| i + 1).ok_or_else(|| {
        Error::usage(format!(
            "can't count from the current revision {current}, which is not among the migrations"
        ))
        .hint("name the revision itself")
    })
}

fn steps_of(arg: &str, steps: &str) -> Result<usize> {
    let digits = !steps.is_empty() && steps.bytes().all(|b| b.is_ascii_digit());
    match steps.parse() {
        Ok(steps) if digits => Ok(steps),
        _ => Err(Error::usage(format!("'{arg}' is not a number of steps"))),
    }
}

fn named(arg: &str, known: &[(Revision, String)]) -> Result<Target> {
    let whole = arg.parse::<Revision>().ok();
    let exact = known
        .iter()
        .find(|(revision, name)| whole.as_ref() == Some(revision) || name == arg);
    if let Some((revision, _)) = exact {
        return Ok(Target::Revision(revision.clone()));
    }
    let starting: Vec<&(Revision, String)> = known
        .iter()
        .filter(|(_, name)| !arg.is_empty() && name.starts_with(arg))
        .collect();
    match starting.as_slice() {
        [(revision, _)] => Ok(Target::Revision(revision.clone())),
        [] => Err(Error::usage(format!("there is no revision '{arg}'"))
            .hint(candidates("known", known.iter().rev()))),
        many => Err(
            Error::usage(format!("'{arg}' could be any of {}", many.len()))
                .hint(candidates("it could be", many.iter().copied())),
        ),
    }
}

/// The first few names, for a hint.
fn candidates<'a>(
    label: &str,
    names: impl ExactSizeIterator<Item = &'a (Revision, String)>,
) -> String {
    let more = names.len().saturating_sub(SHOWN);
    let mut shown: Vec<String> = names.take(SHOWN).map(|(_, name)| name.clone()).collect();
    if more > 0 {
        shown.push(format!("{more} more"));
    }
    shown.push("head, base".to_owned());
    format!("{label}: {}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_mean_what_the_contract_says() {
        let known: Vec<(Revision, String)> = ["0001_a", "0002_b", "0020_c", "20260101_120000_d"]
            .iter()
            .map(|name| {
                let version = match name.rsplit_once('_') {
                    Some((version, _)) => version.parse().unwrap(),
                    None => name.parse().unwrap(),
                };
                (version, (*name).to_owned())
            })
            .collect();
        let check = |arg: &str, current: &str, expected: &str| {
            let current = current.parse::<Revision>().ok();
            let shown = match resolve(arg, &known, current.as_ref()) {
                Ok(Target::Base) => "base".to_owned(),
                Ok(Target::Revision(revision)) => revision.to_string(),
                Err(e) => format!("{} {}", e.kind().exit_code(), e.hints().join(" ")),
            };
            assert!(
                shown.starts_with(expected),
                "{arg} from {current:?}: {shown}"
            );
        };
        check("base", "", "base");
        check("head", "", "20260101_120000");
        check("0002", "", "0002");
        check("2", "", "0002");
        check("0002_b", "", "0002");
        check("2026", "", "20260101_120000");
        check("002", "", "0002");
        check("0020_", "", "0020");
        check("00", "", "2 it could be: 0001_a, 0002_b, 0020_c");
        check("0002_x", "", "2 known: 20260101_120000_d, 0020_c");
        check("", "", "2 ");
        check("+1", "", "0001");
        check("+1", "0001", "0002");
        check("+0", "0001", "0001");
        check("+5", "0001", "2 3 migrations are pending");
        check("-1", "0020", "0002");
        check("-3", "0020", "base");
        check("-4", "0020", "2 3 migrations are applied");
        check("-1", "", "2 ");
        check("-1", "77", "2 name the revision");
        check("-x", "0020", "2 ");
        check("+-1", "0020", "2 ");
        check("-99999999999999999999999", "0020", "2 ");
    }
}
