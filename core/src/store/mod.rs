//! All that reads or writes backups.
