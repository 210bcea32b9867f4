//! `SHA256SUMS`, in the form that `sha256sum --check` reads.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::error::Result;
use crate::ident::Digest;
use crate::store::layout;
use crate::store::layout::Object;

/// The text for these digests.
pub fn to_text(digests: &BTreeMap<String, Digest>) -> String {
    let lines = digests.iter().map(|(name, digest)| {
        format!(
            "{digest}  {name}
"
        )
    });
    lines.collect::<Vec<_>>().concat()
}

/// The digests in `text`. Names that the layout doesn't know are refused, whatever they are.
pub fn parse(text: &[u8]) -> Result<BTreeMap<String, Digest>> {
    let malformed = || Error::damaged(format!("{}: malformed", layout::SUMS));
    let text = std::str::from_utf8(text).map_err(|_| malformed())?;
    let mut digests = BTreeMap::new();
    for line in text.lines() {
        let (digest, name) = line.split_once("  ").ok_or_else(malformed)?;
        let digest: Digest = digest.parse().map_err(|_| malformed())?;
        if !Object::of(name).is_some_and(Object::is_summed)
            || digests.insert(name.to_owned(), digest).is_some()
        {
            return Err(malformed());
        }
    }
    Ok(digests)
}
