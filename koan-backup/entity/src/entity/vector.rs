//! Vectors: the embeddings of records, in the form in which archives contain them.
//!
//! An *embedding* is a vector that a *model* has computed from the text of a record. Its *content hash* is the SHA-256 of
//! that text. An archive contains each distinct combination of content hash, model and vector once, and a second list
//! assigns them to the keys of records.

mod assignment;
mod key;
mod payload;
mod stored;
mod value;

pub use half::f16;

pub use assignment::VectorAssignment;
pub use key::RecordKey;
pub use payload::VectorPayload;
pub use stored::ArchivedVector;
pub use value::{SparseVector, VectorForm, VectorValue};
