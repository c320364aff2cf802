//! Turns rows into lines of canonical JSON and back, through the Rust type of the entity.
//!
//! Adapters know columns and values, but not types. The functions here know one type, but no database; they
//! are monomorphized once per entity.
//!
//! There are two paths. The [general path](general) handles every row and line: it reads the type, writes it,
//! and compares the values. The [fast path](fast) works on the [tokens](token) of a line and answers only if
//! it is certain. A line *round-trips* if it decodes as its type and the type writes exactly this line again.

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
pub(crate) use general::{
    RoundTrip, check, decode, encode, key_of_line, key_values, read_line, round_trip, to_record, write_line,
};
pub use record::Record;
pub use row::{Projection, Row, Slot};
pub(crate) use token::LineTokens;
