//! The common code of the adapters for SQL databases: quoting of names, matching of entities with tables and
//! columns, coverage, and findings.
//!
//! This crate depends on no database. Applications do not use it.

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
