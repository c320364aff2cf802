//! Files that belong to no backup, left by runs that crashed.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::TryStreamExt as _;
use jiff::Timestamp;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore as _};

use super::report::ProfileMaintenance;
use super::verifications;
use crate::archive::{Manifest, is_archive_name};
use crate::error::Result;
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
        let (directory, now) = (directory.join("archives"), std::time::SystemTime::now());
        let held: Vec<String> = held.iter().filter_map(|lease| lease.work.archive.clone()).collect();
        let removed = tokio::task::spawn_blocking(move || unfinished(&directory, &held, age, now)).await;
        for (file, bytes) in
            removed.map_err(std::io::Error::other).and_then(|removed| removed).map_err(|source| {
                crate::error::Error::with_source(
                    crate::error::ErrorKind::Storage,
                    format!("unfinished archives in storage `{}` were not removed", storage.location()),
                    source,
                )
            })?
        {
            report.freed_bytes += bytes;
            report.leftovers.push(format!("archives/{file}"));
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

/// Removes the temporary files of uploads that were never completed: `…zip#1`, as `object_store` names them.
fn unfinished(
    directory: &std::path::Path,
    held: &[String],
    age: Duration,
    now: std::time::SystemTime,
) -> std::io::Result<Vec<(String, u64)>> {
    let mut removed = Vec::new();
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(removed),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let Some((archive, number)) = name.rsplit_once('#') else { continue };
        let is_number = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
        let is_temporary = is_archive_name(archive) && is_number;
        let is_held = held.iter().any(|file| file.ends_with(archive));
        let meta = entry.metadata()?;
        let is_old = now.duration_since(meta.modified()?).is_ok_and(|passed| passed > age);
        if is_temporary && is_old && !is_held {
            std::fs::remove_file(entry.path())?;
            removed.push((name.clone(), meta.len()));
        }
    }
    Ok(removed)
}
