//! `koan.retention(policy).plan().await?`, then `.apply(&plan)`.

use tokio_util::sync::CancellationToken;

use super::Koan;
use crate::catalog::retention::{Retention, RetentionPlan};
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::Result;
use crate::operations::prune::{self, PruneReport};

/// A retention for the backups of one profile: a plan to read, then to apply.
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

    /// The storage profile; the default one if none is named.
    pub fn in_profile(mut self, profile: impl Into<String>) -> Self {
        self.profile = Some(profile.into());
        self
    }

    /// Stops when `token` is cancelled: the error names what was removed until then.
    pub fn cancel_on(mut self, token: CancellationToken) -> Self {
        self.cancel = token;
        self
    }

    /// What would stay and what would go, and why. Removes nothing.
    ///
    /// # Errors
    /// The retention keeps nothing, a manifest cannot be read, or the clock is behind the newest backup.
    pub async fn plan(&self) -> Result<RetentionPlan> {
        let plan = prune::plan(&self.koan.environment, self.profile.as_deref(), &self.retention);
        until_cancelled(&self.cancel, plan).await
    }

    /// Removes exactly what a plan says, oldest first, once the newest backups that verify were found and stay: of each series, and
    /// of each entity and set, of which something goes.
    ///
    /// # Cancel safety
    /// Every backup is there whole or not at all, whenever the future is dropped; an archive whose manifest is gone may stay.
    ///
    /// # Errors
    /// Before anything is removed: a rule keeps nothing (unless that is [allowed](Retention::allow_idle_rules)), something changed
    /// since the plan was made, the clock looks wrong, or the plan removes the newest backup of a series or an entity that verifies: plan again then, because
    /// what was found to be damaged is known to the next plan. Later: something could
    /// not be removed, is pinned meanwhile, or the work was cancelled; the error names what was removed before.
    pub async fn apply(&self, plan: &RetentionPlan) -> Result<PruneReport> {
        prune::apply(&self.koan.environment, &self.retention, plan, &self.cancel).await
    }
}
