//! Reads the schema of a SQLite or PostgreSQL database, and writes a Rust module with an entity for each table.
//!
//! - [`render`] writes the module from a [`DatabaseSchema`]. It is a pure function; the text is formatted, and
//!   compiles unchanged.
//! - [`compare`] returns the differences between a module and a database, for a check in CI.
//! - [`generate`] and [`check`] do the same for a provider, whose schema they read, and [`open`] opens the provider
//!   for a URL.
//!
//! The module needs the crates that its first lines list. A comment that starts with `Decide:` is a question to a
//! person, for example about a column that looks personal.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod compare;
mod database;
mod options;
mod plan;
mod render;
#[cfg(test)]
mod tests;

pub use compare::{Difference, compare};
pub use database::{check, generate, open};
pub use koan_backup_core::provider::DatabaseSchema;
pub use options::{GenerateOptions, TimeCrate};
pub use render::render;
