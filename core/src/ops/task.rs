//! What an operation is while it runs.

use std::pin::Pin;

use crate::error::Result;

/// An operation under way, boxed: so its code is compiled once, with this crate, and not again in
/// every program that runs it.
pub type Task<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + 'a>>;
