//! One run of maintenance over all profiles.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::cleanup::Cleanup;
use super::incomplete_tasks::{MaintenanceTask, ProfileOutcome};
use super::report::{MaintenanceReport, ProfileMaintenance};
use super::uploads::UnfinishedUploads;
use super::verifications;
use crate::catalog::retention::Retention;
use crate::catalog::{self, Origin, StoredBackup, VerificationRecord};
use crate::environment::Environment;
use crate::environment::lease::{Lease, LeasedWork, Subject};
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{ErrorKind, Result};
use crate::operations::prune::{self, Survey};
use crate::operations::verify::{self, VerifyOptions};
use crate::storage::Storage;

/// What maintenance does.
#[derive(Clone, Debug)]
pub(crate) struct MaintenanceOptions {
    pub(crate) retention: Option<Retention>,
    pub(crate) profiles: Vec<String>,
    /// Whether one backup is verified in each run.
    pub(crate) verifies: bool,
    /// How old a file must be to be a leftover; none are removed without.
    pub(crate) cleanup_older_than: Option<Duration>,
    pub(crate) cancel: CancellationToken,
}

impl Default for MaintenanceOptions {
    fn default() -> Self {
        Self {
            retention: None,
            profiles: Vec::new(),
            verifies: true,
            cleanup_older_than: Some(Duration::from_secs(86_400)),
            cancel: CancellationToken::new(),
        }
    }
}

impl MaintenanceOptions {
    /// What of it removes something.
    fn removes(&self) -> Vec<MaintenanceTask> {
        let cleanup = self.cleanup_older_than.map(|_| MaintenanceTask::Cleanup);
        let retention = self.retention.as_ref().map(|_| MaintenanceTask::Retention);
        cleanup.into_iter().chain(retention).collect()
    }
}

/// Does everything in every profile. What fails is in the report and does not hinder the rest.
///
/// # Errors
/// It was cancelled, or a profile does not exist.
pub(crate) async fn run(
    environment: &Environment,
    options: &MaintenanceOptions,
) -> Result<MaintenanceReport> {
    for name in &options.profiles {
        environment.storage(Some(name))?;
    }
    let mut report = MaintenanceReport::default();
    for (name, storage) in &environment.storages {
        if options.profiles.is_empty() || options.profiles.contains(name) {
            report.profiles.push(profile(environment, name, storage, options).await?);
        }
    }
    Ok(report)
}

async fn profile(
    environment: &Environment,
    name: &str,
    storage: &Storage,
    options: &MaintenanceOptions,
) -> Result<ProfileMaintenance> {
    let mut outcome = ProfileOutcome::new(environment, name, storage, &options.cancel);
    let cancel = &options.cancel;
    let found = match options.removes().is_empty() {
        true => None,
        false => remove(environment, name, storage, options, &mut outcome).await?,
    };
    if options.verifies {
        let verified = verify_next(environment, storage, found, cancel, &mut outcome.report);
        let verified = until_cancelled(cancel, Box::pin(verified)).await;
        outcome.note(MaintenanceTask::Verification, verified).await?;
    }
    let refreshed = until_cancelled(cancel, environment.manifests.all(name, storage)).await;
    outcome.note(MaintenanceTask::Catalog, refreshed.map(drop)).await?;
    Ok(outcome.report)
}

/// Removes leftovers, and what a retention does not keep, under one lease and of one look at what is there.
/// Gives what was seen and is there still.
async fn remove<'a>(
    environment: &Environment,
    name: &str,
    storage: &'a Storage,
    options: &MaintenanceOptions,
    outcome: &mut ProfileOutcome<'_>,
) -> Result<Option<Vec<StoredBackup<'a>>>> {
    let cancel = &options.cancel;
    match Lease::acquire(environment, storage, Subject::Prune, LeasedWork::default(), cancel).await {
        Ok(lease) => {
            let found = remove_under_lease(&lease, environment, name, storage, options, outcome).await;
            lease.release().await;
            found
        }
        Err(error) => outcome.failed(&options.removes(), error).await.map(|()| None),
    }
}

