//! Publishes a single backup: its `.meta` is created last.

use object_store::path::Path;

use crate::archive::stream_file::MAX_META_BYTES;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::Storage;

/// A complete content to which no `.meta` refers yet. When this guard is dropped, the content is removed.
#[derive(Debug)]
pub(super) struct UnpublishedContent(Option<(Storage, Path)>);

impl UnpublishedContent {
    pub(super) fn new(storage: &Storage, path: Path) -> Self {
        Self(Some((storage.clone(), path)))
    }

    fn keep(mut self) {
        self.0 = None;
    }

    async fn discard(mut self) {
        if let Some((storage, path)) = self.0.take() {
            storage.discard(&path).await;
        }
    }
}

impl Drop for UnpublishedContent {
    fn drop(&mut self) {
        if let (Some((storage, path)), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            // `drop` cannot wait for the removal, so it runs as a task.
            runtime.spawn(async move { storage.discard(&path).await });
        }
    }
}

/// Creates the `.meta`, which makes the backup exist. It runs to its end even if this future is dropped: the backup is
/// then published completely or not at all.
///
/// # Errors
/// The storage fails. The backup does not exist then, unless the error says that this is not known.
pub(super) async fn publish(
    content: UnpublishedContent,
    storage: &Storage,
    meta: Path,
    document: Vec<u8>,
) -> Result<()> {
    let storage = storage.clone();
    let published = tokio::spawn(async move { create(content, &storage, &meta, document).await }).await;
    published.map_err(|source| {
        Error::with_source(
            ErrorKind::Internal,
            "the publication of a single backup ended unexpectedly",
            source,
        )
    })?
}

async fn create(
    content: UnpublishedContent,
    storage: &Storage,
    meta: &Path,
    document: Vec<u8>,
) -> Result<()> {
    let Err(error) = storage.create(meta, document.clone()).await else {
        content.keep();
        return Ok(());
    };
    // The response of the storage may have been lost.
    match storage.read(meta, MAX_META_BYTES).await {
        Ok(Some(found)) if found == document && storage.confirms_by_reading(&error) => {
            content.keep();
            Ok(())
        }
        Ok(None) => {
            content.discard().await;
            Err(error.context("a single backup was not published"))
        }
        // A file that was written and is not durable is removed, so that it is not listed now and lost later.
        Ok(Some(found)) if found == document && storage.remove_durably(meta).await.is_ok() => {
            content.discard().await;
            Err(error.context("a single backup was not published"))
        }
        Ok(Some(_)) | Err(_) => {
            content.keep();
            let text = "it is not known whether a single backup was published; `koan.stream_backups()` lists it if it was";
            Err(error.context(text))
        }
    }
}
