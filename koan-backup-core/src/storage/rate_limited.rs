//! A store with a bandwidth limit for archives.
//!
//! Small control files (leases, upload records, manifests, pins and so on) are not delayed: if the renewal of
//! a lease waited for the parts of an archive, the lease could expire before the renewal.

mod multipart;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

pub(super) use self::multipart::RateLimitedMultipart;
use super::bandwidth::Bandwidth;
use super::folders::archives_prefix;

/// A store with a bandwidth limit for archives.
#[derive(Debug)]
pub(super) struct RateLimitedStore {
    inner: Arc<dyn ObjectStore>,
    bandwidth: Bandwidth,
}

impl RateLimitedStore {
    pub(super) fn new(inner: Arc<dyn ObjectStore>, bandwidth: Bandwidth) -> Self {
        Self { inner, bandwidth }
    }
}

impl fmt::Display for RateLimitedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for RateLimitedStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if is_archive(path) {
            self.bandwidth.upload.wait_for(payload.content_length()).await;
        }
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let inner = self.inner.put_multipart_opts(path, options).await?;
        Ok(Box::new(RateLimitedUpload { inner, bandwidth: self.bandwidth.clone() }))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let head = options.head;
        let mut found = self.inner.get_opts(path, options).await?;
        if head || !is_archive(path) {
            return Ok(found);
        }
        let (meta, range, attributes) = (found.meta.clone(), found.range.clone(), found.attributes.clone());
        let extensions = std::mem::take(&mut found.extensions);
        let rate_limit = Arc::clone(&self.bandwidth.download);
        let delayed = found.into_stream().then(move |chunk| {
            let rate_limit = Arc::clone(&rate_limit);
            async move {
                if let Ok(bytes) = &chunk {
                    rate_limit.wait_for(bytes.len()).await;
                }
                chunk
            }
        });
        Ok(GetResult {
            payload: GetResultPayload::Stream(delayed.boxed()),
            meta,
            range,
            attributes,
            extensions,
        })
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// Returns whether the bandwidth limit applies to a file. The limit applies to archives, but not to control
/// files.
fn is_archive(path: &Path) -> bool {
    path.prefix_matches(&archives_prefix())
}

#[derive(Debug)]
struct RateLimitedUpload {
    inner: Box<dyn MultipartUpload>,
    bandwidth: Bandwidth,
}

#[async_trait]
impl MultipartUpload for RateLimitedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let rate_limit = Arc::clone(&self.bandwidth.upload);
        let bytes = data.content_length();
        // The inner store numbers parts in the order of these calls, and sends a part only when its future is
        // polled.
        let part = self.inner.put_part(data);
        Box::pin(async move {
            rate_limit.wait_for(bytes).await;
            part.await
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.inner.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;
    use tokio::time::Instant;

    use super::*;
    use crate::storage::Storage;

    fn limited(bytes_per_second: u64) -> RateLimitedStore {
        RateLimitedStore::new(
            Arc::new(InMemory::new()),
            Bandwidth::new(bytes_per_second).expect("the limit is not 0"),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn parts_are_limited_to_the_bandwidth_and_stored_completely() {
        let (store, path) = (limited(1000), Path::from("archives/a.zip"));
        let began = Instant::now();
        let mut upload = store.put_multipart(&path).await.expect("the upload is started");
        for part in [1u8, 2, 3] {
            upload.put_part(vec![part; 2000].into()).await.expect("the data is stored");
        }
        upload.complete().await.expect("the upload is completed");
        assert_eq!(began.elapsed(), Duration::from_secs(4), "the third part waits for the first two");
        let bytes =
            store.get(&path).await.expect("the file is found").bytes().await.expect("the read succeeds");
        assert_eq!(bytes, [[1u8; 2000], [2; 2000], [3; 2000]].concat());
    }

    #[tokio::test(start_paused = true)]
    async fn parts_of_an_upload_with_an_id_are_delayed() {
        let (inner, path) = (Arc::new(InMemory::new()), Path::from("archives/a.zip"));
        let storage = Storage::object_store(Arc::clone(&inner) as _, "memory").with_multipart(inner);
        let storage = storage.bandwidth_limit(1000).expect("the limit is not 0");
        let (mut upload, id) = storage.begin_upload(&path).await.expect("the upload is started");
        assert!(id.is_some());
        let began = Instant::now();
        for part in [1u8, 2, 3] {
            upload.put_part(vec![part; 2000].into()).await.expect("the data is stored");
        }
        upload.complete().await.expect("the upload is completed");
        assert_eq!(began.elapsed(), Duration::from_secs(4), "the third part waits for the first two");
    }

    #[tokio::test(start_paused = true)]
    async fn reads_have_a_separate_limit_and_metadata_requests_have_none() {
        let (store, path) = (limited(1000), Path::from("archives/a.zip"));
        store.put(&path, vec![0; 9000].into()).await.expect("the data is stored");
        let began = Instant::now();
        for start in [0, 3000, 6000] {
            let bytes = store.get_range(&path, start..start + 3000).await.expect("the read succeeds");
            assert_eq!(bytes.len(), 3000);
        }
        assert_eq!(began.elapsed(), Duration::from_secs(6));
        let meta = store.head(&path).await.expect("the file exists");
        assert_eq!((meta.size, began.elapsed()), (9000, Duration::from_secs(6)), "`head` does not wait");
    }

    #[tokio::test(start_paused = true)]
    async fn control_files_do_not_wait_for_the_transfer_of_an_archive() {
        let store = limited(1);
        let mut upload =
            store.put_multipart(&Path::from("archives/a.zip")).await.expect("the upload is started");
        upload.put_part(vec![0; 1_000_000].into()).await.expect("the data is stored");
        let large = Path::from("archives/b.zip");
        store.inner.put(&large, vec![0; 1_000_000].into()).await.expect("the data is stored");
        store.get(&large).await.expect("the file is found").bytes().await.expect("the read succeeds");
        let began = Instant::now();
        for folder in [
            "leases/backup/nightly",
            "uploads",
            "manifests",
            "pins",
            "damage",
            "verifications",
            "maintenance",
            "removals",
        ] {
            let path = Path::from(format!("{folder}/a.json"));
            store.put(&path, vec![0; 10_000].into()).await.expect("the data is stored");
            let bytes =
                store.get(&path).await.expect("the file is found").bytes().await.expect("the read succeeds");
            assert_eq!((bytes.len(), began.elapsed()), (10_000, Duration::ZERO), "{folder}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_upload_can_be_dropped() {
        let store = limited(1);
        let mut upload =
            store.put_multipart(&Path::from("archives/a.zip")).await.expect("the upload is started");
        upload.put_part(vec![0; 1000].into()).await.expect("the data is stored");
        let began = Instant::now();
        let waiting = tokio::time::timeout(Duration::from_secs(1), upload.put_part(vec![0; 1].into())).await;
        assert!(waiting.is_err(), "the second part was stored before the limit allowed it");
        upload.abort().await.expect("the upload is aborted");
        assert_eq!(began.elapsed(), Duration::from_secs(1));
    }
}
