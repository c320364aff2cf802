//! An upload that was started, and its record.

use object_store::path::Path;
use object_store::{MultipartUpload, PutPayload};

use super::note::UploadRecord;
use crate::foundation::error::Result;
use crate::storage::{CLEANUP_TIMEOUT, Storage};

/// An upload that was started. Its record is removed once the upload is known to have ended. As long as the
/// record exists, maintenance can find the upload and abort it.
///
/// # Cancel safety
/// If this value is dropped, the upload is aborted in the background.
#[derive(Debug)]
pub(super) struct StartedUpload {
    storage: Storage,
    /// `None` once the upload is completed or aborted.
    upload: Option<Box<dyn MultipartUpload>>,
    /// The path of the upload record, if the store returned an id for the upload.
    record_path: Option<Path>,
}

impl StartedUpload {
    /// Starts an upload. The upload record is written before the first part is sent.
    pub(super) async fn start(storage: &Storage, path: &Path) -> Result<Self> {
        let started = storage.begin_upload(path).await;
        let (upload, id) =
            started.map_err(|source| super::failure::write_error(storage.location(), path, source))?;
        let record = id.map(|id| (UploadRecord::new(path, id), UploadRecord::new_path()));
        let record_path = record.as_ref().map(|(_, record_path)| record_path.clone());
        let mut started = Self { storage: storage.clone(), upload: Some(upload), record_path };
        if let Some((record, record_path)) = record
            && let Err(error) = record.write(storage, &record_path).await
        {
            // After a crash, an upload without a record could not be found.
            started.abort(path).await;
            return Err(error.context(format!(
                "archive `{path}` was not written to storage `{}`, because the record of its upload could \
                 not be written",
                storage.location()
            )));
        }
        Ok(started)
    }

    pub(super) async fn put_part(&mut self, part: PutPayload) -> object_store::Result<()> {
        match &mut self.upload {
            Some(upload) => upload.put_part(part).await,
            None => Ok(()),
        }
    }

    /// Completes the upload, which makes the file visible. The file may be visible even if this fails.
    pub(super) async fn complete(&mut self) -> object_store::Result<()> {
        if let Some(upload) = &mut self.upload {
            upload.complete().await?;
            self.upload = None;
            self.discard_record().await;
        }
        Ok(())
    }

    /// Aborts the upload. Waits for the store for a limited time.
    pub(super) async fn abort(&mut self, path: &Path) {
        let Some(mut upload) = self.upload.take() else { return };
        let reason = match tokio::time::timeout(CLEANUP_TIMEOUT, upload.abort()).await {
            Ok(Ok(())) => return self.discard_record().await,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the store did not respond in time".to_owned(),
        };
        match &self.record_path {
            Some(record_path) => {
                tracing::warn!(
                    target: "koan::backup", path = %path, record = %record_path, error = %reason,
                    "an upload was not aborted; the next maintenance aborts it"
                );
            }
            None => {
                tracing::warn!(
                    target: "koan::backup", path = %path, error = %reason,
                    "an upload was not aborted; remove its parts from the store manually"
                );
            }
        }
    }

    /// Removes the record of an upload that has ended.
    async fn discard_record(&mut self) {
        if let Some(record_path) = self.record_path.take() {
            self.storage.discard(&record_path).await;
        }
    }
}

/// Aborts the upload in the background, because many stores retain the parts of an upload until it is
/// aborted.
impl Drop for StartedUpload {
    fn drop(&mut self) {
        if let (Some(mut upload), Ok(runtime)) = (self.upload.take(), tokio::runtime::Handle::try_current()) {
            let (storage, record_path) = (self.storage.clone(), self.record_path.take());
            runtime.spawn(async move {
                // The caller does not wait for the abort.
                if let (Ok(()), Some(record_path)) = (upload.abort().await, record_path) {
                    storage.discard(&record_path).await;
                }
            });
        }
    }
}
