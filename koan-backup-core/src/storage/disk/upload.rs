//! Uploads into a directory: a temporary file that gets its final name when it is complete.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::FutureExt as _;
use object_store::{MultipartUpload, PutPayload, PutResult, Result, UploadPart};

use super::blocking::blocking;
use super::names::Existing;
use super::root::{Root, StagedFile};

/// An upload into a directory. Dropping it removes the temporary file.
#[derive(Debug)]
pub(super) struct DiskUpload {
    root: Arc<Root>,
    staged: Arc<Mutex<Option<StagedFile>>>,
    target: PathBuf,
    /// How many parts were started.
    started_parts: usize,
    written: Arc<Mutex<WrittenParts>>,
}

/// The number of parts that were written in order, and the parts that arrived early.
#[derive(Debug, Default)]
struct WrittenParts {
    count: usize,
    early: std::collections::BTreeMap<usize, PutPayload>,
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
            let Some(staged) = &mut *staged else { return Err(ended(&target)) };
            written.early.insert(number, data);
            let WrittenParts { count, early } = &mut *written;
            while let Some(data) = early.remove(count) {
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
        let Some(staged) = staged.filter(|_| count == self.started_parts) else { return Err(ended(&target)) };
        // Dropping this future does not stop the thread, so the guard marks the upload as abandoned.
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

/// Marks the completion as abandoned when it is dropped.
struct CompletionGuard(Arc<IsAwaited>);

impl Drop for CompletionGuard {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// Gives an upload its final name, unless it was abandoned. If it is abandoned meanwhile, the file is removed
/// again.
fn finish(mut staged: StagedFile, root: &Root, target: &Path, completion: &IsAwaited) -> Result<PutResult> {
    staged.close()?;
    if !completion.load(Ordering::SeqCst) {
        return Err(abandoned(target));
    }
    staged.rename(root, target, Existing::Replaced)?;
    if !completion.load(Ordering::SeqCst) {
        root.remove(target)?;
        return Err(abandoned(target));
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

fn abandoned(target: &Path) -> object_store::Error {
    let text = format!("the upload of `{}` was abandoned, and its file was removed", target.display());
    object_store::Error::Generic { store: "directory", source: text.into() }
}

fn ended(target: &Path) -> object_store::Error {
    let text = format!("the upload of `{}` has ended, or lacks a part", target.display());
    object_store::Error::Generic { store: "directory", source: text.into() }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("a folder");
        entries.map(|entry| entry.expect("read").file_name().into_string().expect("UTF-8")).collect()
    }

    #[test]
    fn a_completion_that_is_abandoned_before_its_thread_starts_leaves_no_file() {
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build();
        let runtime = runtime.expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let root = Arc::new(Root::open(folder.path()).expect("opened"));
        let target = folder.path().join("archive.zip");
        runtime.block_on(async {
            let mut upload =
                DiskUpload::new(Arc::clone(&root), root.stage(&target).expect("staged"), target.clone());
            upload.put_part("content".into()).await.expect("written");
            // The only thread is busy, so the completion cannot start.
            let (go_on, wait) = mpsc::channel::<()>();
            let busy = tokio::task::spawn_blocking(move || wait.recv());
            let mut completing = upload.complete();
            assert!(futures::poll!(&mut completing).is_pending());
            drop(completing);
            go_on.send(()).expect("it waits");
            busy.await.expect("no panic").expect("received");
            upload.abort().await.expect("aborted");
            tokio::task::spawn_blocking(|| ()).await.expect("all before it has ended");
        });
        assert_eq!(names(folder.path()), Vec::<String>::new());
    }

    #[test]
    fn an_abandoned_completion_leaves_no_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = Root::open(folder.path()).expect("opened");
        let target = folder.path().join("archive.zip");
        let waited_for = finish(root.stage(&target).expect("staged"), &root, &target, &true.into());
        waited_for.expect("completed");
        assert_eq!(names(folder.path()), ["archive.zip"]);
        root.remove(&target).expect("removed");
        let error = finish(root.stage(&target).expect("staged"), &root, &target, &false.into());
        assert!(error.expect_err("given up").to_string().contains("abandoned"));
        assert_eq!(names(folder.path()), Vec::<String>::new());
    }
}
