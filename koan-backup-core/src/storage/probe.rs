//! A probe: a small file that tests whether a storage can be written, read and cleaned.
//!
//! Its name is that of the files that test a directory for durability, so that every part of this library
//! ignores it, and maintenance removes the probe of a process that was killed.

use std::time::Duration;

use jiff::Timestamp;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::folders::PROBE_PREFIX;
use super::{CLEANUP_TIMEOUT, Storage};
use crate::foundation::error::{Error, ErrorKind, Result};

/// A probe in a storage. If it is dropped before it was [removed](Self::remove), a task removes it.
#[derive(Debug)]
pub(crate) struct Probe {
    file: ProbeFile,
    /// The write, while it has not ended. It is not dropped with the future that waits for it, because a write
    /// that continues in the store would create the file after its removal.
    write: Option<JoinHandle<Result<()>>>,
    state: ProbeState,
    /// The tasks that remove dropped probes.
    removals: TaskTracker,
}

/// Whether the file of a probe may exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProbeState {
    /// It was never written, or it was removed.
    Absent,
    /// The write has begun, and its end is unknown.
    Unknown,
    /// The write failed, so the file does not exist, or the response was lost.
    Failed,
    Written,
}

#[derive(Clone, Debug)]
struct ProbeFile {
    storage: Storage,
    path: Path,
    content: Vec<u8>,
}

impl Probe {
    /// Creates a probe, which is not written yet. `removals` tracks the task that removes a dropped probe.
    pub(crate) fn new(storage: &Storage, removals: &TaskTracker) -> Self {
        let id = Uuid::now_v7();
        let file = ProbeFile {
            storage: storage.clone(),
            path: Path::from(format!("{PROBE_PREFIX}{id}")),
            content: format!("A probe of koan-backup, which can be removed: {id}\n").into_bytes(),
        };
        Self { file, write: None, state: ProbeState::Absent, removals: removals.clone() }
    }

    /// Returns the path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.file.path
    }

    /// Writes the file.
    ///
    /// # Cancel safety
    /// If the future is dropped, the write continues until the probe is removed.
    ///
    /// # Errors
    /// The storage refuses the file.
    pub(crate) async fn write(&mut self) -> Result<()> {
        let file = self.file.clone();
        self.state = ProbeState::Unknown;
        let write = self
            .write
            .insert(tokio::spawn(async move { file.storage.create(&file.path, file.content.clone()).await }));
        let written = write.await.map_err(ended_unexpectedly).flatten();
        self.write = None;
        self.state = if written.is_ok() { ProbeState::Written } else { ProbeState::Failed };
        written
    }

    /// Reads the file back, and returns when it was written, by the clock of the store.
    ///
    /// # Errors
    /// The storage cannot be read, or it returns another content.
    pub(crate) async fn read(&self) -> Result<Timestamp> {
        let ProbeFile { storage, path, content } = &self.file;
        let failed = |source| storage.failed(path, "read from", source);
        let found = storage.store().get(path).await.map_err(failed)?;
        let modified = found.meta.last_modified;
        if found.bytes().await.map_err(failed)? != *content {
            return Err(Error::new(
                ErrorKind::Storage,
                format!(
                    "storage `{}` returned another content than was written to `{path}`",
                    storage.location()
                ),
            )
            .with_help("check the disk, or the cache or proxy in front of the store"));
        }
        let nanos = i32::try_from(modified.timestamp_subsec_nanos()).unwrap_or_default();
        Ok(Timestamp::new(modified.timestamp(), nanos).unwrap_or(Timestamp::MAX))
    }

    /// Removes the file, and checks that it no longer exists.
    ///
    /// # Cancel safety
    /// If the future is dropped, a task completes the removal.
    ///
    /// # Errors
    /// The file may still exist. If the write failed and the file cannot be found, it does not exist.
    pub(crate) async fn remove(mut self) -> Result<()> {
        let removal = remove(self.file.clone(), self.write.take(), self.state);
        self.state = ProbeState::Absent;
        self.removals.spawn(removal).await.map_err(ended_unexpectedly).flatten()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if self.state == ProbeState::Absent {
            return;
        }
        let removal = remove(self.file.clone(), self.write.take(), self.state);
        let (path, location) = (self.file.path.clone(), self.file.storage.location().to_owned());
        self.removals.spawn(async move {
            if let Err(error) = removal.await {
                tracing::warn!(
                    target: "koan::backup", storage = %location, path = %path, error = %error.chain(),
                    "a probe was not removed; it can be removed manually, and maintenance removes it"
                );
            }
        });
    }
}

async fn remove(file: ProbeFile, write: Option<JoinHandle<Result<()>>>, state: ProbeState) -> Result<()> {
    if let Some(mut write) = write {
        // A write that ends later would create the file again.
        if tokio::time::timeout(CLEANUP_TIMEOUT, &mut write).await.is_err() {
            write.abort();
        }
    }
    let ProbeFile { storage, path, .. } = &file;
    let removed = async {
        storage.remove(path).await?;
        storage.require_gone(path).await
    };
    let removed = within(CLEANUP_TIMEOUT, removed).await.unwrap_or_else(|| Err(storage.timeout_error()));
    match removed {
        Err(error) if state != ProbeState::Failed => Err(error),
        Err(_) if within(CLEANUP_TIMEOUT, storage.size(path)).await.is_some_and(exists) => Err(Error::new(
            ErrorKind::Storage,
            format!("`{path}` was not removed from storage `{}`", storage.location()),
        )),
        _ => Ok(()),
    }
}

fn exists(size: Result<Option<u64>>) -> bool {
    size.is_ok_and(|size| size.is_some())
}

async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}

fn ended_unexpectedly(source: tokio::task::JoinError) -> Error {
    Error::with_source(
        ErrorKind::Internal,
        "a task that writes or removes the probe ended unexpectedly",
        source,
    )
}
