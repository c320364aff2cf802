//! Aborts multipart uploads of processes that were killed.

use std::collections::BTreeSet;

use jiff::Timestamp;
use object_store::path::Path;

use super::report::ProfileMaintenance;
use crate::archive::UploadRecord;
use crate::environment::lease::{Lease, LeaseFile};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::{AbortOutcome, Storage};

/// The paths of the records of uploads that may be unfinished.
pub(super) struct UnfinishedUploads(Vec<Path>);

impl UnfinishedUploads {
    /// Lists the upload records.
    pub(super) async fn list(storage: &Storage) -> Result<Self> {
        UploadRecord::list(storage).await.map(Self)
    }

    /// Aborts the uploads of archives to which no lease refers. The leases in `held` must have been read
    /// after the upload records were listed. Returns the problems; the next run tries to abort these uploads
    /// again.
    ///
    /// Uploads of archives of any age are aborted. An uploading process holds a lease that contains the path of the
    /// archive, from before the first part until the upload has ended. Without such a lease, the process was
    /// killed, or it has lost the lease and publishes nothing. Uploads of single backups have no lease; they are aborted
    /// when they are a day old.
    ///
    /// # Errors
    /// The lease was lost.
    pub(super) async fn abort<'l>(
        self,
        lease: &Lease,
        storage: &Storage,
        held: impl Iterator<Item = &'l LeaseFile>,
        report: &mut ProfileMaintenance,
    ) -> Result<Vec<String>> {
        let in_use: BTreeSet<_> = held.filter_map(|lease| lease.work.archive.as_deref()).collect();
        let mut problems = Vec::new();
        for path in self.0 {
            match abort(lease, storage, &path, &in_use).await {
                Ok(None) => {}
                Ok(Some(archive)) => {
                    tracing::info!(
                        target: "koan::backup", storage = %storage.location(), %archive,
                        "an unfinished upload was aborted"
                    );
                    report.aborted_uploads.push(archive);
                }
                Err(error) if matches!(error.kind(), ErrorKind::Busy | ErrorKind::Cancelled) => {
                    return Err(error);
                }
                Err(error) => {
                    problems.push(format!("an unfinished upload could not be aborted: {}", error.chain()))
                }
            }
        }
        Ok(problems)
    }
}

/// Aborts an upload, unless it is in use or has ended. Returns its archive if it was aborted.
async fn abort(
    lease: &Lease,
    storage: &Storage,
    path: &Path,
    in_use: &BTreeSet<&str>,
) -> Result<Option<String>> {
    let Some(record) = UploadRecord::read(storage, path).await? else { return Ok(None) };
    if in_use.contains(record.archive.as_str()) || record.may_be_running(path, Timestamp::now()) {
        return Ok(None);
    }
    let archive = Path::parse(&record.archive).map_err(|source| {
        Error::with_source(ErrorKind::Corrupt, format!("upload record `{path}` contains no path"), source)
    })?;
    let what = format!("the upload of `{archive}` was aborted");
    let aborted = lease.step(&what, storage.abort_upload(&archive, &record.upload_id)).await?;
    // The record is removed last, so that the upload is still known if the process crashes before it is
    // aborted.
    lease.step(&format!("`{path}` was removed"), storage.remove(path)).await?;
    Ok((aborted == AbortOutcome::Aborted).then_some(record.archive))
}
