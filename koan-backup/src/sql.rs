//! What adapters of SQL databases share. It knows no database.

pub(crate) mod columns;
pub(crate) mod coverage;
#[cfg(all(test, feature = "postgres", feature = "sqlite"))]
mod documented;
pub(crate) mod findings;
pub(crate) mod identifier;
pub(crate) mod misfit;
pub(crate) mod tables;
