//! Uploads that killed processes have begun.

use std::collections::BTreeSet;

use object_store::path::Path;

use super::report::ProfileMaintenance;
use crate::archive::UploadNote;
use crate::environment::lease::{Lease, LeaseFile};
use crate::foundation::error::{ErrorKind, Result};
use crate::storage::{Aborted, Storage};

/// Notes of uploads that may be unfinished.
pub(super) struct UnfinishedUploads(Vec<Path>);

impl UnfinishedUploads {
    /// Those that there are now.
    pub(super) async fn list(storage: &Storage) -> Result<Self> {
        UploadNote::list(storage).await.map(Self)
    }

    /// Aborts those of archives that no lease names. `held` was asked for after they were listed. Gives what
    /// could not be aborted, which is tried again the next time.
    ///
    /// They need not be of any age: whoever uploads holds a lease that names the archive, from before the
    /// first part until the upload is over. So nobody is at work on the others, or somebody who has lost the
    /// lease and publishes nothing.
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
                Err(error) => problems.push(format!("aborting unfinished uploads: {}", error.chain())),
            }
        }
        Ok(problems)
    }
}

/// Aborts an upload, unless somebody is at work on it or it is over; gives its archive.
async fn abort(
    lease: &Lease,
    storage: &Storage,
    path: &Path,
    in_use: &BTreeSet<&str>,
) -> Result<Option<String>> {
    let Some(note) = UploadNote::read(storage, path).await? else { return Ok(None) };
    if in_use.contains(note.archive.as_str()) {
        return Ok(None);
    }
    let archive = Path::from(note.archive.as_str());
    let what = format!("the upload of `{archive}` was aborted");
    let aborted = lease.step(&what, storage.abort_upload(&archive, &note.upload_id)).await?;
    // Only now: a note that goes first is lost if this process dies in between.
    lease.step(&format!("`{path}` was removed"), storage.remove(path)).await?;
    Ok((aborted == Aborted::Now).then_some(note.archive))
}
