//! Bad input and bad circumstances: one clear message, the promised exit code, and a database and
//! a folder of backups that nobody has touched.

// What is typed, and consent.
mod arguments;
// Backups that are damaged, gone or somebody else's, and keys.
mod backups;
// Scripts that try to get out of the transaction, or to hide what they destroy.
mod escapes;
// Settings of roles and servers that must change nothing.
mod hostile;
// Rows that would make a statement fail.
mod promises;
// Who can open what is saved, and who chose them.
mod recipients;
// Rights that are missing, and rows that a role may not see.
mod rights;
// Rollback scripts that can't be judged, can't run, or end elsewhere.
mod scripts;
// Servers and locks.
mod servers;
// What vouches for a backup.
mod vouched;
// Our own schema in the hands of others.
mod squatters;
// What others' code says, which may be a row.
mod words;
