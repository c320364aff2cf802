//! Removes backups: a single backup by its id, or the backups of a retention plan. Each removal is checked,
//! so a reported removal is certain.

mod apply;
mod clock;
mod holders;
mod pins;
mod removal;
mod report;
mod survey;

pub(crate) use apply::{apply, apply_retention, require_effective_rules, require_unchanged};
pub(crate) use clock::{require_not_behind, require_steady, require_store_clock};
pub(crate) use holders::{VerifiableBackups, require_holders};
pub(crate) use pins::{pin, reason_of as pin_reason, unpin};
pub(crate) use removal::remove_one;
pub use report::{PruneReport, RemovedBackup};
pub(crate) use survey::{Survey, candidate_entity, plan, refuse_release_of_covered};
