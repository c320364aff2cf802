//! Runs maintenance in all profiles.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::cleanup::Cleanup;
use super::directories::prune_directory;
use super::incomplete_tasks::{MaintenanceTask, ProfileOutcome};
use super::report::{MaintenanceReport, ProfileMaintenance};
use super::stream_backups::{self, StreamCleanup};
use super::uploads::UnfinishedUploads;
use super::verifications;
use crate::catalog::retention::Retention;
use crate::catalog::{self, Origin, StoredBackup, VerificationRecord};
use crate::environment::Environment;
use crate::environment::event::{Listener, VerificationOutcome};
use crate::environment::lease::{Lease, LeasedWork, Subject};
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{ErrorKind, Result};
use crate::operations::prune::{self, Survey};
use crate::operations::verify::{self, RecordedVerification, VerifyOptions};
use crate::storage::Storage;

/// The options of maintenance.
#[derive(Clone, Debug)]
pub(crate) struct MaintenanceOptions {
    pub(crate) retention: Option<Retention>,
    /// The roots of the directory trees that are pruned, each with its policy.
    pub(crate) directories: Vec<(PathBuf, Retention)>,
    pub(crate) profiles: Vec<String>,
    /// Whether one backup is verified in each run.
    pub(crate) verification_enabled: bool,
    /// How old a file of a crashed process must be before it is removed; if it is `None`, no such files are
    /// removed.
    pub(crate) cleanup_older_than: Option<Duration>,
    /// Whether single backups that have expired are removed.
    pub(crate) remove_expired_stream_backups: bool,
    pub(crate) cancel: CancellationToken,
}

impl Default for MaintenanceOptions {
    fn default() -> Self {
        Self {
            retention: None,
            directories: Vec::new(),
            profiles: Vec::new(),
            verification_enabled: true,
            cleanup_older_than: Some(Duration::from_secs(86_400)),
            remove_expired_stream_backups: false,
            cancel: CancellationToken::new(),
        }
    }
}

impl MaintenanceOptions {
    /// Returns the tasks that remove files or backups.
    fn removal_tasks(&self) -> Vec<MaintenanceTask> {
        let cleanup = self.cleanup_older_than.map(|_| MaintenanceTask::Cleanup);
        let retention = self.retention.as_ref().map(|_| MaintenanceTask::Retention);
        cleanup.into_iter().chain(retention).collect()
    }
}

/// Runs all tasks in every profile, and prunes the directory trees that have a retention policy. A task that fails is
/// reported, and the remaining tasks still run.
///
/// # Errors
/// Maintenance was cancelled, or a profile does not exist.
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
            let maintained = Box::pin(maintain_profile(environment, name, storage, options));
            report.profiles.push(maintained.await?);
        }
    }
    for (root, retention) in &options.directories {
        report.directories.push(prune_directory(environment, root, retention, &options.cancel).await?);
    }
    Ok(report)
}

async fn maintain_profile(
    environment: &Environment,
    name: &str,
    storage: &Storage,
    options: &MaintenanceOptions,
) -> Result<ProfileMaintenance> {
    let mut outcome = ProfileOutcome::new(environment, name, storage, &options.cancel);
    let cancel = &options.cancel;
    let found = match options.removal_tasks().is_empty() {
        true => None,
        false => Box::pin(clean_up_and_prune(environment, name, storage, options, &mut outcome)).await?,
    };
    if options.verification_enabled {
        let verified = verify_next(environment, storage, found, cancel, &mut outcome.report);
        let verified = until_cancelled(cancel, Box::pin(verified)).await;
        outcome.record_result(MaintenanceTask::Verification, verified).await?;
    }
    if options.remove_expired_stream_backups {
        let removed = stream_backups::remove_expired(environment, name, cancel, &mut outcome.report).await;
        outcome.record_problems(MaintenanceTask::StreamExpiry, removed).await?;
    }
    if options.verification_enabled {
        let verified =
            stream_backups::verify_next(environment, name, storage, cancel, &mut outcome.report).await;
        outcome.record_problems(MaintenanceTask::StreamVerification, verified).await?;
    }
    let refreshed = until_cancelled(cancel, environment.manifests.all(name, storage)).await;
    outcome.record_result(MaintenanceTask::Catalog, refreshed.map(drop)).await?;
    Ok(outcome.report)
}

