//! SQL as text: splitting, classifying, quoting. The only place that knows a grammar.

pub mod builtin;
mod classify;
pub mod code;
pub mod concurrently;
pub mod created;
mod deep;
pub mod excerpt;
pub mod locks;
pub mod mask;
pub mod moved;
mod name;
pub mod parse;
pub mod position;
pub mod promise;
pub mod quote;
pub mod runs;
mod segment;
pub mod statement;
#[cfg(test)]
mod tests;
mod tree;
mod uses;
pub mod words;
