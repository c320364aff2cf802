//! What differs between two backups: records that came, went or changed, by their keys.

mod report;
mod run;
mod side;

pub(crate) use report::OnDifference;
pub use report::{BackupDiff, Change, Difference, EntityDiff};
pub(crate) use run::{DiffOptions, run};
