//! Finding the wrap that one of the operator's identities opens, and saying why none does.

use std::collections::BTreeSet;

use age::x25519;

use crate::error::Error;
use crate::error::Result;
use crate::store::age_key;
use crate::store::age_key::Unopened;
use crate::store::backup::Backup;
use crate::store::identities::Identities;
use crate::store::layout;
use crate::store::verify::Broken;

/// No wrap of the backup identity is larger: room for hundreds of operators.
const WRAP_CAP: u64 = 1 << 20;

/// Unwraps the backup identity. A key that doesn't fit is the caller's mistake and told apart
/// from a wrap that is damaged.
pub fn open_key(
    backup: &Backup,
    names: &BTreeSet<String>,
    identities: &Identities,
    broken: &mut Broken,
) -> Result<Option<x25519::Identity>> {
    let manifest = backup.manifest();
    let mut damaged = Vec::new();
    for name in names.iter().filter(|name| name.starts_with("keys/")) {
        let wrapped = backup.files().get(name, WRAP_CAP)?.unwrap_or_default();
        match age_key::unwrap(&wrapped, identities.keys()) {
            Ok(identity) => {
                let digest = age_key::public_digest(&identity.to_public());
                if digest.to_string() == manifest.public.identity_sha256 {
                    return Ok(Some(identity));
                }
                damaged.push((name, "holds another backup's key".to_owned()));
            }
            Err(Unopened::Damaged(why)) => damaged.push((name, format!("is damaged: {why}"))),
            Err(Unopened::NotOurs) => {
                let operators = &manifest.public.recipients;
                let ours = operators.iter().any(|r| identities.holds(&r.fingerprint));
                if ours && name == layout::FIRST_KEY {
                    let why = "does not open with an identity that it was made for";
                    damaged.push((name, why.to_owned()));
                }
            }
        }
    }
    if !damaged.is_empty() {
        for (name, why) in damaged {
            broken.add(name, why);
        }
        return Ok(None);
    }
    let facts = backup.facts();
    let message = if identities.is_empty() {
        format!("backup {} can't be decrypted without an identity", facts.id)
    } else {
        format!(
            "backup {} can't be decrypted with the identities given",
            facts.id
        )
    };
    let mut error = Error::damaged(message)
        .hint(format!(
            "it needs the key of: {}",
            facts.recipients.join(", ")
        ))
        .hint("give an identity file with --identity");
    for path in identities.missing() {
        error = error.hint(format!("{} does not exist", path.display()));
    }
    // What else was found is said first: a damaged backup needs no better key.
    std::mem::take(broken).into_result(&facts.id)?;
    Err(error)
}
