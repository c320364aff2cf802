//! A store that is written and read no faster than its bandwidth allows.

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

use super::bandwidth::Bandwidth;

/// A store that is written and read no faster than its bandwidth allows.
#[derive(Debug)]
pub(super) struct Paced {
    inner: Arc<dyn ObjectStore>,
    bandwidth: Bandwidth,
}

impl Paced {
    pub(super) fn new(inner: Arc<dyn ObjectStore>, bandwidth: Bandwidth) -> Self {
        Self { inner, bandwidth }
    }
}

impl fmt::Display for Paced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Paced {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.bandwidth.upload.take(payload.content_length()).await;
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let inner = self.inner.put_multipart_opts(path, options).await?;
        Ok(Box::new(PacedUpload { inner, bandwidth: self.bandwidth.clone() }))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let head = options.head;
        let mut found = self.inner.get_opts(path, options).await?;
        if head {
            return Ok(found);
        }
        let (meta, range, attributes) = (found.meta.clone(), found.range.clone(), found.attributes.clone());
        let extensions = std::mem::take(&mut found.extensions);
        let pace = Arc::clone(&self.bandwidth.download);
        let paced = found.into_stream().then(move |chunk| {
            let pace = Arc::clone(&pace);
            async move {
                if let Ok(bytes) = &chunk {
                    pace.take(bytes.len()).await;
                }
                chunk
            }
        });
        Ok(GetResult {
            payload: GetResultPayload::Stream(paced.boxed()),
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

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct PacedUpload {
    inner: Box<dyn MultipartUpload>,
    bandwidth: Bandwidth,
}

#[async_trait]
impl MultipartUpload for PacedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let pace = Arc::clone(&self.bandwidth.upload);
        let bytes = data.content_length();
        // Parts are numbered in the order in which this is called; nothing is sent before the future is polled.
        let part = self.inner.put_part(data);
        Box::pin(async move {
            pace.take(bytes).await;
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
