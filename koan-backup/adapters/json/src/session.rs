//! A restore into a directory of JSON files. It writes to a hidden directory until the commit.

mod staged_restore;
mod target;
mod unchanged;

use async_trait::async_trait;
use koan_backup_core::{
    Result,
    provider::{
        CommitReport, RecordBatch, RestoreSession, RestoreTarget, SessionOptions, TargetTracker,
        TargetWriter, WriteCounts, on_own_thread,
    },
};

use super::directory::Directory;
use super::failure::blocking;
use super::lock::LockTimeout;
use staged_restore::StagedRestore;
use target::Target;

/// A restore. Dropping it removes its staged files.
#[derive(Debug)]
pub(super) struct JsonSession {
    /// The restore. Each call moves it to another thread and back. It is `None` after a call that failed or
    /// whose future was dropped.
    restore: Option<Box<StagedRestore>>,
    targets: TargetTracker,
}

impl JsonSession {
    pub(super) async fn begin(
        directory: Directory,
        options: SessionOptions,
        lock_timeout: std::time::Duration,
    ) -> Result<Self> {
        let (timeout, _cancel_on_drop) = LockTimeout::new(lock_timeout);
        let restore = on_own_thread(move || StagedRestore::begin(directory, options, &timeout)).await?;
        Ok(Self { restore: Some(Box::new(restore)), targets: TargetTracker::default() })
    }

    /// Runs a job with the restore on a blocking thread.
    async fn call<T: Send + 'static>(
        &mut self,
        job: impl FnOnce(&mut StagedRestore) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut restore = self.take()?;
        let (restore, result) = blocking(move || {
            let result = job(&mut restore)?;
            Ok((restore, result))
        })
        .await?;
        self.restore = Some(restore);
        Ok(result)
    }

    fn take(&mut self) -> Result<Box<StagedRestore>> {
        self.restore.take().ok_or_else(TargetTracker::unfinished)
    }
}

impl Drop for JsonSession {
    fn drop(&mut self) {
        // Dropping the restore removes its staged files, which takes time, so a blocking thread does it.
        if let (Some(restore), Ok(runtime)) = (self.restore.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn_blocking(move || drop(restore));
        }
    }
}

#[async_trait]
impl RestoreSession for JsonSession {
    async fn begin<'s>(&'s mut self, target: RestoreTarget) -> Result<Box<dyn TargetWriter + 's>> {
        self.targets.begin()?;
        let target = self.call(move |restore| restore.open(target)).await?;
        Ok(Box::new(JsonWriter { session: self, target: Some(Box::new(target)) }))
    }

    async fn commit(mut self: Box<Self>) -> Result<CommitReport> {
        self.targets.require_finished()?;
        let restore = self.take()?;
        on_own_thread(move || restore.commit()).await.map(|()| CommitReport::default())
    }

    async fn rollback(mut self: Box<Self>) -> Result<()> {
        match self.restore.take() {
            Some(restore) => blocking(move || restore.rollback()).await,
            None => Ok(()),
        }
    }
}

/// The writer of one target.
#[derive(Debug)]
struct JsonWriter<'s> {
    session: &'s mut JsonSession,
    /// The target. Each call moves it to another thread and back. It is `None` after a call that failed.
    target: Option<Box<Target>>,
}

#[async_trait]
impl TargetWriter for JsonWriter<'_> {
    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let records = batch.into_records()?;
        let mut target = self.target.take().ok_or_else(TargetTracker::unfinished)?;
        let write = move |restore: &mut StagedRestore| restore.write(&mut target, &records).map(|()| target);
        self.target = Some(self.session.call(write).await?);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<WriteCounts> {
        let Self { session, target } = *self;
        let target = target.ok_or_else(TargetTracker::unfinished)?;
        let counts = session.call(move |restore| restore.finish(*target)).await?;
        session.targets.finish();
        Ok(counts)
    }
}
