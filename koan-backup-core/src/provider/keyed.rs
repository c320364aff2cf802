//! Records by their keys, for databases that know neither order nor conflict themselves.

mod decision;
mod key;

pub use decision::{Decision, Decisions, out_of_turn};
pub use key::RecordKey;
