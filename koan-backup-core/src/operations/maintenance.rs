//! What keeps backups in order: retention, one verification after the other, and the removal of what crashed
//! runs left.

mod cleanup;
mod incomplete_tasks;
mod report;
mod run;
mod temporary_files;
mod uploads;
pub(crate) mod verifications;

pub(crate) use incomplete_tasks::incomplete_tasks;
pub use report::{MaintenanceReport, ProfileMaintenance};
pub(crate) use run::{MaintenanceOptions, run};
