//! The checks of one storage profile.

use std::path::PathBuf;
use std::time::Duration;

use tokio_util::task::TaskTracker;

use super::amounts::{count_of, size};
use super::check::{Check, CheckCode, CheckSubject};
use super::probe::{STORAGE_REMEDY, failed, round_trip, silent};
use super::stream_backups::{self, EncryptedStreamBackup};
use super::time_limit::within;
use crate::catalog::stream_backups::ExpiredStreams;
use crate::catalog::{CatalogEntry, VerificationRecord};
use crate::environment::Environment;
use crate::foundation::error::Result;
use crate::foundation::id::BackupId;
use crate::operations::maintenance::verifications;
use crate::storage::{Presence, Storage};

/// The backups of a profile, and their verifications.
#[derive(Debug, Default)]
pub(super) struct StoredBackups {
    pub(super) entries: Vec<CatalogEntry>,
    pub(super) verified: Vec<(BackupId, VerificationRecord)>,
    /// The encrypted single backups of event streams.
    pub(super) encrypted_streams: Vec<EncryptedStreamBackup>,
}

/// The checks of a profile, and its backups if they could be read.
#[derive(Debug)]
pub(super) struct ProfileChecks {
    pub(super) checks: Vec<Check>,
    pub(super) backups: Option<StoredBackups>,
}

/// Checks a storage profile: whether it exists, the round trip of a probe, the clocks, the manifests, the
/// free space and the single backups. Each step has the time limit `limit`.
pub(super) async fn check(
    environment: &Environment,
    name: &str,
    storage: &Storage,
    expired: ExpiredStreams,
    limit: Duration,
    removals: &TaskTracker,
) -> ProfileChecks {
    let mut found = examine(environment, name, storage, expired, limit, removals).await;
    for check in &mut found.checks {
        check.name = Some(name.to_owned());
    }
    found
}

async fn examine(
    environment: &Environment,
    name: &str,
    storage: &Storage,
    expired: ExpiredStreams,
    limit: Duration,
    removals: &TaskTracker,
) -> ProfileChecks {
    let without_backups = |checks| ProfileChecks { checks, backups: None };
    let subject = CheckSubject::Storage;
    let directories = environment.storages.iter().filter_map(|(_, storage)| storage.directory());
    let directories: Vec<PathBuf> = directories.map(ToOwned::to_owned).collect();
    let is_empty = match within(limit, storage.presence(&directories)).await {
        None => return without_backups(vec![silent(limit)]),
        Some(Err(error)) => return without_backups(vec![failed(&error)]),
        Some(Ok(Presence::Used)) => false,
        Some(Ok(Presence::Empty)) => true,
        Some(Ok(Presence::Missing)) => {
            let checks = vec![not_created(storage)];
            return ProfileChecks { checks, backups: Some(StoredBackups::default()) };
        }
        Some(Ok(Presence::Lost(error))) => {
            let check = Check::of_error(subject, CheckCode::StorageLost, &error, STORAGE_REMEDY);
            return without_backups(vec![check]);
        }
        Some(Ok(Presence::Misspelt(error))) => {
            let check = Check::of_error(subject, CheckCode::StorageMisspelt, &error, STORAGE_REMEDY);
            return without_backups(vec![check]);
        }
        Some(Ok(Presence::Refused(error))) => {
            let check = Check::of_error(subject, CheckCode::StorageRefused, &error, STORAGE_REMEDY);
            return without_backups(vec![check]);
        }
    };
    let trip = round_trip(environment, storage, limit, removals).await;
    let mut checks = trip.problems;
    // A storage that did not respond would only be waited for again.
    if checks.iter().any(|check| check.code == CheckCode::NoResponse) {
        return without_backups(checks);
    }
    let mut backups = match within(limit, read(environment, name, storage)).await {
        None => {
            checks.push(silent(limit));
            None
        }
        // The storage has no backups, so an error of the round trip is not repeated.
        Some(Err(_)) if !checks.is_empty() => None,
        Some(Err(error)) => {
            checks.push(failed(&error));
            None
        }
        Some(Ok((backups, unreadable))) => {
            checks.extend(unreadable);
            Some(backups)
        }
    };
    // A storage that cannot be read would only be waited for again.
    if let Some(backups) = &mut backups {
        let streams = stream_backups::check(environment, name, storage, expired, limit).await;
        checks.extend(streams.checks);
        backups.encrypted_streams = streams.encrypted;
    }
    let newest_bytes = backups.as_ref().and_then(|backups| newest_archive_bytes(&backups.entries));
    let free_bytes = storage.free_bytes();
    checks.extend(disk_space(free_bytes, newest_bytes));
    if let Some(elapsed) = trip.elapsed {
        let mut detail = format!("wrote, read and deleted a probe in {} ms", elapsed.as_millis());
        if let Some(free) = free_bytes {
            detail.push_str(&format!("; {} free", size(free)));
        }
        if is_empty {
            detail.push_str("; not a storage profile yet, the first backup makes it one");
        }
        checks.insert(0, Check::ok(subject, detail));
    }
    ProfileChecks { checks, backups }
}

/// Returns the check of a directory that does not exist yet.
fn not_created(storage: &Storage) -> Check {
    if let Err(error) = storage.require_creatable() {
        return failed(&error);
    }
    let free = storage.free_bytes().map(|free| format!("; {} free", size(free))).unwrap_or_default();
    let detail = format!("`{}` is not created yet; the first backup creates it{free}", storage.location());
    let check = Check::warning(CheckSubject::Storage, CheckCode::NotCreated, detail);
    check.with_remedy(
        "make the first backup with `backup`; if there should be backups, mount the disk or correct the path",
    )
}

/// Reads the manifests and the verifications of a profile. Also returns the problem of manifests that cannot be
/// read.
async fn read(
    environment: &Environment,
    name: &str,
    storage: &Storage,
) -> Result<(StoredBackups, Option<Check>)> {
    let listing = environment.manifests.all(name, storage).await?;
    let verified = verifications::read_all(storage).await?.into_iter().collect();
    let problem = listing.unreadable.first().map(|first| {
        let count = count_of(listing.unreadable.len(), "manifest");
        let detail = format!("{count} cannot be read; the first is {}: {}", first.path, first.problem);
        let check = Check::problem(CheckSubject::Storage, CheckCode::ManifestUnreadable, detail);
        check.with_remedy(
            "run `recover`, which restores a manifest from its archive; `health` lists all of them",
        )
    });
    Ok((StoredBackups { entries: listing.entries, verified, encrypted_streams: Vec::new() }, problem))
}

/// Returns the size of the newest archive of the profile, of any application, because all need its space.
fn newest_archive_bytes(entries: &[CatalogEntry]) -> Option<u64> {
    let with_archive = entries.iter().filter(|entry| entry.size_bytes() > 0);
    with_archive.max_by_key(|entry| entry.manifest().created_at).map(CatalogEntry::size_bytes)
}

/// Returns a problem if there is not enough space for the next archive and a second one, because an archive is
/// removed only after the next one exists.
fn disk_space(free_bytes: Option<u64>, newest_bytes: Option<u64>) -> Option<Check> {
    let (free, newest) = (free_bytes?, newest_bytes?);
    (free < newest.saturating_mul(2)).then(|| {
        let detail = format!(
            "only {} are free, less than twice the newest archive, which has {}",
            size(free),
            size(newest)
        );
        let remedy = "free space, use a larger disk, or keep fewer backups (`forget`, or a retention policy)";
        Check::problem(CheckSubject::Storage, CheckCode::DiskNearlyFull, detail).with_remedy(remedy)
    })
}
