//! Multipart uploads with a known id, for stores that return such ids. Another process can use the id to
//! abort the upload of a killed process.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{MultipartId, MultipartUpload, ObjectStoreExt as _, PutPayload, PutResult, UploadPart};

use super::Storage;
use crate::foundation::error::{Error, ErrorKind, Result};

/// The outcome of aborting an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AbortOutcome {
    /// The upload was aborted and its parts were removed.
    Aborted,
    /// The upload does not exist: it was completed or aborted before.
    NotFound,
}

impl Storage {
    /// Starts an upload; no file exists at `path` before the upload is completed. Returns the id of the
    /// upload if another process can use it to abort the upload. Uploads to a disk, to memory and to Azure,
    /// where uncommitted parts expire, have no id.
    pub(crate) async fn begin_upload(
        &self,
        path: &Path,
    ) -> object_store::Result<(Box<dyn MultipartUpload>, Option<MultipartId>)> {
        let Some(store) = &self.multipart else { return Ok((self.store.put_multipart(path).await?, None)) };
        let id = store.create_multipart(path).await?;
        let upload = KnownUpload {
            store: Arc::clone(store),
            path: path.clone(),
            id: id.clone(),
            started_parts: 0,
            stored_parts: Arc::default(),
        };
        Ok((Box::new(upload), Some(id)))
    }

    /// Aborts the upload of a process that has ended.
    ///
    /// # Errors
    /// The store fails, or it does not support aborting an upload by its id.
    pub(crate) async fn abort_upload(&self, path: &Path, id: &MultipartId) -> Result<AbortOutcome> {
        let Some(store) = &self.multipart else {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "the unfinished upload of `{path}` cannot be aborted through storage `{}`; run \
                     maintenance in an application that opens this storage by its URL",
                    self.location
                ),
            ));
        };
        abort(store.as_ref(), path, id).await.map_err(|source| {
            Error::with_source(
                ErrorKind::Storage,
                format!("the unfinished upload of `{path}` was not aborted in storage `{}`", self.location),
                source,
            )
        })
    }
}

async fn abort(
    store: &dyn MultipartStore,
    path: &Path,
    id: &MultipartId,
) -> object_store::Result<AbortOutcome> {
    match store.abort_multipart(path, id).await {
        Ok(()) => Ok(AbortOutcome::Aborted),
        Err(object_store::Error::NotFound { .. }) => Ok(AbortOutcome::NotFound),
        Err(error) => Err(error),
    }
}

/// A running upload whose id is known.
struct KnownUpload {
    store: Arc<dyn MultipartStore>,
    path: Path,
    id: MultipartId,
    /// The number of parts whose upload was started.
    started_parts: usize,
    stored_parts: Arc<Mutex<BTreeMap<usize, PartId>>>,
}

impl fmt::Debug for KnownUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownUpload").field("path", &self.path).finish_non_exhaustive()
    }
}

#[async_trait]
impl MultipartUpload for KnownUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (store, stored_parts) = (Arc::clone(&self.store), Arc::clone(&self.stored_parts));
        let (path, id, index) = (self.path.clone(), self.id.clone(), self.started_parts);
        self.started_parts += 1;
        Box::pin(async move {
            let part = store.put_part(&path, &id, index, data).await?;
            stored_parts.lock().unwrap_or_else(PoisonError::into_inner).insert(index, part);
            Ok(())
        })
    }

    async fn complete(&mut self) -> object_store::Result<PutResult> {
        let parts = std::mem::take(&mut *self.stored_parts.lock().unwrap_or_else(PoisonError::into_inner));
        if parts.len() != self.started_parts {
            let source = format!("only {} of {} parts were stored", parts.len(), self.started_parts).into();
            return Err(object_store::Error::Generic { store: "multipart upload", source });
        }
        self.store.complete_multipart(&self.path, &self.id, parts.into_values().collect()).await
    }

    async fn abort(&mut self) -> object_store::Result<()> {
        abort(self.store.as_ref(), &self.path, &self.id).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    fn storage_with_upload_ids() -> (Storage, Path) {
        let store = Arc::new(InMemory::new());
        let storage = Storage::object_store(Arc::clone(&store) as _, "memory").with_multipart(store);
        (storage, Path::from("archives/a"))
    }

    #[tokio::test]
    async fn parts_are_stored_in_the_order_in_which_they_were_started() {
        let (storage, path) = storage_with_upload_ids();
        let (mut upload, id) = storage.begin_upload(&path).await.expect("the upload is started");
        assert!(id.is_some());
        let (first, second) = (upload.put_part("one ".into()), upload.put_part("two".into()));
        second.await.expect("the second part is stored");
        first.await.expect("the first part is stored");
        upload.complete().await.expect("the upload is completed");
        let bytes = storage.read(&path, 100).await.expect("the file is read").expect("the file exists");
        assert_eq!(bytes, b"one two");
    }

    #[tokio::test]
    async fn an_upload_that_lacks_a_part_is_not_completed() {
        let (storage, path) = storage_with_upload_ids();
        let (mut upload, _) = storage.begin_upload(&path).await.expect("the upload is started");
        upload.put_part("one ".into()).await.expect("the part is stored");
        drop(upload.put_part("two".into()));
        let error = upload.complete().await.expect_err("a part is missing");
        assert!(error.to_string().contains("only 1 of 2 parts were stored"), "{error}");
        assert_eq!(storage.size(&path).await.expect("the store responds"), None);
    }

    #[tokio::test]
    async fn an_upload_can_be_aborted_by_its_id() {
        let (storage, path) = storage_with_upload_ids();
        let (mut upload, id) = storage.begin_upload(&path).await.expect("the upload is started");
        upload.put_part("one".into()).await.expect("the part is stored");
        let id = id.expect("the store returns the id");
        let outcome = storage.abort_upload(&path, &id).await.expect("the upload is aborted");
        assert_eq!(outcome, AbortOutcome::Aborted);
        upload.complete().await.expect_err("the upload no longer exists");
    }

    #[tokio::test]
    async fn aborting_by_id_fails_with_a_remedy_if_the_store_has_no_upload_ids() {
        let storage = Storage::memory();
        let (_, id) = storage.begin_upload(&Path::from("a")).await.expect("the upload is started");
        assert_eq!(id, None);
        let aborted = storage.abort_upload(&Path::from("a"), &"1".to_owned()).await;
        let error = aborted.expect_err("the store has no upload ids");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("opens this storage by its URL"), "{error}");
    }
}
