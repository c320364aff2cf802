//! An archive that is being uploaded into a store. It becomes visible only when it is complete.

use jiff::Timestamp;
use object_store::path::Path;
use tokio_util::sync::CancellationToken;

use super::manifest::ArchiveFile;
use super::upload::{FinishedUpload, Upload, UploadWriter};
use super::writer::ArchiveWriter;
use crate::encryption::Recipients;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, Result};
use crate::foundation::id::BackupId;
use crate::storage::{CLEANUP_TIMEOUT, Storage};

/// An archive that is being uploaded and is not visible yet. If this value is dropped before the archive is
/// complete, the upload is aborted in the background.
pub(crate) struct PendingArchive {
    path: Path,
    upload: Upload,
}

impl PendingArchive {
    /// Begins to store the archive of a backup at `path`, encrypted as a whole for `recipients` if there are
    /// any.
    pub(crate) async fn begin(
        storage: &Storage,
        id: BackupId,
        path: Path,
        recipients: Option<Recipients>,
        created_at: Timestamp,
        cancel: &CancellationToken,
    ) -> Result<(ArchiveWriter, Self)> {
        let (writer, pending) = Self::begin_upload(storage, id, path, cancel).await?;
        Ok((ArchiveWriter::start(writer, recipients, created_at), pending))
    }

    /// Begins to store a finished archive at `path`.
    pub(crate) async fn begin_upload(
        storage: &Storage,
        id: BackupId,
        path: Path,
        cancel: &CancellationToken,
    ) -> Result<(UploadWriter, Self)> {
        let begun = Upload::begin(storage, id, path.clone());
        let mut begun = std::pin::pin!(begun);
        let (writer, upload) = tokio::select! {
            biased;
            begun = &mut begun => begun?,
            () = cancel.cancelled() => {
                // An upload that the store has begun must be aborted, so its response is awaited, for a
                // limited time.
                if let Ok(Ok((_, mut upload))) = tokio::time::timeout(CLEANUP_TIMEOUT, begun).await {
                    upload.abort().await;
                }
                return Err(Error::cancelled());
            }
        };
        Ok((writer, Self { path, upload }))
    }

    /// Stores the bytes that `produce` writes, and returns the value of `produce` with the path, size and
    /// hash of the archive. If it returns an error, no archive is visible at the path.
    ///
    /// Cancelling stops `produce` and the completion of the archive immediately, and then waits for the store
    /// for a short time only.
    pub(crate) async fn store<T>(
        mut self,
        produce: impl Future<Output = Result<(T, FinishedUpload)>>,
        cancel: &CancellationToken,
    ) -> Result<(T, ArchiveFile)> {
        let work = async {
            // If both fail, the error of the store is returned, because it is the cause of the other error.
            let (produced, stored) = tokio::join!(produce, self.upload.run());
            stored.and(produced)
        };
        let (produced, written) = match until_cancelled(cancel, work).await {
            Ok(written) => written,
            Err(error) => {
                self.upload.abort().await;
                return Err(error);
            }
        };
        self.upload.complete(&written, cancel).await?;
        let FinishedUpload { size_bytes, sha256 } = written;
        Ok((produced, ArchiveFile { file: self.path.to_string(), size_bytes, sha256 }))
    }
}
