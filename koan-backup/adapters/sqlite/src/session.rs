//! A restore in one transaction.

mod apply;
mod deferred;
mod indexes;
mod keys;
mod previous;
mod reference_copy;
mod statement;
mod target;
mod transaction;
mod trial;
mod writer;

use async_trait::async_trait;
use koan_backup_core::{
    Error, ErrorKind, Result,
    entity::Record,
    provider::{RestoreSession, RestoreTarget, SessionIntent, SessionOptions, WriteCounts},
};

use super::connection::Location;
use super::thread::ConnectionThread;
use writer::Writer;

/// One transaction on a thread of its own. Dropping it closes the connection, which rolls back.
#[derive(Debug)]
pub(super) struct SqliteSession {
    thread: ConnectionThread<Writer>,
    /// Set while a call is under way, so that one that failed or was dropped leaves it set.
    broken: bool,
}

impl SqliteSession {
    pub(super) async fn begin(location: Location, options: SessionOptions) -> Result<Self> {
        let thread = ConnectionThread::start(move || match options.intent {
            SessionIntent::Apply => Writer::begin(location.writing()?, &location, options),
            SessionIntent::Compare => Writer::begin_trial(&location, options),
        });
        Ok(Self { thread: thread.await?, broken: false })
    }

    async fn call<T: Send + 'static>(
        &mut self,
        job: impl FnOnce(&mut Writer) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.check()?;
        self.broken = true;
        let result = self.thread.run(move |writer, _| job(writer)).await?;
        self.broken = false;
        Ok(result)
    }

    fn check(&self) -> Result<()> {
        if self.broken {
            return Err(Error::new(
                ErrorKind::Provider,
                "an earlier step of this restore failed, so it can only be rolled back; the first error says why",
            ));
        }
        Ok(())
    }
}

#[async_trait]
impl RestoreSession for SqliteSession {
    async fn begin(&mut self, target: RestoreTarget) -> Result<()> {
        self.call(move |writer| writer.turn_to(target)).await
    }

    async fn write(&mut self, records: Vec<Record>) -> Result<()> {
        self.call(move |writer| writer.write(&records)).await
    }

    async fn end(&mut self) -> Result<WriteCounts> {
        self.call(Writer::end).await
    }

    async fn check_constraints(&mut self) -> Result<()> {
        self.call(|writer| writer.check_references()).await
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        self.call(Writer::commit).await
    }

    async fn rollback(self: Box<Self>) -> Result<()> {
        self.thread.run(|writer, _| writer.rollback()).await
    }
}
