//! What somebody wrote between a rollback and its undo is never overwritten.
