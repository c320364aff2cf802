//! An upload into a directory: a temporary file that gets its name when it is complete.

use std::path::PathBuf;
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
        blocking(move || {
            staged.publish(&root, &target, Existing::Replaced)?;
            Ok(PutResult { e_tag: None, version: None, extensions: Default::default() })
        })
        .await
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

impl Drop for DiskUpload {
    fn drop(&mut self) {
        let staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner).take();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(staged))),
            Err(_) => drop(staged),
        }
    }
}

fn ended(target: &std::path::Path) -> object_store::Error {
    let text = format!("the upload of `{}` has ended, or lacks a part", target.display());
    object_store::Error::Generic { store: "directory", source: text.into() }
}
