//! Removes the backups of a tree that a retention policy does not keep.

mod holders;
mod remove;
mod survey;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use self::holders::TreeHolders;
use self::remove::remove;
use self::survey::TreeSurvey;
use super::root::{LockedRoot, require_registry};
use crate::catalog::retention::{Retention, RetentionPlan};
use crate::environment::Environment;
use crate::foundation::blocking::blocking;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::clock::Clock;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::operations::prune::{self, PruneReport};

/// Makes the plan of a retention policy for the tree in `root`. The backups that must be kept are verified, because a
/// tree contains no records of verifications.
pub(crate) async fn plan(
    environment: &Environment,
    root: PathBuf,
    retention: &Retention,
    cancel: &CancellationToken,
) -> Result<RetentionPlan> {
    check(environment, retention)?;
    let read = blocking("reads the directory tree", move || {
        let registry = require_registry(&root)?;
        Ok::<_, Error>(TreeSurvey::take(&root, registry))
    });
    let survey = until_cancelled(cancel, async { read.await? }).await?;
    survey.require_clock(environment)?;
    let (plan, _) = settled(environment, &survey, retention, cancel, &mut PruneReport::default()).await?;
    Ok(plan)
}

/// Applies a plan. All checks that can refuse the plan are made before the first removal.
pub(crate) async fn apply(
    environment: &Environment,
    root: PathBuf,
    retention: &Retention,
    plan: &RetentionPlan,
    cancel: &CancellationToken,
) -> Result<PruneReport> {
    if plan.removals().next().is_none() {
        return Ok(PruneReport::default());
    }
    prune::require_steady(environment.clock.now(), plan)?;
    prune::require_effective_rules(retention, plan)?;
    let (root, survey) = open(root, cancel).await?;
    survey.require_clock(environment)?;
    prune::require_unchanged(plan, &survey.basis(environment, retention))?;
    let mut report = PruneReport::default();
    let mut holders = TreeHolders::new(&survey, cancel);
    let (groups, removals) = (survey.groups(environment, retention), removals(plan));
    prune::require_holders(&mut holders, &groups, &removals, &mut report).await?;
    remove_backups(environment, root, removals, report, cancel).await
}

/// Makes the plan of a retention policy and applies it. What killed processes have left in the tree is removed as well.
pub(crate) async fn apply_retention(
    environment: &Environment,
    root: PathBuf,
    retention: &Retention,
    cancel: &CancellationToken,
) -> Result<PruneReport> {
    check(environment, retention)?;
    let (root, survey) = open(root, cancel).await?;
    survey.require_clock(environment)?;
    let mut report = PruneReport::default();
    let (plan, refusal) = settled(environment, &survey, retention, cancel, &mut report).await?;
    if plan.removals().next().is_none() {
        return Ok(report);
    }
    prune::require_effective_rules(retention, &plan)?;
    match refusal {
        Some(error) => Err(error),
        None => remove_backups(environment, root, removals(&plan), report, cancel).await,
    }
}

fn check(environment: &Environment, retention: &Retention) -> Result<()> {
    retention.validate()?;
    prune::refuse_release_of_covered(environment, retention)
}

fn removals(plan: &RetentionPlan) -> BTreeSet<BackupId> {
    plan.removals().map(|decision| decision.id).collect()
}

/// Locks a tree, and reads its state.
async fn open(root: PathBuf, cancel: &CancellationToken) -> Result<(LockedRoot, TreeSurvey)> {
    let opened = blocking("opens the directory tree", move || {
        let root = LockedRoot::open_existing(&root)?;
        let survey = TreeSurvey::take(root.path(), root.registry()?);
        Ok::<_, Error>((root, survey))
    });
    until_cancelled(cancel, async { opened.await? }).await
}

/// Makes a plan in which the newest valid backup of every group is kept. The second value is the error if a group has
/// no valid backup, so that the plan must not be applied.
async fn settled(
    environment: &Environment,
    survey: &TreeSurvey,
    retention: &Retention,
    cancel: &CancellationToken,
    report: &mut PruneReport,
) -> Result<(RetentionPlan, Option<Error>)> {
    let groups = survey.groups(environment, retention);
    let mut holders = TreeHolders::new(survey, cancel);
    loop {
        let known_damaged_count = report.damaged.len();
        let plan = survey.plan(environment, retention, &report.damaged);
        match prune::require_holders(&mut holders, &groups, &removals(&plan), report).await {
            Ok(()) => return Ok((plan, None)),
            // The next plan takes the newly found damage into account, and keeps an older backup instead.
            Err(error)
                if error.kind() == ErrorKind::Conflict && report.damaged.len() > known_damaged_count => {}
            Err(error) if [ErrorKind::Conflict, ErrorKind::Corrupt].contains(&error.kind()) => {
                return Ok((plan, Some(error)));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Removes backups, after it was verified that the necessary backups are kept.
async fn remove_backups(
    environment: &Environment,
    root: LockedRoot,
    removals: BTreeSet<BackupId>,
    report: PruneReport,
    cancel: &CancellationToken,
) -> Result<PruneReport> {
    if cancel.is_cancelled() {
        return Err(Error::cancelled());
    }
    let clock = Arc::clone(&environment.clock) as Arc<dyn Clock>;
    // From here on cancellation has no effect, and the work continues to its end if the future is dropped.
    let removed =
        blocking("removes backups from the directory tree", move || remove(&root, &removals, &clock));
    let removed = removed.await??;
    Ok(PruneReport { removed: removed.backups, foreign_files: removed.foreign_files, ..report })
}
