//! Whole backups, written and read back: intact, damaged, interrupted, with the wrong key.

mod damage;
mod fixture;
mod interrupted;
mod keys;
mod round_trip;
