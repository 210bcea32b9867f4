//! SQL as text: splitting, classifying, quoting. The only place that knows a grammar.

pub mod quote;
pub mod statement;
