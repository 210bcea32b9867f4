//! Who opens which wrap of a backup identity: what the manifest says, until operators come or go.

use crate::error::Result;
use crate::store::folder::Folder;
use crate::store::layout;
use crate::store::wire;

/// No such list is larger.
const CAP: u64 = 16 << 20;

/// Who can open a backup, as far as its public objects tell.
#[derive(Debug, Default)]
pub struct Openers {
    /// Those who hold a key.
    pub recipients: Vec<wire::Recipient>,
    /// How many wraps open by a passphrase.
    pub passphrases: usize,
}

/// The list beside the wraps of the backup in `folder`; `None` while none came or went.
pub fn read(folder: &Folder) -> Result<Option<wire::Operators>> {
    let json = folder.get(layout::OPERATORS, CAP)?;
    json.map(|json| wire::from_json(layout::OPERATORS, &json))
        .transpose()
}

/// The entries of `list` that speak of what lies in `folder` now. While a wrap is being exchanged
/// there is one entry for the old and one for the new.
pub fn current<'a>(folder: &Folder, list: &'a wire::Operators) -> Vec<&'a wire::Wrap> {
    let mut kept: Vec<&wire::Wrap> = Vec::new();
    for wrap in &list.wraps {
        let digest = folder.digest(&wrap.object).ok();
        let fits = digest.is_some_and(|(_, digest)| digest.to_string() == wrap.sha256);
        match kept.iter_mut().find(|k| k.object == wrap.object) {
            Some(earlier) if fits => *earlier = wrap,
            Some(_) => {}
            None => kept.push(wrap),
        }
    }
    kept
}

/// Who can open the backup in `folder`, of which the manifest says `public`. A list that can't be
/// read tells nothing here; a verification names it.
pub fn openers(folder: &Folder, public: &wire::Public) -> Openers {
    let Ok(Some(list)) = read(folder) else {
        return Openers {
            recipients: public.recipients.clone(),
            passphrases: 0,
        };
    };
    let wraps = current(folder, &list);
    let mut openers = Openers::default();
    for wrap in wraps {
        openers.passphrases += usize::from(wrap.passphrase);
        for recipient in &wrap.recipients {
            if !openers.recipients.contains(recipient) {
                openers.recipients.push(recipient.clone());
            }
        }
    }
    openers
}
