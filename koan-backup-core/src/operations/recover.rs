//! Recovery of unlisted archives: decides which archives may be removed, and publishes the manifests of the
//! other archives again.

mod judgement;
mod listed;
mod report;
mod run;
mod verified;

pub(crate) use judgement::{
    ArchiveClass, ArchiveClassifier, listed_count, require_listed_majority, require_mostly_listed,
};
pub(crate) use listed::listed_and_unlisted;
pub use report::{ArchiveRecovery, RecoveryOutcome, RecoveryReport};
pub(crate) use run::{RecoverOptions, run};
