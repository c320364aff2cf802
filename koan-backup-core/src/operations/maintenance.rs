//! What keeps backups in order: retention, one verification after the other, and the removal of what crashed runs left.

mod leftovers;
mod report;
mod run;
mod temporary;
mod undone;
mod uploads;
pub(crate) mod verifications;

pub use report::{MaintenanceReport, ProfileMaintenance};
pub(crate) use run::{MaintenanceOptions, run};
pub(crate) use undone::undone;
