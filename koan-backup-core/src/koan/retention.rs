//! The builder of a retention plan: `koan.retention(policy).plan().await?`, then `.apply(&plan)`.

use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::Koan;
use crate::catalog::retention::{Retention, RetentionPlan};
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::runtime::require_timers;
use crate::operations::prune::{self, PruneReport};
use crate::operations::tree;

/// The builder of a prune of one profile or directory tree: it plans which backups the retention policy keeps and
/// which are removed, and applies the plan.
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
    directory: Option<PathBuf>,
    cancel: CancellationToken,
}

impl RetentionBuilder {
    pub(super) fn new(koan: Koan, retention: Retention) -> Self {
        Self { koan, retention, profile: None, directory: None, cancel: CancellationToken::new() }
    }

    /// Sets the storage profile. Without this setting, the default profile is used.
    pub fn in_profile(mut self, profile: impl Into<String>) -> Self {
        self.profile = Some(profile.into());
        self
    }

    /// Applies the policy to the directory tree in `root`, and not to a storage profile.
    ///
    /// The rules are the same. The backups that must be kept are verified when the plan is made, because a tree
    /// contains no records of verifications. Files that koan-backup did not write are kept, and the report lists
    /// them.
    ///
    /// ```
    /// use koan_backup::Retention;
    /// # let folder = tempfile::tempdir().expect("a temporary directory");
    /// # let root = folder.path().join("fixtures");
    /// # koan_backup_shop::run(async move |koan| {
    /// # let _ = koan.backup("fixtures").to_directory(&root).await?;
    /// # let _ = koan.backup("fixtures").to_directory(&root).await?;
    /// let retention = koan.retention(Retention::new().keep_last(1)).in_directory(&root);
    /// let report = retention.apply(&retention.plan().await?).await?;
    /// assert_eq!(report.removed.len(), 1);
    /// # Ok(())
    /// # });
    /// ```
    pub fn in_directory(mut self, root: impl AsRef<Path>) -> Self {
        self.directory = Some(root.as_ref().to_owned());
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
    /// The policy has no rule, the storage or the tree cannot be read, the clock is behind the newest backup, or both a
    /// profile and a directory tree are set.
    pub async fn plan(&self) -> Result<RetentionPlan> {
        require_timers()?;
        let environment = &self.koan.environment;
        match (&self.directory, &self.profile) {
            (None, profile) => {
                let plan = prune::plan(environment, profile.as_deref(), &self.retention);
                Box::pin(until_cancelled(&self.cancel, plan)).await
            }
            (Some(root), None) => {
                let plan = tree::plan_retention(environment, root.clone(), &self.retention, &self.cancel);
                Box::pin(plan).await
            }
            (Some(_), Some(_)) => {
                let text = "retention applies either to a storage profile or to a directory tree";
                Err(Error::new(ErrorKind::Configuration, text)
                    .with_help("use either `.in_profile(…)` or `.in_directory(…)`"))
            }
        }
    }

    /// Removes exactly the backups that the plan removes, oldest first. If the plan removes backups of a
    /// series, entity or set, the newest valid backup of this group must be kept. This is verified before the
    /// first removal.
    ///
    /// # Cancel safety
    /// Whenever the future is dropped, every backup exists completely or not at all. An archive whose
    /// manifest was removed may remain. In a directory tree, the removal continues to its end.
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
        let environment = &self.koan.environment;
        match &plan.root {
            None => Box::pin(prune::apply(environment, &self.retention, plan, &self.cancel)).await,
            Some(root) => {
                let applied =
                    tree::apply_plan(environment, root.clone(), &self.retention, plan, &self.cancel);
                Box::pin(applied).await
            }
        }
    }
}
