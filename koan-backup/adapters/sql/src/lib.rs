//! The common parts of the adapters for SQL databases: names, the matching of tables and columns, coverage
//! and findings.
//!
//! This crate does not depend on any database, and it is not an interface for applications.

pub mod columns;
pub mod content;
pub mod conversion_error;
pub mod coverage;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod documented;
pub mod droppable;
pub mod field_kind;
pub mod findings;
pub mod identifier;
pub mod mapping;
pub mod tables;
