//! The builder of a retention plan: `koan.retention(policy).plan().await?`, then `.apply(&plan)`.

use tokio_util::sync::CancellationToken;

use super::Koan;
use crate::catalog::retention::{Retention, RetentionPlan};
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::Result;
use crate::operations::prune::{self, PruneReport};

/// The builder of a retention of one profile: it plans which backups are removed, and applies the plan.
#[derive(Clone, Debug)]
#[must_use = "nothing is removed before a plan is applied"]
pub struct RetentionBuilder {
    koan: Koan,
    retention: Retention,
    profile: Option<String>,
    cancel: CancellationToken,
}

impl RetentionBuilder {
    pub(super) fn new(koan: Koan, retention: Retention) -> Self {
        Self { koan, retention, profile: None, cancel: CancellationToken::new() }
    }

    /// Sets the storage profile. The default is the default profile.
    pub fn in_profile(mut self, profile: impl Into<String>) -> Self {
        self.profile = Some(profile.into());
        self
    }

    /// Stops the removal when `token` is cancelled. The error lists the backups that were removed before.
    pub fn cancel_on(mut self, token: CancellationToken) -> Self {
        self.cancel = token;
        self
    }

    /// Returns the plan: which backups would be kept and which would be removed, and why. It removes nothing.
    ///
    /// # Errors
    /// The retention has no rule, a manifest cannot be read, or the clock is behind the newest backup.
    pub async fn plan(&self) -> Result<RetentionPlan> {
        let plan = prune::plan(&self.koan.environment, self.profile.as_deref(), &self.retention);
        until_cancelled(&self.cancel, plan).await
    }

    /// Removes exactly the backups of a plan, oldest first. Before the first removal, it verifies that for
    /// each series, entity and set of which backups are removed, the newest valid backup stays.
    ///
    /// # Cancel safety
    /// Whenever the future is dropped, every backup exists completely or not at all. An archive whose
    /// manifest was removed may remain.
    ///
    /// # Errors
    /// Before anything is removed:
    /// - A rule keeps nothing, unless that is [allowed](Retention::allow_idle_rules).
    /// - The backups have changed since the plan was made, or the clock looks wrong.
    /// - The plan removes the newest valid backup of a series or an entity. Make a new plan then, which takes
    ///   the damage that was found into account.
    ///
    /// After the first removal: a backup could not be removed or was pinned meanwhile, or the removal was
    /// cancelled. The error lists the backups that were removed before.
    pub async fn apply(&self, plan: &RetentionPlan) -> Result<PruneReport> {
        prune::apply(&self.koan.environment, &self.retention, plan, &self.cancel).await
    }
}
