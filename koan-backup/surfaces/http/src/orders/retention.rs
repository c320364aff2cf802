//! The order to apply a retention plan.

use std::sync::Arc;

use koan_backup_core::Retention;
use koan_backup_core::retention::RetentionPlan;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Findings, Order, Prepared, require_profile, succeeded};
use crate::access::{Principal, Role};
use crate::hex::hex;
use crate::operations::OperationKind;
use crate::problem::{Problem, ProblemKind};
use crate::state::Shared;

/// The application of a retention plan that the caller has read.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RetentionOrder {
    /// The hash of the plan.
    pub(crate) hash: String,
    pub(crate) profile: Option<String>,
}

impl Order for RetentionOrder {
    fn kind(&self) -> OperationKind {
        OperationKind::Retention
    }

    fn role(&self) -> Role {
        Role::Admin
    }

    async fn prepare(self, shared: &Arc<Shared>, _: &Principal) -> Result<Prepared, Problem> {
        let (policy, plan) = plan_retention(shared, self.profile.as_deref()).await?;
        if plan_hash(&plan) != self.hash {
            return Err(Problem::new(
                ProblemKind::Conflict,
                "the retention plan has changed since it was read",
            )
            .with_help("read the plan again, and apply it with its new hash"));
        }
        let koan = shared.koan.clone();
        Ok(Prepared::new(move |context| async move {
            let mut retention = koan.retention(policy).cancel_on(context.cancel_token());
            if let Some(profile) = &plan.profile {
                retention = retention.in_profile(profile);
            }
            let report = retention.apply(&plan).await?;
            let findings =
                Findings::unless_empty([report.damaged.is_empty(), report.foreign_files.is_empty()]);
            succeeded(&report, findings)
        }))
    }
}

/// Makes the plan of the application's policy.
pub(crate) async fn plan_retention(
    shared: &Shared,
    profile: Option<&str>,
) -> Result<(Retention, RetentionPlan), Problem> {
    let policy = shared.koan.retention_policy().cloned().ok_or_else(|| {
        Problem::new(ProblemKind::Conflict, "the application has no retention policy")
            .with_help("set one in the configuration, or by `KoanBuilder::retention_policy`")
    })?;
    if let Some(profile) = profile {
        require_profile(shared, profile)?;
    }
    let mut retention = shared.koan.retention(policy.clone());
    if let Some(profile) = profile {
        retention = retention.in_profile(profile);
    }
    Ok((policy, retention.plan().await?))
}

/// Returns the hash of the decisions of a plan: of each backup its id and whether it is removed.
pub(crate) fn plan_hash(plan: &RetentionPlan) -> String {
    let mut hash = Sha256::new();
    hash.update(plan.profile.as_deref().unwrap_or_default());
    for decision in &plan.decisions {
        hash.update(decision.id.as_uuid().as_bytes());
        hash.update([u8::from(decision.removed.is_some())]);
    }
    hex(hash.finalize())
}
