//! A wrapper of a store whose errors contain the response of the server, without secrets, and a hint on what
//! to check.

mod multipart;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

pub(super) use self::multipart::ExplainingMultipart;
use super::answer::explained;
use super::request_kind::RequestKind;
use super::secrets::Secrets;

/// A store whose errors contain the response of the server and a hint on what to check.
pub(super) struct ExplainingStore {
    inner: Arc<dyn ObjectStore>,
    secrets: Secrets,
}

impl ExplainingStore {
    pub(super) fn new(inner: Arc<dyn ObjectStore>, secrets: Secrets) -> Self {
        Self { inner, secrets }
    }

    /// Returns the function that adds the response and a hint to the errors of a request of this kind.
    fn explain(
        &self,
        request: RequestKind,
    ) -> impl Fn(object_store::Error) -> object_store::Error + Send + 'static {
        let secrets = self.secrets.clone();
        move |error| explained(error, request, &secrets)
    }
}

/// The debug text contains only the inner store, because secrets must not appear in it.
impl fmt::Debug for ExplainingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl fmt::Display for ExplainingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for ExplainingStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let request = match options.mode {
            PutMode::Create => RequestKind::Creation,
            PutMode::Overwrite | PutMode::Update(_) => RequestKind::Write,
        };
        self.inner.put_opts(path, payload, options).await.map_err(self.explain(request))
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let begun = self.inner.put_multipart_opts(path, options).await;
        let inner = begun.map_err(self.explain(RequestKind::Write))?;
        Ok(Box::new(ExplainingUpload { inner, secrets: self.secrets.clone() }))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let found = self.inner.get_opts(path, options).await.map_err(self.explain(RequestKind::File))?;
        let payload = match found.payload {
            GetResultPayload::Stream(bytes) => {
                GetResultPayload::Stream(bytes.map_err(self.explain(RequestKind::File)).boxed())
            }
            other => other,
        };
        Ok(GetResult { payload, ..found })
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths).map_err(self.explain(RequestKind::File)).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix).map_err(self.explain(RequestKind::Bucket)).boxed()
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset).map_err(self.explain(RequestKind::Bucket)).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await.map_err(self.explain(RequestKind::Bucket))
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await.map_err(self.explain(RequestKind::File))
    }
}

/// A multipart upload whose errors contain the response of the server and a hint on what to check.
struct ExplainingUpload {
    inner: Box<dyn MultipartUpload>,
    secrets: Secrets,
}

impl fmt::Debug for ExplainingUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExplainingUpload").finish_non_exhaustive()
    }
}

#[async_trait]
impl MultipartUpload for ExplainingUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (part, secrets) = (self.inner.put_part(data), self.secrets.clone());
        Box::pin(async move { part.await.map_err(|error| explained(error, RequestKind::Upload, &secrets)) })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let secrets = self.secrets.clone();
        self.inner.complete().await.map_err(|error| explained(error, RequestKind::Upload, &secrets))
    }

    async fn abort(&mut self) -> Result<()> {
        let secrets = self.secrets.clone();
        self.inner.abort().await.map_err(|error| explained(error, RequestKind::Upload, &secrets))
    }
}
