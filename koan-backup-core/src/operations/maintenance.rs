//! Maintenance: retention, verification of one backup in each run, and removal of files that crashed
//! processes left behind.

mod cleanup;
mod directories;
mod incomplete_tasks;
mod probes;
mod report;
mod run;
mod stream_backups;
mod temporary_files;
mod uploads;
pub(crate) mod verifications;

pub(crate) use incomplete_tasks::incomplete_tasks;
pub use report::{DirectoryMaintenance, MaintenanceReport, ProfileMaintenance, StreamMaintenance};
pub(crate) use run::{MaintenanceOptions, run};
