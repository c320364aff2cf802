//! Multipart uploads whose errors contain the response of the server and a hint on what to check.

use std::sync::Arc;

use async_trait::async_trait;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{MultipartId, PutPayload, PutResult, Result};

use super::super::answer::explained;
use super::super::request_kind::RequestKind;
use super::super::secrets::Secrets;

/// A store for multipart uploads whose errors contain the response of the server and a hint on what to check.
pub(in super::super) struct ExplainingMultipart {
    inner: Arc<dyn MultipartStore>,
    secrets: Secrets,
}

impl ExplainingMultipart {
    pub(in super::super) fn new(inner: Arc<dyn MultipartStore>, secrets: Secrets) -> Self {
        Self { inner, secrets }
    }
}

#[async_trait]
impl MultipartStore for ExplainingMultipart {
    async fn create_multipart(&self, path: &Path) -> Result<MultipartId> {
        let begun = self.inner.create_multipart(path).await;
        begun.map_err(|error| explained(error, RequestKind::Write, &self.secrets))
    }

    async fn put_part(
        &self,
        path: &Path,
        id: &MultipartId,
        index: usize,
        data: PutPayload,
    ) -> Result<PartId> {
        let part = self.inner.put_part(path, id, index, data).await;
        part.map_err(|error| explained(error, RequestKind::Upload, &self.secrets))
    }

    async fn complete_multipart(
        &self,
        path: &Path,
        id: &MultipartId,
        parts: Vec<PartId>,
    ) -> Result<PutResult> {
        let completed = self.inner.complete_multipart(path, id, parts).await;
        completed.map_err(|error| explained(error, RequestKind::Upload, &self.secrets))
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        let aborted = self.inner.abort_multipart(path, id).await;
        aborted.map_err(|error| explained(error, RequestKind::Upload, &self.secrets))
    }
}
