//! The conversion of rows into lines of canonical JSON and back, through the Rust type of the entity.
//!
//! Adapters work with columns and values, but not with types. The functions of this module work with one
//! type, but with no database; they are monomorphized once per entity.
//!
//! There are two paths. The [general path](general) handles every row and line: it deserializes a value of
//! the type, serializes that value, and compares the result. The [fast path](fast) works on the
//! [tokens](token) of a line and returns a result only if the result is certain. A line *round-trips* if it
//! decodes as its type and serializing the decoded value returns exactly this line.

mod compare;
mod error;
mod fallback;
mod fast;
mod general;
mod record;
mod row;
mod token;
mod wire_text;

pub use error::RecordError;
pub(crate) use fast::{encode_fast, extract_values, tokens_round_trip};
pub(in crate::entity) use general::json_equal;
pub(crate) use general::{RoundTrip, check, decode, encode, round_trip, written_again};
pub use general::{key_of_line, key_values, read_line, read_object, to_record, write_line};
pub use record::Record;
pub use row::{Projection, Row, Slot};
pub(crate) use token::LineTokens;
