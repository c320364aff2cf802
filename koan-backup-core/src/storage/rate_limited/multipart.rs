//! Multipart uploads with a bandwidth limit.

use std::sync::Arc;

use async_trait::async_trait;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{MultipartId, PutPayload, PutResult, Result};

use super::super::bandwidth::Bandwidth;

/// A store for multipart uploads with a bandwidth limit.
pub(in super::super) struct RateLimitedMultipart {
    inner: Arc<dyn MultipartStore>,
    bandwidth: Bandwidth,
}

impl RateLimitedMultipart {
    pub(in super::super) fn new(inner: Arc<dyn MultipartStore>, bandwidth: Bandwidth) -> Self {
        Self { inner, bandwidth }
    }
}

#[async_trait]
impl MultipartStore for RateLimitedMultipart {
    async fn create_multipart(&self, path: &Path) -> Result<MultipartId> {
        self.inner.create_multipart(path).await
    }

    async fn put_part(
        &self,
        path: &Path,
        id: &MultipartId,
        index: usize,
        data: PutPayload,
    ) -> Result<PartId> {
        self.bandwidth.upload.wait_for(data.content_length()).await;
        self.inner.put_part(path, id, index, data).await
    }

    async fn complete_multipart(
        &self,
        path: &Path,
        id: &MultipartId,
        parts: Vec<PartId>,
    ) -> Result<PutResult> {
        self.inner.complete_multipart(path, id, parts).await
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        self.inner.abort_multipart(path, id).await
    }
}
