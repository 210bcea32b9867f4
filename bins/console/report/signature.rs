//! Who has signed a backup, in the words of every command that says it.

use pgbelay_core::model::backup::BackupFacts;
use pgbelay_core::model::signature::Signature;
use serde::Serialize;

use crate::text::safe;

/// The signature for machines.
#[derive(Serialize)]
pub struct Wire<'a> {
    state: &'static str,
    principal: Option<&'a str>,
    key: Option<&'a str>,
    why: Option<&'a str>,
}

/// For machines; `None` where nobody looked.
pub fn wire(facts: &BackupFacts) -> Option<Wire<'_>> {
    let signature = facts.signature.as_ref()?;
    let (principal, why) = match signature {
        Signature::Valid { principal, .. } => (Some(principal.as_str()), None),
        Signature::Stranger { why, .. } | Signature::Broken { why } => (None, Some(why.as_str())),
        Signature::Missing | Signature::Unchecked { .. } => (None, None),
    };
    Some(Wire {
        state: signature.as_str(),
        principal,
        key: signature.key(),
        why,
    })
}

/// For people, fit to be shown; `None` where nobody looked.
pub fn human(facts: &BackupFacts) -> Option<String> {
    let signature = facts.signature.as_ref()?;
    Some(safe(&words(signature, facts.signer.as_deref())))
}

/// What is known of a signature; `signer` is whose the manifest says that it is.
fn words(signature: &Signature, signer: Option<&str>) -> String {
    match (signature, signer) {
        (Signature::Valid { principal, key }, _) => format!("signed by {principal} ({key})"),
        (Signature::Stranger { key, why }, _) => {
            let key = key.as_deref().unwrap_or("a key of another kind");
            format!("signed by {key}, which counts for nothing: {why}")
        }
        (Signature::Broken { why }, _) => format!("BROKEN: manifest.json.sig {why}"),
        (Signature::Unchecked { key: Some(key) }, _) => {
            format!("signed by {key}, not checked: no allowed signers are named")
        }
        (Signature::Unchecked { key: None }, _) => {
            "manifest.json.sig is there, and is no signature by an ssh-ed25519 key".to_owned()
        }
        (Signature::Missing, Some(signer)) => {
            format!("not signed: its manifest speaks of a signature by {signer}, which is gone")
        }
        (Signature::Missing, None) => "not signed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_said_and_no_more() {
        let key = || "SHA256:abc".to_owned();
        let why = || "no".to_owned();
        let valid = Signature::Valid {
            principal: "ops".to_owned(),
            key: key(),
        };
        let stranger = |key| Signature::Stranger { key, why: why() };
        let unchecked = |key| Signature::Unchecked { key };
        let broken = Signature::Broken { why: why() };
        let name = Some("SHA256:abc");
        for (signature, signer, expected) in [
            (valid, name, "signed by ops (SHA256:abc)"),
            (
                stranger(Some(key())),
                None,
                "signed by SHA256:abc, which counts for nothing: no",
            ),
            (
                stranger(None),
                None,
                "signed by a key of another kind, which",
            ),
            (broken, name, "BROKEN: manifest.json.sig no"),
            (
                unchecked(Some(key())),
                None,
                "signed by SHA256:abc, not checked",
            ),
            (unchecked(None), name, "is no signature"),
            (Signature::Missing, None, "not signed"),
            (
                Signature::Missing,
                name,
                "a signature by SHA256:abc, which is gone",
            ),
        ] {
            let said = words(&signature, signer);
            assert!(said.contains(expected), "{said}");
        }
    }
}
