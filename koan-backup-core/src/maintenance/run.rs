//! One run of maintenance over all profiles.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::report::{MaintenanceReport, ProfileMaintenance};
use super::uploads::Unfinished;
use super::{leftovers, verifications};
use crate::cancellation::until_cancelled;
use crate::catalog::{self, StoredBackup, VerificationRecord};
use crate::environment::Environment;
use crate::error::{ErrorKind, Result};
use crate::lease::{self, Lease, Subject, Work};
use crate::prune;
use crate::retention::Retention;
use crate::storage::Storage;
use crate::verify::{self, VerifyOptions};

/// What maintenance does.
#[derive(Clone, Debug)]
pub(crate) struct MaintenanceOptions {
    pub(crate) retention: Option<Retention>,
    pub(crate) profiles: Vec<String>,
    /// Whether one backup is verified in each run.
    pub(crate) verifies: bool,
    /// How old a file must be to be a leftover; none are removed without.
    pub(crate) leftovers_older_than: Option<Duration>,
    pub(crate) cancel: CancellationToken,
}

impl Default for MaintenanceOptions {
    fn default() -> Self {
        Self {
            retention: None,
            profiles: Vec::new(),
            verifies: true,
            leftovers_older_than: Some(Duration::from_secs(86_400)),
            cancel: CancellationToken::new(),
        }
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
    let mut report = ProfileMaintenance { profile: name.to_owned(), ..ProfileMaintenance::default() };
    let cancel = &options.cancel;
    if let Some(retention) = &options.retention {
        let pruned = pruned(environment, name, retention, cancel).await;
        report.pruned = noted(pruned, "retention", &mut report)?;
    }
    if options.verifies {
        let verified = until_cancelled(cancel, verify_next(environment, storage, cancel, &mut report)).await;
        noted(verified, "verification", &mut report)?;
    }
    if let Some(age) = options.leftovers_older_than {
        let removed = remove_leftovers(environment, storage, age, cancel, &mut report).await;
        noted(removed, "removing leftovers", &mut report)?;
    }
    let refreshed = until_cancelled(cancel, environment.manifests.all(name, storage)).await;
    noted(refreshed, "refreshing the catalog", &mut report)?;
    Ok(report)
}

/// Removes leftovers under the lease of those who remove backups.
async fn remove_leftovers(
    environment: &Environment,
    storage: &Storage,
    age: Duration,
    cancel: &CancellationToken,
    report: &mut ProfileMaintenance,
) -> Result<()> {
    let lease = Lease::acquire(environment, storage, Subject::Prune, Work::default(), cancel).await?;
    let removed = async {
        prune::require_clock(environment, storage).await?;
        // Listed before leases are asked for: whoever has noted an upload holds a lease by then.
        let uploads = Unfinished::list(storage).await?;
        // Asked for before archives are listed: whoever begins to write later writes what is young.
        let held = lease::held(storage, &environment.clock).await?;
        uploads.abort(storage, &held, report).await;
        let backups = catalog::list(storage).await?;
        let manifests: Vec<_> = backups.into_iter().map(|backup| backup.manifest).collect();
        let age = age.max(environment.lease_time * 2);
        leftovers::remove(storage, &manifests, &held, age, environment.clock.now(), report).await
    };
    let removed = until_cancelled(&lease.lost(), removed).await.map_err(|error| lease.explain(error, cancel));
    lease.release().await;
    removed
}

/// Notes a failure, but for a cancellation, which ends everything. What somebody else is doing already is skipped.
fn noted<T>(result: Result<T>, what: &str, report: &mut ProfileMaintenance) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::Cancelled => Err(error),
        Err(error) if error.kind() == ErrorKind::Busy => {
            report.skipped.push(format!("{what}: {}", error.chain()));
            Ok(None)
        }
        Err(error) => {
            report.failures.push(format!("{what}: {}", error.chain()));
            Ok(None)
        }
    }
}

async fn pruned(
    environment: &Environment,
    profile: &str,
    retention: &Retention,
    cancel: &CancellationToken,
) -> Result<prune::PruneReport> {
    let plan = until_cancelled(cancel, prune::plan(environment, Some(profile), retention)).await?;
    prune::apply(environment, retention, &plan, cancel).await
}

/// Verifies the backup whose last verification is longest ago, and keeps what was found.
async fn verify_next(
    environment: &Environment,
    storage: &Storage,
    cancel: &CancellationToken,
    report: &mut ProfileMaintenance,
) -> Result<()> {
    let verified = verifications::of(storage).await?;
    let backups = catalog::list(storage).await?;
    let last = |backup: &StoredBackup<'_>| verified.get(&backup.manifest.id).map(|record| record.verified_at);
    // Of those that never were, the newest.
    let complete = backups.into_iter().filter(|backup| backup.manifest.status.is_complete());
    let Some(next) = complete.min_by_key(last) else { return Ok(()) };
    let id = next.manifest.id;
    let options = VerifyOptions { cancel: cancel.clone(), ..VerifyOptions::default() };
    let problem = verify::problem(environment, &next, &options).await?;
    // Whoever removed it or sealed it for others meanwhile has not damaged it.
    if problem.is_some() && catalog::published(storage, &id).await?.as_ref() != Some(&next.published) {
        return Ok(());
    }
    // Told before it is kept: a storage that cannot be written must not hide it.
    (report.verified, report.damage) = (Some(id), problem.clone());
    let record = VerificationRecord { verified_at: environment.clock.now(), problem };
    verifications::keep(storage, id, &record).await
}
