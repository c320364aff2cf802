//! Removes backups: a single backup by its id, or the backups of a retention plan. Each removal is checked,
//! so a reported removal is certain.

mod apply;
mod clock;
mod holders;
mod pins;
mod removal;
mod report;
mod survey;

pub(crate) use apply::{apply, apply_retention};
pub(crate) use clock::require_store_clock;
pub(crate) use pins::{pin, unpin};
pub(crate) use removal::remove_one;
pub use report::{PruneReport, RemovedBackup};
pub(crate) use survey::{Survey, plan};
