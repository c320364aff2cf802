//! The types that all other modules use: errors, values, schemas and canonical text.

pub mod base64;
pub(crate) mod canonical;
pub mod error;
pub mod hex;
pub(crate) mod refusal;
pub mod schema;
pub mod value;
