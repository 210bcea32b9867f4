//! What pgbelay knows: migrations, what a rollback loses, how that is kept, and how it is put back.
//!
//! The modules are layers; each names only modules of lower layers (a test holds this):
//! [`ops`] → [`source`], [`pg`], [`store`] → [`rules`], [`planner`], [`schema`] → [`sql`] →
//! [`model`] → [`ident`], [`clock`] → [`error`].
//!
//! Nothing here prints, asks, exits, or reads the environment: operations emit
//! [`model::event::Event`]s to an observer and return values.

pub mod clock;
pub mod error;
pub mod ident;
pub mod model;
pub mod ops;
pub mod pg;
pub mod planner;
pub mod rules;
pub mod schema;
pub mod source;
pub mod sql;
pub mod store;
