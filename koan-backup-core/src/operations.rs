//! The pipelines: options, then a plan, then the run and its report. A plan is a value and writes nothing.

pub(crate) mod backup;
pub(crate) mod copy;
pub(crate) mod diff;
pub(crate) mod maintenance;
pub(crate) mod operation;
pub(crate) mod prune;
pub(crate) mod recover;
pub(crate) mod rekey;
pub(crate) mod restore;
pub(crate) mod verify;
