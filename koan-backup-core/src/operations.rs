//! The operations. Each has options, a plan, a run and a report. A plan is a value; making it writes nothing.

pub(crate) mod backup;
pub(crate) mod copy;
pub(crate) mod count;
pub(crate) mod diagnosis;
pub(crate) mod diff;
pub(crate) mod extract;
pub(crate) mod maintenance;
pub(crate) mod operation;
pub(crate) mod prune;
pub(crate) mod recover;
pub(crate) mod rekey;
pub(crate) mod restore;
pub(crate) mod stored_archive;
pub(crate) mod streams;
pub(crate) mod tree;
pub(crate) mod verification;
pub(crate) mod verify;
