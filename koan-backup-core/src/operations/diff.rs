//! Compares two backups: which records were added, removed or changed, by their keys.

mod report;
mod run;
mod side;

pub(crate) use report::OnDifference;
pub use report::{BackupDiff, Change, Difference, EntityDiff};
pub(crate) use run::{DiffOptions, run};
