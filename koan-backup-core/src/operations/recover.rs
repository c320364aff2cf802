//! Recovery of unlisted archives: decides which archives may be removed, and publishes the manifests of the
//! other archives again.

mod judgement;
mod report;
mod run;
mod verified;

pub(crate) use judgement::{
    Judge, Judgement, listed_count, refuse_mostly_unlisted, require_mostly_listed, unlisted,
};
pub use report::{ArchiveRecovery, RecoveryOutcome, RecoveryReport};
pub(crate) use run::{RecoverOptions, run};
