//! Decides which backups are kept and why: computes a plan from a policy and a list of backups. This module
//! does not access a storage.

mod candidate;
mod groups;
mod period;
mod plan;
mod policy;
mod reason;

pub(crate) use candidate::Candidate;
pub(crate) use groups::{Group, GroupContent, groups, label};
pub use period::Period;
pub(crate) use plan::plan;
pub use plan::{RetentionDecision, RetentionPlan};
pub use policy::Retention;
pub use reason::{KeepReason, RemoveReason};

#[cfg(test)]
mod tests;
