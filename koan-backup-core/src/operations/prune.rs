//! Removing backups: one by its id, or what a retention plan says. What is said to be removed is gone.

mod apply;
mod clock;
mod holders;
mod pins;
mod removal;
mod report;
mod survey;

pub(crate) use apply::{apply, apply_retention};
pub(crate) use clock::require_that_of_store;
pub(crate) use pins::{pin, unpin};
pub(crate) use removal::remove_one;
pub use report::{PruneReport, RemovedBackup};
pub(crate) use survey::{Survey, plan};
