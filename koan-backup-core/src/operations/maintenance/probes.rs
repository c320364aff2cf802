//! Removes the probes that killed processes left in a bucket. In a directory, they are temporary files.

use std::time::Duration;

use jiff::Timestamp;
use object_store::ObjectMeta;

use super::report::ProfileMaintenance;
use super::temporary_files::is_probe;
use crate::environment::lease::Lease;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::Storage;

/// Removes the probes that were older than `min_age` at the time `now`. Errors that concern a single file are added to
/// `problems`.
///
/// # Errors
/// The storage cannot be listed, or the lease was lost.
pub(super) async fn remove_old(
    lease: &Lease,
    storage: &Storage,
    min_age: Duration,
    now: Timestamp,
    report: &mut ProfileMaintenance,
    problems: &mut Vec<String>,
) -> Result<()> {
    // Probes are beside the folders, so that this list is short.
    let listed = storage.store().list_with_delimiter(None).await.map_err(|source| {
        let text =
            format!("the files beside the folders of storage `{}` were not listed", storage.location());
        Error::with_source(ErrorKind::Storage, text, source)
    })?;
    let is_old = |file: &ObjectMeta| {
        let age_seconds = now.as_second() - file.last_modified.timestamp();
        u64::try_from(age_seconds).is_ok_and(|age_seconds| age_seconds > min_age.as_secs())
    };
    let probes = listed.objects.iter().filter(|file| file.location.filename().is_some_and(is_probe));
    for probe in probes.filter(|file| is_old(file)) {
        let path = &probe.location;
        match lease.step(&format!("`{path}` was removed"), storage.remove(path)).await {
            Ok(()) => {
                report.freed_bytes += probe.size;
                report.removed_files.push(path.to_string());
            }
            Err(error) if matches!(error.kind(), ErrorKind::Busy | ErrorKind::Cancelled) => {
                return Err(error);
            }
            Err(error) => problems.push(error.chain()),
        }
    }
    Ok(())
}
