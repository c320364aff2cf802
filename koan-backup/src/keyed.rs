//! Records by their keys, for databases that know neither order nor conflict themselves.

mod decision;
mod key;

pub(crate) use decision::{Decision, Decisions};
pub(crate) use key::RecordKey;
