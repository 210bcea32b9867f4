//! Where backups live, and what it takes to get there.

use std::fmt;

/// A folder or a bucket, as somebody named it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Location {
    /// A path, or `s3://bucket/prefix`.
    pub place: String,
    /// For a bucket: who asks, and where, by the names of the variables: `AWS_REGION`.
    pub variables: Vec<(String, String)>,
}

impl Location {
    /// What is called `place`, reached in the same way.
    #[must_use]
    pub fn at(&self, place: &str) -> Self {
        Self {
            place: place.to_owned(),
            variables: self.variables.clone(),
        }
    }
}

/// Only the place: among the variables are secrets.
impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}
