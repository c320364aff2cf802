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
use crate::archive::{Manifest, is_archive_name};
use crate::error::{Error, ErrorKind, Result};
use crate::lease::LeaseFile;
use crate::storage::Storage;

/// Removes archives that no manifest and no lease names and that are older than `age`, and what is known of backups that are
/// gone.
///
/// An archive appears right before its manifest, so one that young may be about to become a backup.
pub(super) async fn remove(
    storage: &Storage,
    manifests: &[Manifest],
    held: &[LeaseFile],
    age: Duration,
    now: Timestamp,
    report: &mut ProfileMaintenance,
) -> Result<()> {
    let named = manifests.iter().filter_map(|manifest| Some(manifest.archive.as_ref()?.file.as_str()));
    let worked_on = held.iter().filter_map(|lease| lease.work.archive.as_deref());
    let named: BTreeSet<&str> = named.chain(worked_on).collect();
    let folder = Path::from("archives");
    let listed = storage.store().list(Some(&folder)).try_collect::<Vec<_>>().await;
    let listed = listed.map_err(|source| storage.failed(&folder, "listed in", source))?;
    for file in listed {
        let is_ours = file.location.filename().is_some_and(is_archive_name);
        if is_ours && !named.contains(file.location.as_ref()) && is_older(&file, age, now) {
            storage.remove(&file.location).await?;
            storage.require_gone(&file.location).await?;
            report.freed_bytes += file.size;
            report.leftovers.push(file.location.to_string());
        }
    }
    if let Some(directory) = storage.directory() {
        let worked_on: Vec<String> = held.iter().filter_map(|lease| lease.work.archive.clone()).collect();
        let temporary = TemporaryFiles { directory: directory.to_owned(), worked_on, age };
        let removed = tokio::task::spawn_blocking(move || temporary.remove(SystemTime::now())).await;
        let removed = removed.map_err(std::io::Error::other).and_then(|removed| removed);
        let failed = |source| {
            let text = format!("temporary files in storage `{}` were not removed", storage.location());
            Error::with_source(ErrorKind::Storage, text, source)
        };
        for (file, bytes) in removed.map_err(failed)? {
            report.freed_bytes += bytes;
            report.leftovers.push(file);
        }
    }
    let ids: BTreeSet<_> = manifests.iter().map(|manifest| manifest.id).collect();
    for id in verifications::of(storage).await?.into_keys().filter(|id| !ids.contains(id)) {
        verifications::forget(storage, id).await?;
    }
    Ok(())
}

fn is_older(file: &ObjectMeta, age: Duration, now: Timestamp) -> bool {
    let passed = now.as_second() - file.last_modified.timestamp();
    u64::try_from(passed).is_ok_and(|passed| passed > age.as_secs())
}
