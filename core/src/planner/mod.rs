//! From statements and the structure of a database to what would be lost.
