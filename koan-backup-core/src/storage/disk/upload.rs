//! An upload into a directory: a temporary file that gets its name when it is complete.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::FutureExt as _;
use object_store::{MultipartUpload, PutPayload, PutResult, Result, UploadPart};

use super::blocking;
use super::names::Existing;
use super::root::{Root, Staged};

/// An upload into a directory. Dropping it removes what was written.
#[derive(Debug)]
pub(super) struct DiskUpload {
    root: Arc<Root>,
    staged: Arc<Mutex<Option<Staged>>>,
    target: PathBuf,
    /// Parts that were handed over, and parts that were written.
    begun: usize,
    written: Arc<Mutex<Written>>,
}

/// Parts that were written in their order, and those that came before their turn.
#[derive(Debug, Default)]
struct Written {
    count: usize,
    early: std::collections::BTreeMap<usize, PutPayload>,
}

impl DiskUpload {
    pub(super) fn new(root: Arc<Root>, staged: Staged, target: PathBuf) -> Self {
        let staged = Arc::new(Mutex::new(Some(staged)));
        Self { root, staged, target, begun: 0, written: Arc::default() }
    }
}

#[async_trait]
impl MultipartUpload for DiskUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (staged, written) = (Arc::clone(&self.staged), Arc::clone(&self.written));
        let (number, target) = (self.begun, self.target.clone());
        self.begun += 1;
        blocking(move || {
            let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
            let mut staged = staged.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(staged) = &mut *staged else { return Err(ended(&target)) };
            written.early.insert(number, data);
            let Written { count, early } = &mut *written;
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
        let Some(staged) = staged.filter(|_| count == self.begun) else { return Err(ended(&target)) };
        // Dropping this future does not stop the thread.
        let waiting = Waiting(Arc::new(Completion::new(true)));
        let completion = Arc::clone(&waiting.0);
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

/// Whether somebody waits for the completion of an upload.
type Completion = AtomicBool;

/// The one who waits. Dropping it gives the completion up.
struct Waiting(Arc<Completion>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// Gives an upload its name, unless it was given up. If it is given up meanwhile, the file is removed again.
fn finish(mut staged: Staged, root: &Root, target: &Path, completion: &Completion) -> Result<PutResult> {
    staged.close()?;
    if !completion.load(Ordering::SeqCst) {
        return Err(given_up(target));
    }
    staged.rename(root, target, Existing::Replaced)?;
    if !completion.load(Ordering::SeqCst) {
        root.remove(target)?;
        return Err(given_up(target));
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

fn given_up(target: &Path) -> object_store::Error {
    let text = format!("the upload of `{}` was given up; nothing stays of it", target.display());
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
    fn a_completion_that_is_given_up_before_its_thread_begins_leaves_nothing() {
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build();
        let runtime = runtime.expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let root = Arc::new(Root::open(folder.path()).expect("opened"));
        let target = folder.path().join("archive.zip");
        runtime.block_on(async {
            let mut upload =
                DiskUpload::new(Arc::clone(&root), root.stage(&target).expect("staged"), target.clone());
            upload.put_part("content".into()).await.expect("written");
            // The only thread waits, so that the completion waits for it.
            let (go_on, wait) = mpsc::channel::<()>();
            let busy = tokio::task::spawn_blocking(move || wait.recv());
            let mut completing = upload.complete();
            assert!(futures::poll!(&mut completing).is_pending());
            drop(completing);
            go_on.send(()).expect("it waits");
            busy.await.expect("no panic").expect("told");
            upload.abort().await.expect("aborted");
            tokio::task::spawn_blocking(|| ()).await.expect("all before it has ended");
        });
        assert_eq!(names(folder.path()), Vec::<String>::new());
    }

    #[test]
    fn a_completion_for_which_nobody_waits_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = Root::open(folder.path()).expect("opened");
        let target = folder.path().join("archive.zip");
        let waited_for = finish(root.stage(&target).expect("staged"), &root, &target, &true.into());
        waited_for.expect("completed");
        assert_eq!(names(folder.path()), ["archive.zip"]);
        root.remove(&target).expect("removed");
        let error = finish(root.stage(&target).expect("staged"), &root, &target, &false.into());
        assert!(error.expect_err("given up").to_string().contains("given up"));
        assert_eq!(names(folder.path()), Vec::<String>::new());
    }
}
