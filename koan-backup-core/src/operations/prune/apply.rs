//! Applies a retention plan.

use std::collections::{BTreeMap, BTreeSet};

use tokio_util::sync::CancellationToken;

use super::clock;
use super::holders::{self, Holders};
use super::removal::remove;
use super::report::PruneReport;
use super::survey::Survey;
use crate::catalog::RemovalReason;
use crate::catalog::retention::{Retention, RetentionPlan};
use crate::environment::Environment;
use crate::environment::lease::{Lease, LeasedWork, Subject};
use crate::environment::manifest_durability;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::foundation::names::names;
use crate::operations::recover;

/// Applies a plan. All checks that can refuse the plan are made before the first removal.
pub(crate) async fn apply(
    environment: &Environment,
    retention: &Retention,
    plan: &RetentionPlan,
    cancel: &CancellationToken,
) -> Result<PruneReport> {
    if plan.removals().next().is_none() {
        return Ok(PruneReport::default());
    }
    clock::require_steady(environment.clock.now(), plan)?;
    require_effective_rules(retention, plan)?;
    let storage = environment.storage(plan.profile.as_deref())?;
    let lease = Lease::acquire(environment, storage, Subject::Prune, LeasedWork::default(), cancel).await?;
    let applied = apply_under_lease(&lease, environment, retention, plan, cancel).await;
    lease.release().await;
    applied
}

/// Makes a plan from the survey and applies it, while the caller holds the prune lease.
pub(crate) async fn apply_retention(
    lease: &Lease,
    environment: &Environment,
    profile: &str,
    retention: &Retention,
    survey: &Survey<'_>,
) -> Result<PruneReport> {
    let mut report = PruneReport::default();
    let mut holders = Holders::new(environment, survey, lease.stop_token());
    let plan = loop {
        let known_damaged_count = report.damaged.len();
        let plan = survey.plan(environment, Some(profile), retention, &report.damaged)?;
        if plan.removals().next().is_none() {
            return Ok(report);
        }
        require_effective_rules(retention, &plan)?;
        match require_holders(&mut holders, environment, retention, &plan, &mut report).await {
            Ok(()) => break plan,
            // The next plan takes the newly found damage into account, and keeps an older backup
            // instead.
            Err(error)
                if error.kind() == ErrorKind::Conflict && report.damaged.len() > known_damaged_count => {}
            Err(error) => return Err(error),
        }
    };
    let removed = remove_all(lease, environment, &plan, survey, &mut report).await;
    removed.map_err(|error| with_removed_backups(&report, error))?;
    Ok(report)
}

/// Applies a plan while the prune lease is held.
async fn apply_under_lease(
    lease: &Lease,
    environment: &Environment,
    retention: &Retention,
    plan: &RetentionPlan,
    cancel: &CancellationToken,
) -> Result<PruneReport> {
    let mut report = PruneReport::default();
    let applied = async {
        let (cancel, storage) = (lease.stop_token(), environment.storage(plan.profile.as_deref())?);
        // The lease file was written just now, so its modification time is the time of the store.
        until_cancelled(&cancel, clock::require_store_clock(environment, storage)).await?;
        let survey = until_cancelled(&cancel, Survey::take(storage, &environment.clock)).await?;
        survey.require_clock(environment.clock.now())?;
        require_unchanged(plan, &survey.basis(environment, retention))?;
        let mut holders = Holders::new(environment, &survey, cancel);
        require_holders(&mut holders, environment, retention, plan, &mut report).await?;
        remove_all(lease, environment, plan, &survey, &mut report).await
    };
    match applied.await {
        Ok(()) => Ok(report),
        // The error says why the operation stopped, and what it had removed before.
        Err(error) => Err(with_removed_backups(&report, lease.explain(error, cancel))),
    }
}

/// Verifies for each series and each entity of which the plan removes backups that a valid backup is kept.
async fn require_holders(
    holders: &mut Holders<'_>,
    environment: &Environment,
    retention: &Retention,
    plan: &RetentionPlan,
    report: &mut PruneReport,
) -> Result<()> {
    let removals = plan.removals().map(|decision| decision.id).collect();
    let groups = holders.survey.groups(environment, retention);
    holders::require_holders(holders, &groups, &removals, report).await
}

/// Removes the backups of a plan. The caller has verified that the necessary backups are kept.
async fn remove_all(
    lease: &Lease,
    environment: &Environment,
    plan: &RetentionPlan,
    survey: &Survey<'_>,
    report: &mut PruneReport,
) -> Result<()> {
    let cancel = lease.stop_token();
    until_cancelled(
        &cancel,
        recover::require_mostly_listed(environment, environment.storage(plan.profile.as_deref())?, survey),
    )
    .await?;
    // The backups that are kept must survive a loss of power.
    until_cancelled(
        &cancel,
        manifest_durability::sync_backup_directories(environment.storage(plan.profile.as_deref())?),
    )
    .await?;
    let removals: BTreeSet<BackupId> = plan.removals().map(|decision| decision.id).collect();
    // Oldest first, so that the newest backups still exist if the removal stops.
    for backup in survey.backups.iter().rev().filter(|backup| removals.contains(&backup.manifest.id)) {
        if cancel.is_cancelled() {
            return Err(Error::cancelled());
        }
        // A removal is not cancelled halfway: a backup exists completely, or not at all.
        report.removed.push(remove(lease, environment, backup, RemovalReason::Retention).await?);
    }
    Ok(())
}

/// Refuses a plan in which a rule keeps no backup, unless the policy allows it.
pub(crate) fn require_effective_rules(retention: &Retention, plan: &RetentionPlan) -> Result<()> {
    if plan.idle_rules.is_empty() || retention.allows_idle_rules() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Conflict,
        format!(
            "nothing was removed, because these rules keep no backup: {}; correct them, or use `.allow_idle_rules()`",
            names(plan.idle_rules.iter())
        ),
    ))
}

/// Refuses a plan if the backups have changed since it was made.
pub(crate) fn require_unchanged(plan: &RetentionPlan, basis: &BTreeMap<BackupId, String>) -> Result<()> {
    let differs = |id: &&BackupId| basis.get(id) != plan.basis.get(id);
    match basis.keys().chain(plan.basis.keys()).find(differs) {
        None => Ok(()),
        Some(id) => {
            let change = match (plan.basis.contains_key(id), basis.contains_key(id)) {
                (false, _) => "was added",
                (true, false) => "was removed",
                (true, true) => "was changed, or pinned",
            };
            Err(Error::new(
                ErrorKind::Conflict,
                format!("nothing was removed: backup {id} {change} since the plan was made; make a new plan"),
            ))
        }
    }
}

/// Adds the ids of the removed backups to an error.
fn with_removed_backups(report: &PruneReport, error: Error) -> Error {
    let removed: Vec<_> = report.removed.iter().map(|backup| backup.id.to_string()).collect();
    match removed.is_empty() {
        true => error,
        false => {
            let text = format!("pruning stopped after it had removed {}", names(removed.iter()));
            error.context(text).with_remaining_changes()
        }
    }
}
