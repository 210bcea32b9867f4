//! All that reads or writes backups.
//!
//! [`Store`] finds backups and begins new ones, [`Writer`] makes one, [`Backup::verify`] is the only
//! way to a [`Verified`], which is all that a restore accepts. Nothing here knows PostgreSQL
//! beyond the text of a COPY script, and nothing outside creates a file of a backup.

mod age_key;
mod allowed_signers;
mod asking;
mod backup;
mod bucket;
mod catalog;
mod chunk;
mod codec;
mod commit;
mod convert;
mod decrypt;
mod disk;
mod export;
mod facts;
mod finding;
mod folder;
mod identities;
mod import;
mod incomplete;
pub mod keygen;
mod lane;
mod layout;
mod memory;
mod objects;
mod operators;
mod part_writer;
mod passing;
mod place;
mod reach;
mod recipients;
mod rekey;
mod remove;
mod restore_text;
mod room;
mod row_hash;
mod script;
mod script_reader;
mod seal;
mod sidecar;
mod signature;
mod signing_key;
mod statement_writer;
mod sums;
mod survey;
mod unlock;
mod unseal;
mod verified;
mod verify;
mod wire;
mod wire_private;
mod writer;

#[cfg(test)]
mod tests;

pub use age_key::BackupKey;
pub use allowed_signers::AllowedSigners;
pub use backup::Backup;
pub use bucket::hurry;
pub use catalog::Store;
pub use facts::CommitFacts;
pub use facts::NewBackup;
pub use facts::Scope;
pub use facts::Selection;
pub use identities::Identities;
pub use import::Imported;
pub use lane::Heading;
pub use lane::Lane;
pub use lane::Saved;
pub use memory::Memory;
pub use part_writer::PartWriter;
pub use passing::Passing;
pub use place::Place;
pub use recipients::Opener;
pub use recipients::check as check_recipients;
pub use recipients::openers;
pub use rekey::Opened;
pub use rekey::Rekey;
pub use remove::Untouched;
pub use row_hash::RowHash;
pub use row_hash::RowHasher;
pub use row_hash::row_hash;
pub use signing_key::fingerprint as signing_key_fingerprint;
pub use statement_writer::LargeObjectFacts;
pub use verified::ChunkFacts;
pub use verified::Loading;
pub use verified::StoredPart;
pub use verified::Verified;
pub use writer::Writer;
