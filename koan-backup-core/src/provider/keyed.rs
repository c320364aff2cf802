//! Keys of records and decisions about them, for providers whose database defines neither key equality nor
//! conflicts itself.

mod decision;
mod key;

pub use decision::{Decision, Decisions};
pub use key::RecordKey;
