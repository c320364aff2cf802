//! One restore: what it writes lies beside the data until the commit.

mod kept;
mod target;
mod work;

use async_trait::async_trait;
use koan_backup_core::{
    Error, ErrorKind, Result,
    entity::Record,
    provider::{RestoreSession, RestoreTarget, SessionOptions, WriteCounts, on_own_thread},
};

use super::directory::Directory;
use super::failure::blocking;
use super::lock::LockTimeout;
use work::Work;

/// One restore. Dropping it removes what it had written.
#[derive(Debug)]
pub(super) struct JsonSession {
    /// Gone while a call is under way, and after one that failed or was dropped.
    work: Option<Box<Work>>,
}

impl JsonSession {
    pub(super) async fn begin(
        directory: Directory,
        options: SessionOptions,
        longest: std::time::Duration,
    ) -> Result<Self> {
        let (patience, _waiting) = LockTimeout::new(longest);
        let work = on_own_thread(move || Work::begin(directory, options, &patience)).await?;
        Ok(Self { work: Some(Box::new(work)) })
    }

    async fn call<T: Send + 'static>(
        &mut self,
        job: impl FnOnce(&mut Work) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut work = self.take()?;
        let (work, result) = blocking(move || {
            let result = job(&mut work)?;
            Ok((work, result))
        })
        .await?;
        self.work = Some(work);
        Ok(result)
    }

    fn take(&mut self) -> Result<Box<Work>> {
        self.work.take().ok_or_else(|| {
            Error::new(
                ErrorKind::Provider,
                "an earlier step of this restore failed, so it can only be rolled back; the first error says why",
            )
        })
    }
}

impl Drop for JsonSession {
    fn drop(&mut self) {
        // Removing a hundred thousand files takes its time.
        if let (Some(work), Ok(runtime)) = (self.work.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn_blocking(move || drop(work));
        }
    }
}

#[async_trait]
impl RestoreSession for JsonSession {
    async fn begin(&mut self, target: RestoreTarget) -> Result<()> {
        self.call(move |work| work.turn_to(target)).await
    }

    async fn write(&mut self, records: Vec<Record>) -> Result<()> {
        self.call(move |work| work.write(&records)).await
    }

    async fn end(&mut self) -> Result<WriteCounts> {
        self.call(Work::end).await
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        let work = self.take()?;
        on_own_thread(move || work.commit()).await
    }

    async fn rollback(mut self: Box<Self>) -> Result<()> {
        match self.work.take() {
            Some(work) => blocking(move || work.rollback()).await,
            None => Ok(()),
        }
    }
}
