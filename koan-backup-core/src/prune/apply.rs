//! Removes what a plan says, and nothing else.

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use super::clock;
use super::removal::remove;
use super::report::PruneReport;
use super::survey::Survey;
use crate::cancellation::until_cancelled;
use crate::catalog::{RemovalReason, StoredBackup};
use crate::environment::{Environment, names};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{BackupId, BackupName};
use crate::lease::{Lease, Subject, Work};
use crate::recover;
use crate::retention::{Retention, RetentionPlan};
use crate::verify::{self, VerifyOptions};

/// Applies a plan. Everything that could refuse it is asked before anything is removed.
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
    require_rules_at_work(retention, plan)?;
    let storage = environment.storage(plan.profile.as_deref())?;
    let lease = Lease::acquire(environment, storage, Subject::Prune, Work::default(), cancel).await?;
    let applied = under(&lease, environment, plan, cancel).await;
    lease.release().await;
    applied
}

/// Plans and applies at once, of what was found under the lease of those who remove backups.
pub(crate) async fn apply_retention(
    lease: &Lease,
    environment: &Environment,
    profile: &str,
    retention: &Retention,
    survey: &Survey<'_>,
) -> Result<PruneReport> {
    let plan = survey.plan(environment, Some(profile), retention)?;
    let mut report = PruneReport::default();
    if plan.removals().next().is_some() {
        require_rules_at_work(retention, &plan)?;
        let removed = remove_all(lease, environment, &plan, survey, &mut report).await;
        removed.map_err(|error| stopped(&report, error))?;
    }
    Ok(report)
}

/// Applies a plan under the lease of those who remove backups.
async fn under(
    lease: &Lease,
    environment: &Environment,
    plan: &RetentionPlan,
    asked: &CancellationToken,
) -> Result<PruneReport> {
    let mut report = PruneReport::default();
    let applied = async {
        let (cancel, storage) = (lease.lost(), environment.storage(plan.profile.as_deref())?);
        // The lease was written just now.
        until_cancelled(&cancel, clock::require_that_of_store(environment, storage)).await?;
        let survey = until_cancelled(&cancel, Survey::take(storage, &environment.clock)).await?;
        survey.require_clock(environment.clock.now())?;
        require_unchanged(plan, &survey)?;
        remove_all(lease, environment, plan, &survey, &mut report).await
    };
    match applied.await {
        Ok(()) => Ok(report),
        // Why the work stopped, then what had been done until then.
        Err(error) => Err(stopped(&report, lease.explain(error, asked))),
    }
}

/// Removes what a plan says of what is there, once the newest backup of each name that verifies was found.
async fn remove_all(
    lease: &Lease,
    environment: &Environment,
    plan: &RetentionPlan,
    survey: &Survey<'_>,
    report: &mut PruneReport,
) -> Result<()> {
    let cancel = lease.lost();
    until_cancelled(
        &cancel,
        recover::require_mostly_listed(environment, environment.storage(plan.profile.as_deref())?, survey),
    )
    .await?;
    let removals: BTreeSet<BackupId> = plan.removals().map(|decision| decision.id).collect();
    let concerned: BTreeSet<BackupName> = plan.removals().map(|decision| decision.name.clone()).collect();
    for name in &concerned {
        require_good_copy(environment, survey, name, &removals, &cancel, report).await?;
    }
    // Oldest first: whatever stops this, what is newest is still there.
    for backup in survey.backups.iter().rev().filter(|backup| removals.contains(&backup.manifest.id)) {
        until_cancelled(&cancel, lease.confirm()).await?;
        // Not cancelled halfway: it is there whole, or not at all.
        report.removed.push(remove(environment, backup.storage, backup, RemovalReason::Retention).await?);
    }
    Ok(())
}

fn require_rules_at_work(retention: &Retention, plan: &RetentionPlan) -> Result<()> {
    if plan.idle_rules.is_empty() || retention.allows_idle_rules() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Conflict,
        format!(
            "nothing was removed, because rules keep nothing here: {}; correct them, or say `.allow_idle_rules()`",
            names(plan.idle_rules.iter())
        ),
    ))
}

/// Refuses a plan that was made of something else than what is there.
fn require_unchanged(plan: &RetentionPlan, survey: &Survey<'_>) -> Result<()> {
    let basis = survey.basis();
    let differs = |id: &&BackupId| basis.get(id) != plan.basis.get(id);
    match basis.keys().chain(plan.basis.keys()).find(differs) {
        None => Ok(()),
        Some(id) => {
            let what = match (plan.basis.contains_key(id), basis.contains_key(id)) {
                (false, _) => "was added",
                (true, false) => "was removed",
                (true, true) => "was changed, or pinned",
            };
            Err(Error::new(
                ErrorKind::Conflict,
                format!("nothing was removed: backup {id} {what} since the plan was made; plan again"),
            ))
        }
    }
}

/// Finds the newest backup of a name that verifies, which must stay.
async fn require_good_copy(
    environment: &Environment,
    survey: &Survey<'_>,
    name: &BackupName,
    removals: &BTreeSet<BackupId>,
    cancel: &CancellationToken,
    report: &mut PruneReport,
) -> Result<()> {
    let complete =
        |backup: &&StoredBackup<'_>| &backup.manifest.name == name && backup.manifest.status.is_complete();
    // Also of a backup that failed in part: what it holds goes on account of one that was completed.
    let holds_something = |backup: &StoredBackup<'_>| {
        let manifest = &backup.manifest;
        &manifest.name == name && manifest.archive.is_some() && removals.contains(&manifest.id)
    };
    if !survey.backups.iter().any(holds_something) {
        return Ok(());
    }
    for backup in survey.backups.iter().filter(complete) {
        let id = backup.manifest.id;
        let options = VerifyOptions { cancel: cancel.clone(), ..VerifyOptions::default() };
        let examined = verify::examine(environment, backup, &options).await?;
        if let Err(error) = &examined.kept {
            tracing::warn!(target: "koan::backup", backup = %id, error = %error.chain(), "what a verification found was not kept beside the backups");
        }
        match examined.problem {
            Some(problem) => report.damaged.push((id, problem)),
            None if removals.contains(&id) => {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!(
                        "nothing was removed: the plan removes backup {id}, the newest one called `{name}` that verifies; {}",
                        damage(report)
                    ),
                ));
            }
            None => {
                report.verified.push(id);
                return Ok(());
            }
        }
    }
    Err(Error::new(
        ErrorKind::Corrupt,
        format!("nothing was removed: no backup called `{name}` verifies; {}", damage(report)),
    ))
}

fn damage(report: &PruneReport) -> String {
    let told: Vec<_> = report.damaged.iter().map(|(id, problem)| format!("{id}: {problem}")).collect();
    told.join("; ")
}

fn stopped(report: &PruneReport, error: Error) -> Error {
    let removed: Vec<_> = report.removed.iter().map(|backup| backup.id.to_string()).collect();
    match removed.is_empty() {
        true => error,
        false => error.context(format!("pruning stopped after it had removed {}", names(removed.iter()))),
    }
}
