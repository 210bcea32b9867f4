//! What is out of reach is not damaged: whoever judges a backup has to tell the two apart.

use std::error::Error as StdError;
use std::fmt;
use std::io;

/// A server that did not answer, or refused: that says nothing about what it holds.
#[derive(Debug)]
pub struct OutOfReach(pub String);

impl fmt::Display for OutOfReach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for OutOfReach {}

/// True for an error that something out of reach is the cause of.
pub fn is_out_of_reach(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        // What an io::Error wraps is not its source.
        let inner = error.downcast_ref::<io::Error>();
        let inner = inner.and_then(io::Error::get_ref);
        if error.is::<OutOfReach>() || inner.is_some_and(|inner| is_out_of_reach(inner)) {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Context as _, Error};

    #[test]
    fn it_is_found_wherever_it_is() {
        let gone = || OutOfReach("gone".to_owned());
        let read: io::Result<()> = Err(io::Error::other(gone()));
        let wrapped = read.context("cannot read").unwrap_err();
        assert!(is_out_of_reach(&wrapped));
        let twice = io::Error::other(io::Error::other(gone()));
        assert!(is_out_of_reach(&Error::damaged("x").caused_by(twice)));
        assert!(is_out_of_reach(&Error::failed("x").caused_by(gone())));
        let missing = io::Error::from(io::ErrorKind::NotFound);
        assert!(!is_out_of_reach(&Error::failed("x").caused_by(missing)));
    }
}
