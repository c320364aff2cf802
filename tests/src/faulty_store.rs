//! An object store with injected faults.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use koan_backup::Storage;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

/// An operation of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A multipart upload begins.
    Begin,
    /// A part is uploaded.
    Part,
    /// An upload is completed.
    Complete,
    /// An upload is aborted.
    Abort,
    /// A small file is written.
    Put,
    /// The size of a file is requested.
    Head,
    /// A file, or a range of it, is read.
    Get,
    /// A file is removed.
    Delete,
    /// Files are listed.
    List,
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The operation returns status 403.
    Forbidden,
    /// The operation returns status 404.
    Missing,
    /// The operation returns status 429.
    Busy,
    /// The operation returns status 500.
    Broken,
    /// The operation succeeds after this number of milliseconds.
    Slow(u64),
    /// The operation does nothing and never returns.
    Never,
    /// The operation waits until [`FaultyStore::fail`] is called again, and is then performed.
    Held,
    /// Like [`Held`](Self::Held), but the store completes an upload even if the caller has dropped the
    /// future. The completion is then counted by [`call_count`](FaultyStore::call_count) a second time.
    Detached,
    /// The connection is lost before the operation.
    Lost,
    /// The operation succeeds, but the caller receives an error, as if the response was lost.
    ResponseLost,
    /// A removal reports success and does nothing.
    IgnoredSilently,
    /// A read returns only this number of bytes; a request for the size returns this size.
    Short(u64),
    /// A read returns zeros instead of the content.
    Zeros,
}

/// An injected fault.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The operation that fails.
    pub operation: Operation,
    /// The text that the path must contain.
    pub path: &'static str,
    /// How the operation fails.
    pub failure: Failure,
    /// The number of matching operations that succeed before the first failure.
    pub after: usize,
    /// The number of times that the operation fails.
    pub times: usize,
}

impl Fault {
    /// Creates a fault that makes the operation fail each time on every path that contains `path`.
    pub fn always(operation: Operation, path: &'static str, failure: Failure) -> Self {
        Self { operation, path, failure, after: 0, times: usize::MAX }
    }

    /// Creates a fault that makes only the first such operation fail on a path that contains `path`.
    pub fn once(operation: Operation, path: &'static str, failure: Failure) -> Self {
        Self { times: 1, ..Self::always(operation, path, failure) }
    }

    /// Lets this number of matching operations succeed before the first failure.
    #[must_use]
    pub fn after(self, after: usize) -> Self {
        Self { after, ..self }
    }
}

/// An object store with injected faults.
#[derive(Clone, Debug)]
pub struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    faults: Vec<Fault>,
    calls: VecDeque<(Operation, String)>,
}

impl FaultyStore {
    /// Wraps a store, without faults.
    pub fn over(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, state: Arc::default() }
    }

    /// Returns the store as a storage profile.
    pub fn storage(&self) -> Storage {
        Storage::object_store(Arc::new(self.clone()), "faulty")
    }

    /// Replaces the injected faults with these, and resets the counts of operations.
    pub fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        *self.lock() = State { faults: faults.into_iter().collect(), calls: VecDeque::new() };
    }

    /// Continues every operation that is [held](Failure::Held), and removes all faults.
    pub fn resume(&self) {
        self.fail([]);
    }

    /// Waits until no fault holds operations any more.
    async fn released(&self) {
        let holds_operations = |fault: &Fault| matches!(fault.failure, Failure::Held | Failure::Detached);
        let is_held = || self.lock().faults.iter().any(holds_operations);
        crate::wait::until_sync("`resume` or `fail` releases the operation", || !is_held()).await;
    }

    /// Waits until an operation was called this number of times on paths that contain `path`.
    pub async fn until_called(&self, operation: Operation, path: &str, count: usize) {
        let condition = format!("{operation:?} was called {count} times on paths with `{path}`");
        crate::wait::until_sync(&condition, || self.call_count(operation, path) >= count).await;
    }

    /// Returns how often an operation was called on paths that contain `path`.
    pub fn call_count(&self, operation: Operation, path: &str) -> usize {
        let state = self.lock();
        let matching = state
            .calls
            .iter()
            .filter(|(called, called_path)| *called == operation && called_path.contains(path));
        matching.count()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the call of an operation, and returns how it fails, if a fault matches.
    fn fault(&self, operation: Operation, path: &Path) -> Option<Failure> {
        let mut state = self.lock();
        state.calls.push_back((operation, path.to_string()));
        let mut matching = state
            .faults
            .iter_mut()
            .filter(|fault| fault.operation == operation && path.as_ref().contains(fault.path));
        let fault = matching.find(|fault| fault.times > 0)?;
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        fault.times -= 1;
        Some(fault.failure)
    }
}

/// Creates the error that an operation returns for a failure.
fn error(failure: Failure, path: &Path) -> Error {
    let path = path.to_string();
    match failure {
        Failure::Forbidden => Error::PermissionDenied { path, source: "403 Forbidden".into() },
        Failure::Missing => Error::NotFound { path, source: "404 Not Found".into() },
        Failure::Busy => Error::Generic { store: "faulty", source: "429 Too Many Requests".into() },
        Failure::Broken => Error::Generic { store: "faulty", source: "500 Internal Server Error".into() },
        _ => Error::Generic { store: "faulty", source: "connection reset".into() },
    }
}

