//! What the adapters of SQL databases share: names, the matching of tables and columns, coverage and findings.
//!
//! It knows no database, and is not an interface for applications.

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
pub mod tables;
