//! Files that belong to no backup, left by runs that crashed.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use futures::TryStreamExt as _;
use jiff::Timestamp;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore as _};

use super::report::ProfileMaintenance;
use super::temporary::TemporaryFiles;
use super::verifications;
use crate::archive::is_archive_name;
use crate::catalog::{Acknowledgements, damage};
use crate::error::{Error, ErrorKind, Result};
use crate::id::BackupId;
use crate::lease::{self, Lease};
use crate::prune::Survey;
use crate::storage::Storage;

/// Removes archives that no manifest and no lease names and that are older than `age`, leases that nobody will ask for, and what
/// is known of backups that are gone. What could not be removed, and why, goes to `problems`.
///
/// An archive appears right before its manifest, so one that young may be about to become a backup.
///
/// The lease is confirmed right before each file is removed.
///
/// # Errors
/// The storage cannot be listed, or the lease was lost.
pub(super) async fn remove(
    lease: &Lease,
    storage: &Storage,
    survey: &Survey<'_>,
    age: Duration,
    now: Timestamp,
    report: &mut ProfileMaintenance,
    problems: &mut Vec<String>,
) -> Result<()> {
    let manifests = survey.backups.iter().map(|backup| &backup.manifest);
    let named = manifests.clone().filter_map(|manifest| Some(manifest.archive.as_ref()?.file.as_str()));
    let worked_on: Vec<_> = survey.held(now).filter_map(|lease| lease.work.archive.clone()).collect();
    let named: BTreeSet<&str> = named.chain(worked_on.iter().map(String::as_str)).collect();
    let folder = Path::from("archives");
    let listed = storage.store().list(Some(&folder)).try_collect::<Vec<_>>().await;
    let listed = listed.map_err(|source| storage.failed(&folder, "listed in", source))?;
    for file in listed {
        let is_ours = file.location.filename().is_some_and(is_archive_name);
        if is_ours && !named.contains(file.location.as_ref()) && is_older(&file, age, now) {
            let what = format!("`{}` was removed", file.location);
            match lease.confirm().await?.within(&what, gone(storage, &file.location)).await {
                Ok(()) => {
                    report.freed_bytes += file.size;
                    report.leftovers.push(file.location.to_string());
                }
                Err(error) => problems.push(error.chain()),
            }
        }
    }
    if let Some(directory) = storage.directory() {
        let held = lease.confirm().await?;
        let temporary = TemporaryFiles { directory: directory.to_owned(), worked_on, age, held };
        let removed = tokio::task::spawn_blocking(move || temporary.remove(SystemTime::now())).await;
        let removed = removed.map_err(std::io::Error::other).and_then(|removed| removed);
        let removed = removed.map_err(|source| {
            let text = format!("temporary files in storage `{}` were not removed", storage.location());
            Error::with_source(ErrorKind::Storage, text, source)
        })?;
        for (file, result) in removed {
            match result {
                Ok(bytes) => {
                    report.freed_bytes += bytes;
                    report.leftovers.push(file);
                }
                Err(error) => problems.push(format!("`{file}` was not removed: {error}")),
            }
        }
    }
    let ids: BTreeSet<_> = manifests.map(|manifest| manifest.id).collect();
    for result in [
        forget_gone(lease, storage, &ids, now).await,
        lease::trim(lease, storage, &survey.leases, age, now, |id| ids.contains(id)).await,
    ] {
        problems.extend(result.err().map(|error| error.chain()));
    }
    Ok(())
}

async fn gone(storage: &Storage, path: &Path) -> Result<()> {
    storage.remove(path).await?;
    storage.require_gone(path).await
}

/// Forgets what was found of backups that are gone.
async fn forget_gone(
    lease: &Lease,
    storage: &Storage,
    there: &BTreeSet<BackupId>,
    now: Timestamp,
) -> Result<()> {
    for id in verifications::of(storage).await?.into_keys().filter(|id| !there.contains(id)) {
        let what = format!("the verification of backup {id} was forgotten");
        lease.step(&what, verifications::forget(storage, id)).await?;
    }
    for id in damage::of(storage).await?.into_keys().filter(|id| !there.contains(id)) {
        let what = format!("the damage of backup {id} was forgotten");
        lease.step(&what, damage::keep(storage, id, now, None)).await?;
    }
    // Those of backups that are gone still tell of losses that show at later ones, as long as there are earlier ones.
    let oldest = there.first().copied();
    for id in Acknowledgements::of(storage).await?.backups() {
        if !there.contains(&id) && oldest.is_none_or(|oldest| oldest > id) {
            let what = format!("the acknowledgement of backup {id} was forgotten");
            lease.step(&what, Acknowledgements::forget(storage, id)).await?;
        }
    }
    Ok(())
}

fn is_older(file: &ObjectMeta, age: Duration, now: Timestamp) -> bool {
    let passed = now.as_second() - file.last_modified.timestamp();
    u64::try_from(passed).is_ok_and(|passed| passed > age.as_secs())
}
