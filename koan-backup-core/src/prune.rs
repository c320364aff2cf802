//! Removing backups: one by its id, or what a retention plan says. What is said to be removed is gone.

mod apply;
mod clock;
mod pins;
mod removal;
mod report;
mod survey;

pub(crate) use apply::apply;
pub(crate) use clock::require_clock;
pub(crate) use pins::{pin, unpin};
pub(crate) use removal::remove_one;
pub use report::{PruneReport, RemovedBackup};
pub(crate) use survey::plan;
