//! What adapters of SQL databases share. It knows no database.

pub mod columns;
pub mod coverage;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod documented;
pub mod findings;
pub mod identifier;
pub mod misfit;
pub mod tables;
