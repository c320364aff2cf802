//! Keys and decisions about records, for providers whose database has no definition of key equality and conflicts of its own.

mod decision;
mod key;

pub use decision::{Decision, Decisions, out_of_turn};
pub use key::RecordKey;
