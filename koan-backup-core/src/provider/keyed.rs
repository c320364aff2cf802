//! Keys of records, and decisions about records, for providers whose database defines neither key equality
//! nor conflicts.

mod decision;
mod key;

pub use decision::{Decision, Decisions};
pub use key::RecordKey;