async fn remove_under_lease<'a>(
    lease: &Lease,
    environment: &Environment,
    name: &str,
    storage: &'a Storage,
    options: &MaintenanceOptions,
    outcome: &mut ProfileOutcome<'_>,
) -> Result<Option<Vec<StoredBackup<'a>>>> {
    let cancel = lease.lost();
    let explained = |error| lease.explain(error, &options.cancel);
    let look = async {
        prune::require_that_of_store(environment, storage).await?;
        // Listed before leases are asked for: whoever has noted an upload holds a lease by then.
        let uploads = UnfinishedUploads::list(storage).await?;
        let survey = Survey::take(storage, &environment.clock).await?;
        survey.require_clock(environment.clock.now())?;
        Ok((uploads, survey))
    };
    let (uploads, survey) = match until_cancelled(&cancel, look).await.map_err(explained) {
        Ok(found) => found,
        Err(error) => return outcome.failed(&options.removes(), error).await.map(|()| None),
    };
    outcome.report.unreadable = survey.unreadable.clone();
    // Before the retention, which may take long.
    if let Some(age) = options.cleanup_older_than {
        let age = age.max(environment.lease_time * 2);
        let (mut problems, report) = (Vec::new(), &mut outcome.report);
        let removed = async {
            let held = survey.held(survey.taken_at);
            problems.extend(uploads.abort(lease, storage, held, report).await?);
            let cleanup = Cleanup { lease, environment, storage, survey: &survey, age };
            cleanup.remove(report, &mut problems).await
        };
        match until_cancelled(&cancel, removed).await.map_err(explained) {
            Ok(()) => outcome.done(MaintenanceTask::Cleanup, problems).await,
            Err(error) if problems.is_empty() || error.kind() == ErrorKind::Cancelled => {
                outcome.failed(&[MaintenanceTask::Cleanup], error).await?;
            }
            Err(error) => {
                problems.push(error.chain());
                outcome.done(MaintenanceTask::Cleanup, problems).await;
            }
        }
        environment.manifests.trim(storage, survey.ids()).await;
    }
    if let Some(retention) = &options.retention {
        let pruned = prune::apply_retention(lease, environment, name, retention, &survey).await;
        match pruned.map_err(explained) {
            Ok(report) => outcome.report.pruned = Some(report),
            // Afterwards the profile is looked at again.
            Err(error) => return outcome.failed(&[MaintenanceTask::Retention], error).await.map(|()| None),
        }
        outcome.done(MaintenanceTask::Retention, Vec::new()).await;
    }
    let removed = outcome.report.pruned.iter().flat_map(|pruned| &pruned.removed);
    let removed: BTreeSet<_> = removed.map(|backup| backup.id).collect();
    let mut backups = survey.backups;
    backups.retain(|backup| !removed.contains(&backup.manifest.id));
    Ok(Some(backups))
}

/// Verifies the backup whose last verification is longest ago, and keeps what was found. `seen` are the
/// backups there are, if somebody has looked just now.
async fn verify_next(
    environment: &Environment,
    storage: &Storage,
    found: Option<Vec<StoredBackup<'_>>>,
    cancel: &CancellationToken,
    report: &mut ProfileMaintenance,
) -> Result<()> {
    let verified = verifications::read_all(storage).await?;
    let backups = match found {
        Some(backups) => backups,
        None => catalog::list(storage).await?,
    };
    let last = |backup: &StoredBackup<'_>| verified.get(&backup.manifest.id).map(|record| record.verified_at);
    // Of those that never were, the newest.
    // Types of other applications may differ, and their keys are not here.
    let is_ours = |backup: &StoredBackup<'_>| {
        backup.manifest.status.is_complete()
            && backup.manifest.producer.origin(&environment.identity) != Origin::Other
    };
    let complete = backups.into_iter().filter(is_ours);
    let Some(next) = complete.min_by_key(last) else { return Ok(()) };
    let id = next.manifest.id;
    let options = VerifyOptions { cancel: cancel.clone(), ..VerifyOptions::default() };
    let examined = match verify::verify_and_record(environment, &next, &options).await {
        // Whoever removed it or sealed it for others meanwhile has not damaged it.
        Err(error) if error.kind() == ErrorKind::Conflict => return Ok(()),
        examined => examined?,
    };
    // Told before it is kept: a storage that cannot be written must not hide it.
    (report.verified, report.damage) = (Some(id), examined.problem);
    examined.kept?;
    verifications::write(storage, id, &VerificationRecord { verified_at: environment.clock.now() }).await
}
