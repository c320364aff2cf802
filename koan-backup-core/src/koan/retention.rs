//! The builder of a retention plan: `koan.retention(policy).plan().await?`, then `.apply(&plan)`.

use tokio_util::sync::CancellationToken;

use super::Koan;
use crate::catalog::retention::{Retention, RetentionPlan};
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::Result;
use crate::foundation::runtime::require_timers;
use crate::operations::prune::{self, PruneReport};

/// The builder of a prune of one profile: it plans which backups the retention policy keeps and which are
/// removed, and applies the plan.
///
/// ```
/// use koan_backup::Retention;
/// # koan_backup_shop::run(async |koan| {
/// let retention = koan.retention(Retention::new().keep_last(1).daily(14));
/// let plan = retention.plan().await?;
/// println!("{plan}"); // a reason for every backup
/// let report = retention.apply(&plan).await?;
/// assert_eq!(report.removed.len(), 1);
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug)]
#[must_use = "a retention removes nothing until a plan is applied"]
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

    /// Sets the storage profile. Without this setting, the default profile is used.
    pub fn in_profile(mut self, profile: impl Into<String>) -> Self {
        self.profile = Some(profile.into());
        self
    }

    /// Stops the removal when `token` is cancelled. The error lists the backups that were already removed.
    pub fn cancel_on(mut self, token: CancellationToken) -> Self {
        self.cancel = token;
        self
    }

    /// Returns the plan: which backups would be kept and which would be removed, and why. It removes nothing.
    ///
    /// # Errors
    /// The policy has no rule, the storage cannot be read, or the clock is behind the newest backup.
    pub async fn plan(&self) -> Result<RetentionPlan> {
        require_timers()?;
        let plan = prune::plan(&self.koan.environment, self.profile.as_deref(), &self.retention);
        until_cancelled(&self.cancel, plan).await
    }

    /// Removes exactly the backups that the plan removes, oldest first. If the plan removes backups of a
    /// series, entity or set, the newest valid backup of this group must be kept. This is verified before the
    /// first removal.
    ///
    /// # Cancel safety
    /// Whenever the future is dropped, every backup exists completely or not at all. An archive whose
    /// manifest was removed may remain.
    ///
    /// # Errors
    /// Before anything is removed:
    /// - A rule keeps no backup, and [`allow_idle_rules`](Retention::allow_idle_rules) is not set.
    /// - The backups have changed since the plan was made, or the clock is implausible.
    /// - The plan removes the newest valid backup of a series or an entity. In this case, make a new plan,
    ///   which takes the newly found damage into account.
    ///
    /// After the first removal: a backup could not be removed or was pinned meanwhile, or the removal was
    /// cancelled. The error lists the backups that were already removed.
    pub async fn apply(&self, plan: &RetentionPlan) -> Result<PruneReport> {
        require_timers()?;
        prune::apply(&self.koan.environment, &self.retention, plan, &self.cancel).await
    }
}
