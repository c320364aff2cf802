//! Uploads into a directory: a temporary file that is renamed to its final name when it is complete.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::FutureExt as _;
use object_store::{MultipartUpload, PutPayload, PutResult, Result, UploadPart};

use super::blocking::blocking;
use super::names::ExistingTarget;
use super::root::{Root, StagedFile};

/// An upload into a directory. Dropping it removes the temporary file.
#[derive(Debug)]
pub(super) struct DiskUpload {
    root: Arc<Root>,
    staged: Arc<Mutex<Option<StagedFile>>>,
    target: PathBuf,
    /// The number of parts whose upload was started.
    started_parts: usize,
    written: Arc<Mutex<WrittenParts>>,
}

/// The number of parts that were written in order, and the parts that wait for an earlier part.
#[derive(Debug, Default)]
struct WrittenParts {
    count: usize,
    waiting: std::collections::BTreeMap<usize, PutPayload>,
}

impl DiskUpload {
    pub(super) fn new(root: Arc<Root>, staged: StagedFile, target: PathBuf) -> Self {
        let staged = Arc::new(Mutex::new(Some(staged)));
        Self { root, staged, target, started_parts: 0, written: Arc::default() }
    }
}

#[async_trait]
impl MultipartUpload for DiskUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (staged, written) = (Arc::clone(&self.staged), Arc::clone(&self.written));
        let (number, target) = (self.started_parts, self.target.clone());
        self.started_parts += 1;
        blocking(move || {
            let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
            let mut staged = staged.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(staged) = &mut *staged else { return Err(ended_error(&target)) };
            written.waiting.insert(number, data);
            let WrittenParts { count, waiting } = &mut *written;
            while let Some(data) = waiting.remove(count) {
                data.iter().try_for_each(|bytes| staged.write_at_end(bytes))?;
                *count += 1;
            }
            Ok(())
        })
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner).take();
        let count = self.written.lock().unwrap_or_else(PoisonError::into_inner).count;
        let (root, target) = (Arc::clone(&self.root), self.target.clone());
        let Some(staged) = staged.filter(|_| count == self.started_parts) else {
            return Err(ended_error(&target));
        };
        // If this future is dropped, the thread continues. Therefore the guard marks the upload as abandoned.
        let guard = CompletionGuard(Arc::new(IsAwaited::new(true)));
        let completion = Arc::clone(&guard.0);
        blocking(move || finish(staged, &root, &target, &completion)).await
    }

    async fn abort(&mut self) -> Result<()> {
        let staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner).take();
        blocking(move || {
            drop(staged);
            Ok(())
        })
        .await
    }
}

/// Whether a caller still waits for the completion of an upload.
type IsAwaited = AtomicBool;

/// A guard that marks the completion of an upload as abandoned when it is dropped.
struct CompletionGuard(Arc<IsAwaited>);

impl Drop for CompletionGuard {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// Renames the file of an upload to its final name, unless the upload was abandoned. If the upload is
/// abandoned while the file is renamed, the file is removed.
fn finish(mut staged: StagedFile, root: &Root, target: &Path, completion: &IsAwaited) -> Result<PutResult> {
    staged.close()?;
    if !completion.load(Ordering::SeqCst) {
        return Err(abandoned_error(target));
    }
    staged.rename(root, target, ExistingTarget::Replaced)?;
    if !completion.load(Ordering::SeqCst) {
        root.remove(target)?;
        return Err(abandoned_error(target));
    }
    Ok(PutResult { e_tag: None, version: None, extensions: Default::default() })
}

impl Drop for DiskUpload {
    fn drop(&mut self) {
        let staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner).take();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(staged))),
            Err(_) => drop(staged),
        }
    }
}

/// Creates the error for an upload whose caller no longer waits for its completion.
fn abandoned_error(target: &Path) -> object_store::Error {
    let text = format!(
        "the upload of `{}` was abandoned before it was complete, and its file was removed",
        target.display()
    );
    object_store::Error::Generic { store: "directory", source: text.into() }
}

/// Creates the error for an upload that was completed or aborted before, or that lacks a part.
fn ended_error(target: &Path) -> object_store::Error {
    let text = format!(
        "the upload of `{}` was completed or aborted before, or one of its parts is missing",
        target.display()
    );
    object_store::Error::Generic { store: "directory", source: text.into() }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn file_names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("the folder is created");
        entries
            .map(|entry| {
                entry.expect("the read succeeds").file_name().into_string().expect("the name is UTF-8")
            })
            .collect()
    }

    #[test]
    fn a_completion_that_is_abandoned_before_its_thread_starts_leaves_no_file() {
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build();
        let runtime = runtime.expect("the runtime is created");
        let folder = tempfile::tempdir().expect("the folder is created");
        let root = Arc::new(Root::open(folder.path()).expect("the directory is opened"));
        let target = folder.path().join("archive.zip");
        runtime.block_on(async {
            let mut upload = DiskUpload::new(
                Arc::clone(&root),
                root.stage(&target).expect("the temporary file is created"),
                target.clone(),
            );
            upload.put_part("content".into()).await.expect("the write succeeds");
            // The only thread is busy, so the completion cannot start.
            let (release, released) = mpsc::channel::<()>();
            let busy = tokio::task::spawn_blocking(move || released.recv());
            let mut completing = upload.complete();
            assert!(futures::poll!(&mut completing).is_pending());
            drop(completing);
            release.send(()).expect("the thread waits for the message");
            busy.await.expect("the thread does not panic").expect("the message is received");
            upload.abort().await.expect("the upload is aborted");
            tokio::task::spawn_blocking(|| ()).await.expect("all earlier work of the thread has ended");
        });
        assert_eq!(file_names(folder.path()), Vec::<String>::new());
    }

    #[test]
    fn an_abandoned_completion_leaves_no_file() {
        let folder = tempfile::tempdir().expect("the folder is created");
        let root = Root::open(folder.path()).expect("the directory is opened");
        let target = folder.path().join("archive.zip");
        let awaited =
            finish(root.stage(&target).expect("the temporary file is created"), &root, &target, &true.into());
        awaited.expect("the upload is completed");
        assert_eq!(file_names(folder.path()), ["archive.zip"]);
        root.remove(&target).expect("the file is removed");
        let abandoned = finish(
            root.stage(&target).expect("the temporary file is created"),
            &root,
            &target,
            &false.into(),
        );
        let error = abandoned.expect_err("the caller does not wait for the completion");
        assert!(error.to_string().contains("abandoned"), "{error}");
        assert_eq!(file_names(folder.path()), Vec::<String>::new());
    }
}