/// Removes files of crashed processes, and the backups that the retention policy does not keep, with one
/// lease and one survey. Returns the backups that still exist, if they were listed.
async fn clean_up_and_prune<'a>(
    environment: &Environment,
    name: &str,
    storage: &'a Storage,
    options: &MaintenanceOptions,
    outcome: &mut ProfileOutcome<'_>,
) -> Result<Option<Vec<StoredBackup<'a>>>> {
    let cancel = &options.cancel;
    match Lease::acquire(environment, storage, Subject::Prune, LeasedWork::default(), cancel).await {
        Ok(lease) => {
            let found =
                Box::pin(remove_under_lease(&lease, environment, name, storage, options, outcome)).await;
            lease.release().await;
            found
        }
        Err(error) => outcome.record_failure(&options.removal_tasks(), error).await.map(|()| None),
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
    let cancel = lease.stop_token();
    let explained = |error| lease.explain(error, &options.cancel);
    let prepared = async {
        prune::require_store_clock(environment, storage).await?;
        // The upload records are listed before the leases are read, because a process acquires its lease
        // before it writes an upload record.
        let uploads = UnfinishedUploads::list(storage).await?;
        let survey = Survey::take(storage, &environment.clock).await?;
        survey.require_clock(environment.clock.now())?;
        Ok((uploads, survey))
    };
    let (uploads, survey) = match until_cancelled(&cancel, prepared).await.map_err(explained) {
        Ok(found) => found,
        Err(error) => return outcome.record_failure(&options.removal_tasks(), error).await.map(|()| None),
    };
    outcome.report.unreadable = survey.unreadable.clone();
    // The cleanup runs before the prune, because the prune may take a long time.
    if let Some(age) = options.cleanup_older_than {
        let min_age = age.max(environment.lease_time * 2);
        let (mut problems, report) = (Vec::new(), &mut outcome.report);
        let removed = async {
            let held = survey.held(survey.taken_at);
            problems.extend(uploads.abort(lease, storage, held, report).await?);
            let streams = StreamCleanup { lease, environment, profile: name, storage };
            let content_folders = streams.run(report, &mut problems).await?;
            let cleanup = Cleanup { lease, environment, storage, survey: &survey, min_age, content_folders };
            cleanup.remove(report, &mut problems).await
        };
        match until_cancelled(&cancel, Box::pin(removed)).await.map_err(explained) {
            Ok(()) => outcome.record_end(MaintenanceTask::Cleanup, problems).await,
            Err(error) if problems.is_empty() || error.kind() == ErrorKind::Cancelled => {
                outcome.record_failure(&[MaintenanceTask::Cleanup], error).await?;
            }
            Err(error) => {
                problems.push(error.chain());
                outcome.record_end(MaintenanceTask::Cleanup, problems).await;
            }
        }
        environment.manifests.trim(storage, survey.ids()).await;
    }
    if let Some(retention) = &options.retention {
        let pruned = prune::apply_retention(lease, environment, name, retention, &survey).await;
        match pruned.map_err(explained) {
            Ok(report) => outcome.report.pruned = Some(report),
            // After an error, the backups are listed again.
            Err(error) => {
                return outcome.record_failure(&[MaintenanceTask::Retention], error).await.map(|()| None);
            }
        }
        outcome.record_end(MaintenanceTask::Retention, Vec::new()).await;
    }
    let removed = outcome.report.pruned.iter().flat_map(|pruned| &pruned.removed);
    let removed: BTreeSet<_> = removed.map(|backup| backup.id).collect();
    let mut backups = survey.backups;
    backups.retain(|backup| !removed.contains(&backup.manifest.id));
    Ok(Some(backups))
}

/// Verifies the backup whose last verification is the oldest, and records the result. `existing` contains the
/// existing backups, if they have just been listed.
async fn verify_next(
    environment: &Environment,
    storage: &Storage,
    existing: Option<Vec<StoredBackup<'_>>>,
    cancel: &CancellationToken,
    report: &mut ProfileMaintenance,
) -> Result<()> {
    let verified = verifications::read_all(storage).await?;
    let backups = match existing {
        Some(backups) => backups,
        None => catalog::list(storage).await?,
    };
    let last_verified =
        |backup: &StoredBackup<'_>| verified.get(&backup.manifest.id).map(|record| record.verified_at);
    // Backups of other applications are not verified: their types may differ, and their keys are not
    // available.
    let is_verifiable = |backup: &StoredBackup<'_>| {
        backup.manifest.status.is_complete()
            && backup.manifest.producer.origin(&environment.identity) != Origin::Other
    };
    let complete = backups.into_iter().filter(is_verifiable);
    // If several backups were never verified, the newest of these is selected.
    let Some(next) = complete.min_by_key(last_verified) else { return Ok(()) };
    let id = next.manifest.id;
    let options = VerifyOptions { cancel: cancel.clone(), ..VerifyOptions::default() };
    let verification = match verify::verify_and_record(environment, &next, &options).await {
        // Another process removed or rekeyed the backup meanwhile, which is not damage.
        Err(error) if error.kind() == ErrorKind::Conflict => return Ok(()),
        verification => verification,
    };
    let outcome = match &verification {
        Ok(RecordedVerification { problem: None, .. }) => VerificationOutcome::Valid,
        Ok(RecordedVerification { problem: Some(problem), .. }) => {
            VerificationOutcome::Damaged { problem: problem.clone() }
        }
        Err(error) => VerificationOutcome::Unknown { error: error.chain() },
    };
    verify::announce(&environment.listener(&Listener::default()), &next, options.is_complete(), outcome);
    let verification = verification?;
    // The damage is reported before the result is recorded, because an error of the storage must not hide the
    // damage.
    (report.verified, report.damage) = (Some(id), verification.problem);
    verification.recorded?;
    verifications::write(storage, id, &VerificationRecord { verified_at: environment.clock.now() }).await
}
