//! The session of a restore, which is one transaction.

mod apply;
mod deferred;
mod events;
mod indexes;
mod keys;
mod previous;
mod reference_copy;
mod statement;
mod suspended;
mod target;
mod transaction;
mod trial;
mod work;

use std::sync::Arc;

use async_trait::async_trait;
use koan_backup_core::{
    Result,
    event_store::EventWriter,
    provider::{
        CommitReport, RecordBatch, RestoreSession, RestoreTarget, SessionIntent, SessionOptions,
        TargetTracker, TargetWriter, WriteCounts,
    },
};

use super::connection::Location;
use super::thread::ConnectionThread;
use apply::TargetState;
use koan_backup_sql::event_tables::EventTables;
pub(super) use suspended::droppable_indexes;
use work::RestoreWork;

/// The session of a restore: one transaction on a dedicated thread. Dropping the session closes the
/// connection, which rolls the transaction back.
#[derive(Debug)]
pub(super) struct SqliteSession {
    thread: ConnectionThread<RestoreWork>,
    targets: TargetTracker,
    /// The tables of the event store, if the database contains one.
    event_tables: Option<Arc<EventTables>>,
}

impl SqliteSession {
    pub(super) async fn begin(
        location: Location,
        options: SessionOptions,
        event_tables: Option<Arc<EventTables>>,
    ) -> Result<Self> {
        let thread = ConnectionThread::start(move || match options.intent {
            SessionIntent::Apply => RestoreWork::begin(location.open_for_writing()?, &location, options),
            SessionIntent::Compare => RestoreWork::begin_dry_run(&location, options),
        });
        Ok(Self { thread: thread.await?, targets: TargetTracker::default(), event_tables })
    }

    async fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut RestoreWork) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.thread.run(move |work, _| job(work)).await
    }
}

#[async_trait]
impl RestoreSession for SqliteSession {
    async fn begin<'s>(&'s mut self, target: RestoreTarget) -> Result<Box<dyn TargetWriter + 's>> {
        let number = self.targets.begin()?;
        let target_state = self.call(move |work| work.begin_target(target, number)).await?;
        Ok(Box::new(SqliteWriter { session: self, target_state: Some(Box::new(target_state)) }))
    }

    fn events(&mut self) -> Option<&mut dyn EventWriter> {
        self.event_tables.is_some().then_some(self as &mut dyn EventWriter)
    }

    async fn check_constraints(&mut self) -> Result<()> {
        self.call(|work| work.check_references()).await
    }

    async fn commit(self: Box<Self>) -> Result<CommitReport> {
        self.targets.require_finished()?;
        self.call(RestoreWork::commit).await
    }

    async fn rollback(self: Box<Self>) -> Result<()> {
        self.call(|work| work.rollback()).await
    }
}

/// The writer for the records of one target.
#[derive(Debug)]
struct SqliteWriter<'s> {
    session: &'s mut SqliteSession,
    /// The state of the target, which moves to the thread for each call. It is `None` after a call failed or
    /// its future was dropped.
    target_state: Option<Box<TargetState>>,
}

#[async_trait]
impl TargetWriter for SqliteWriter<'_> {
    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let records = batch.into_records()?;
        let mut target_state = self.target_state.take().ok_or_else(TargetTracker::unfinished)?;
        let write =
            move |work: &mut RestoreWork| work.write(&mut target_state, &records).map(|()| target_state);
        self.target_state = Some(self.session.call(write).await?);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<WriteCounts> {
        let Self { session, target_state } = *self;
        let target_state = target_state.ok_or_else(TargetTracker::unfinished)?;
        let counts = session.call(move |work| work.finish(*target_state)).await?;
        session.targets.finish();
        Ok(counts)
    }
}
