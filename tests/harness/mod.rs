//! The ground tests stand on: a throwaway server, a database and folders per test, the binaries.
//!
//! A test begins with a [`Sandbox`]; everything else is reached from there.
#![allow(dead_code, reason = "each test takes what it needs")]

pub mod binary;
pub mod bucket;
pub mod cluster;
pub mod database;
pub mod installation;
pub mod pooler;
pub mod sandbox;
pub mod state;
pub mod terminal;
pub mod transcript;
pub mod writer;

pub use bucket::Bucket;
pub use cluster::Cluster;
pub use sandbox::Sandbox;
pub use writer::Writer;