/// Performs the operation unless the fault prevents it. For [`Failure::ResponseLost`], performs the operation
/// and returns an error.
macro_rules! attempt {
    ($store:expr, $fault:expr, $path:expr, $work:expr) => {
        match $fault {
            None => $work,
            Some(Failure::ResponseLost) => {
                let _ = $work?;
                Err(error(Failure::ResponseLost, $path))
            }
            Some(Failure::Slow(millis)) => {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                $work
            }
            Some(Failure::Never) => std::future::pending().await,
            Some(Failure::Held) => {
                $store.released().await;
                $work
            }
            Some(failure) => Err(error(failure, $path)),
        }
    };
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyStore({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let fault = self.fault(Operation::Put, path);
        attempt!(self, fault, path, self.inner.put_opts(path, payload, options).await)
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let fault = self.fault(Operation::Begin, path);
        let inner = attempt!(self, fault, path, self.inner.put_multipart_opts(path, options).await)?;
        Ok(Box::new(FaultyUpload { inner: Some(inner), store: self.clone(), path: path.clone() }))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let head = options.head;
        let fault = self.fault(if head { Operation::Head } else { Operation::Get }, path);
        match fault {
            Some(Failure::Short(length)) => {
                let mut found = self.inner.get_opts(path, options).await?;
                if head {
                    found.meta.size = length;
                    return Ok(found);
                }
                let max_bytes = usize::try_from(length).unwrap_or(usize::MAX);
                with_bytes(found, |bytes| bytes.slice(..max_bytes.min(bytes.len()))).await
            }
            Some(Failure::Zeros) => {
                let found = self.inner.get_opts(path, options).await?;
                with_bytes(found, |bytes| vec![0; bytes.len()].into()).await
            }
            fault => attempt!(self, fault, path, self.inner.get_opts(path, options).await),
        }
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let deleted = paths.then(move |path| {
            let store = store.clone();
            async move {
                let path = path?;
                let fault = store.fault(Operation::Delete, &path);
                if fault == Some(Failure::IgnoredSilently) {
                    return Ok(path);
                }
                attempt!(store, fault, &path, store.inner.delete(&path).await.map(|()| path.clone()))
            }
        });
        deleted.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let path = prefix.cloned().unwrap_or_default();
        match self.fault(Operation::List, &path) {
            None => self.inner.list(prefix),
            Some(Failure::Slow(millis)) => {
                let late = async move { tokio::time::sleep(Duration::from_millis(millis)).await };
                list_after(late, &self.inner, path)
            }
            Some(Failure::Never) => stream::pending().boxed(),
            Some(Failure::Held) => {
                let store = self.clone();
                list_after(async move { store.released().await }, &self.inner, path)
            }
            // The list fails after its first file, so that a test detects a caller that treats the files
            // before the error as a complete list.
            Some(failure) => {
                let listed = self.inner.list(prefix).take(1);
                listed.chain(stream::once(async move { Err(error(failure, &path)) })).boxed()
            }
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// Lists the files that exist after an event.
fn list_after(
    event: impl Future<Output = ()> + Send + 'static,
    inner: &Arc<dyn ObjectStore>,
    prefix: Path,
) -> BoxStream<'static, Result<ObjectMeta>> {
    let inner = Arc::clone(inner);
    let listed = async move {
        event.await;
        inner.list(Some(&prefix))
    };
    stream::once(listed).flatten().boxed()
}

/// Replaces the content of a read.
async fn with_bytes(found: GetResult, alter: impl FnOnce(Bytes) -> Bytes) -> Result<GetResult> {
    let (meta, range, attributes) = (found.meta.clone(), found.range.clone(), found.attributes.clone());
    let extensions = found.extensions.clone();
    let bytes = alter(found.bytes().await?);
    let payload = GetResultPayload::Stream(stream::once(async move { Ok(bytes) }).boxed());
    Ok(GetResult { payload, meta, range, attributes, extensions })
}

#[derive(Debug)]
struct FaultyUpload {
    /// The wrapped upload; `None` after [`Failure::Detached`] moved it to a task of its own.
    inner: Option<Box<dyn MultipartUpload>>,
    store: FaultyStore,
    path: Path,
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let Some(inner) = &mut self.inner else { return Box::pin(std::future::pending()) };
        match self.store.fault(Operation::Part, &self.path) {
            None => inner.put_part(data),
            Some(Failure::Slow(millis)) => {
                let part = inner.put_part(data);
                Box::pin(async move {
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                    part.await
                })
            }
            Some(Failure::Never) => Box::pin(std::future::pending()),
            Some(Failure::Held) => {
                let (part, store) = (inner.put_part(data), self.store.clone());
                Box::pin(async move {
                    store.released().await;
                    part.await
                })
            }
            Some(failure) => {
                let path = self.path.clone();
                Box::pin(async move { Err(error(failure, &path)) })
            }
        }
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let fault = self.store.fault(Operation::Complete, &self.path);
        if fault == Some(Failure::Detached)
            && let Some(mut inner) = self.inner.take()
        {
            let (store, path) = (self.store.clone(), self.path.clone());
            let completing = tokio::spawn(async move {
                store.released().await;
                let completed = inner.complete().await;
                store.lock().calls.push_back((Operation::Complete, path.to_string()));
                completed
            });
            return completing.await?;
        }
        let Some(inner) = &mut self.inner else { return Err(error(Failure::Missing, &self.path)) };
        attempt!(self.store, fault, &self.path, inner.complete().await)
    }

    async fn abort(&mut self) -> Result<()> {
        let fault = self.store.fault(Operation::Abort, &self.path);
        let Some(inner) = &mut self.inner else { return Ok(()) };
        attempt!(self.store, fault, &self.path, inner.abort().await)
    }
}
