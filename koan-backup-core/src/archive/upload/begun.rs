//! An upload that was begun, and the note of it.

use object_store::path::Path;
use object_store::{MultipartUpload, PutPayload};

use super::note::UploadNote;
use crate::error::Result;
use crate::storage::{PATIENCE, Storage};

/// An upload that was begun. Its note goes when it is known to be over; whoever does not get as far leaves it to maintenance.
///
/// # Cancel safety
/// Dropping it aborts the upload in the background.
#[derive(Debug)]
pub(super) struct BegunUpload {
    storage: Storage,
    /// Gone once it is completed or aborted.
    upload: Option<Box<dyn MultipartUpload>>,
    /// Where its note lies, if its id is known.
    note: Option<Path>,
}

impl BegunUpload {
    /// Begins an upload. It is noted before the first part is sent.
    pub(super) async fn begin(storage: &Storage, path: &Path) -> Result<Self> {
        let begun = storage.begin_upload(path).await;
        let (upload, id) = begun.map_err(|source| super::failed(storage.location(), path, source))?;
        let note = id.map(|id| (UploadNote::new(path, id), UploadNote::new_path()));
        let place = note.as_ref().map(|(_, place)| place.clone());
        let mut begun = Self { storage: storage.clone(), upload: Some(upload), note: place };
        if let Some((note, place)) = note
            && let Err(error) = note.write(storage, &place).await
        {
            // What nobody would find after a crash is not begun.
            begun.abort(path).await;
            return Err(error.context(format!(
                "archive `{path}` was not written to storage `{}`, because its upload could not be noted",
                storage.location()
            )));
        }
        Ok(begun)
    }

    pub(super) async fn put_part(&mut self, part: PutPayload) -> object_store::Result<()> {
        match &mut self.upload {
            Some(upload) => upload.put_part(part).await,
            None => Ok(()),
        }
    }

    /// Makes it appear. If that fails it may have appeared all the same.
    pub(super) async fn complete(&mut self) -> object_store::Result<()> {
        if let Some(upload) = &mut self.upload {
            upload.complete().await?;
            self.upload = None;
            self.forget().await;
        }
        Ok(())
    }

    /// Leaves nothing behind. Waits for the store, though not for ever.
    pub(super) async fn abort(&mut self, path: &Path) {
        let Some(mut upload) = self.upload.take() else { return };
        let what = match tokio::time::timeout(PATIENCE, upload.abort()).await {
            Ok(Ok(())) => return self.forget().await,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the store does not answer".to_owned(),
        };
        match &self.note {
            Some(note) => {
                tracing::warn!(target: "koan::backup", path = %path, note = %note, error = %what, "upload was not aborted; the next maintenance aborts it");
            }
            None => {
                tracing::warn!(target: "koan::backup", path = %path, error = %what, "upload was not aborted; what it left in the store can be removed by hand");
            }
        }
    }

    /// Removes the note of an upload that is over.
    async fn forget(&mut self) {
        if let Some(note) = self.note.take() {
            self.storage.discard(&note).await;
        }
    }
}

/// A backup that is dropped leaves no parts in a store that keeps them until they are aborted.
impl Drop for BegunUpload {
    fn drop(&mut self) {
        if let (Some(mut upload), Ok(runtime)) = (self.upload.take(), tokio::runtime::Handle::try_current()) {
            let (storage, note) = (self.storage.clone(), self.note.take());
            runtime.spawn(async move {
                // Whoever dropped the backup does not wait.
                if let (Ok(()), Some(note)) = (upload.abort().await, note) {
                    storage.discard(&note).await;
                }
            });
        }
    }
}
