//! The signature over a backup's manifest, as the operations see it.

/// What is known of it. A `key` is a fingerprint as OpenSSH writes it: `SHA256:…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signature {
    /// There is none.
    Missing,
    /// There is one, and nobody said whose count.
    Unchecked {
        /// Whose it claims to be; `None` when it is none that can be read here.
        key: Option<String>,
    },
    /// An allowed signer has signed this very manifest.
    Valid {
        /// The signer, as the list of allowed signers calls it.
        principal: String,
        /// The key.
        key: String,
    },
    /// It is by nobody whose signature counts.
    Stranger {
        /// The key; `None` when it is of a kind that isn't read here.
        key: Option<String>,
        /// Why it doesn't count.
        why: String,
    },
    /// It is none, or doesn't belong to this manifest.
    Broken {
        /// What is wrong with it, to follow its name.
        why: String,
    },
}

impl Signature {
    /// The word in JSON.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unchecked { .. } => "unchecked",
            Self::Valid { .. } => "valid",
            Self::Stranger { .. } => "stranger",
            Self::Broken { .. } => "broken",
        }
    }

    /// True when it is by somebody who may vouch for the backup.
    pub const fn is_valid(&self) -> bool {
        matches!(self, Self::Valid { .. })
    }

    /// The fingerprint of the key that made it, as far as that is known.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Valid { key, .. } => Some(key),
            Self::Stranger { key, .. } | Self::Unchecked { key } => key.as_deref(),
            Self::Missing | Self::Broken { .. } => None,
        }
    }
}
