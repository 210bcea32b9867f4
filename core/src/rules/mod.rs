//! One file per rule: what it finds in a statement, why that matters, and the way out.
