//! An upload that was started, and its note.

use object_store::path::Path;
use object_store::{MultipartUpload, PutPayload};

use super::note::UploadNote;
use crate::foundation::error::Result;
use crate::storage::{CLEANUP_TIMEOUT, Storage};

/// An upload that was started. Its note is removed once the upload is known to have ended. As long as the
/// note exists, maintenance can find it and abort the upload.
///
/// # Cancel safety
/// If this value is dropped, the upload is aborted in the background.
#[derive(Debug)]
pub(super) struct StartedUpload {
    storage: Storage,
    /// `None` once the upload is completed or aborted.
    upload: Option<Box<dyn MultipartUpload>>,
    /// The path of the note, if the store returned an id for the upload.
    note: Option<Path>,
}

impl StartedUpload {
    /// Starts an upload. The note is written before the first part is sent.
    pub(super) async fn start(storage: &Storage, path: &Path) -> Result<Self> {
        let started = storage.begin_upload(path).await;
        let (upload, id) =
            started.map_err(|source| super::failure::write_error(storage.location(), path, source))?;
        let note = id.map(|id| (UploadNote::new(path, id), UploadNote::new_path()));
        let note_path = note.as_ref().map(|(_, note_path)| note_path.clone());
        let mut started = Self { storage: storage.clone(), upload: Some(upload), note: note_path };
        if let Some((note, note_path)) = note
            && let Err(error) = note.write(storage, &note_path).await
        {
            // An upload without a note could not be found after a crash.
            started.abort(path).await;
            return Err(error.context(format!(
                "archive `{path}` was not written to storage `{}`, because the note of its upload could not be \
                 written",
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
            self.discard_note().await;
        }
        Ok(())
    }

    /// Aborts the upload. Waits for the store for a limited time.
    pub(super) async fn abort(&mut self, path: &Path) {
        let Some(mut upload) = self.upload.take() else { return };
        let reason = match tokio::time::timeout(CLEANUP_TIMEOUT, upload.abort()).await {
            Ok(Ok(())) => return self.discard_note().await,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the store did not respond in time".to_owned(),
        };
        match &self.note {
            Some(note) => {
                tracing::warn!(
                    target: "koan::backup", path = %path, note = %note, error = %reason,
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

    /// Removes the note of an upload that has ended.
    async fn discard_note(&mut self) {
        if let Some(note) = self.note.take() {
            self.storage.discard(&note).await;
        }
    }
}

/// Aborts the upload in the background, because many stores retain the parts of an upload until it is
/// aborted.
impl Drop for StartedUpload {
    fn drop(&mut self) {
        if let (Some(mut upload), Ok(runtime)) = (self.upload.take(), tokio::runtime::Handle::try_current()) {
            let (storage, note) = (self.storage.clone(), self.note.take());
            runtime.spawn(async move {
                // The caller does not wait for the abort.
                if let (Ok(()), Some(note)) = (upload.abort().await, note) {
                    storage.discard(&note).await;
                }
            });
        }
    }
}
