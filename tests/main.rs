//! Drives the real binaries against a real PostgreSQL, in throwaway servers of its own.
//!
//! README.md, beside this file, says how to run it and how to write a test.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that panics has said what it has to say"
)]

// What tests stand on: servers, databases, running the binaries, comparing states.
mod harness;

// The harness itself: nothing stays behind, differences are seen.
mod harness_holds;

// The lines of the architecture, read from the sources.
mod layering;

// Going forward, and seeing where a database stands.
mod migrate;

// A rollback undone: every value comes back, and nothing newer is overwritten.
mod undo;

// What scripts rely on: exit codes, last lines, JSON, and that nobody is asked without a terminal.
mod contract;

// Reports of a validation: the same content in every format, and names that stay text.
mod reports;

// What only looks: it locks nothing that anybody would wait for, and can do without any right to write.
mod looking;

// The scripts of a rollback, run on a copy.
mod rehearse;

// Every migration there, back, and there again.
mod roundtrip;

// The schema beside what was recorded, and beside what the migrations build.
mod drift;

// The digest of a schema: the same on a copy, blind for what the server notes for itself.
mod fingerprint;

// Whether a database is fit for a change now.
mod fitness;

// Backups: made, looked at, put back, and recovered without pgbelay.
mod backup;

// What the tests of faults begin with, and all that must stay as it was.
mod scenes;

// Bad input and bad circumstances: the promised exit code, and nothing touched.
mod refusals;

// An application that never pauses while its tables are rolled back and restored.
mod writers;

// kill -9, servers that die, connections that break: all or nothing, and the next run goes on.
mod faults;
