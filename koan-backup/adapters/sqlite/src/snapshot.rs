//! The snapshot of a backup: one read transaction for all entities.

mod access;
mod cursor;
mod duplicates;
mod physical;
mod reader;

use std::sync::Arc;

use async_trait::async_trait;
use koan_backup_core::{
    Result, SetName,
    entity::EntityCodec,
    event_store::EventReader,
    provider::{Consistency, ReadRequest, ReadSummary, RecordSink, Snapshot},
};

pub(super) use access::hash;
pub(super) use physical::PhysicalForm;
pub(super) use reader::Reader;

use super::connection::Location;
use super::event_store::SqliteEventReader;
use super::thread::ConnectionThread;
use koan_backup_sql::event_tables::EventTables;

/// A consistent view of the database: a read transaction on a dedicated thread.
#[derive(Debug)]
pub(super) struct SqliteSnapshot {
    thread: Arc<ConnectionThread<Reader>>,
    /// The reader of the event store, if the database contains one.
    events: Option<SqliteEventReader>,
}

impl SqliteSnapshot {
    pub(super) async fn open(location: Location, event_tables: Option<Arc<EventTables>>) -> Result<Self> {
        let thread =
            ConnectionThread::start(move || Reader::begin(location.open_for_reading()?, &location)).await?;
        let thread = Arc::new(thread);
        let reader = |names| SqliteEventReader::new(Arc::clone(&thread), names);
        let events = event_tables.map(reader);
        Ok(Self { thread, events })
    }
}

#[async_trait]
impl Snapshot for SqliteSnapshot {
    fn consistency(&self) -> Consistency {
        Consistency::Snapshot
    }

    async fn sets(&self, entity: &EntityCodec) -> Result<Vec<SetName>> {
        let entity = entity.clone();
        self.thread.run(move |reader, _| reader.sets(&entity)).await
    }

    async fn read(&self, request: ReadRequest, sink: RecordSink) -> Result<ReadSummary> {
        self.thread.run(move |reader, status| cursor::read(reader, &request, sink, status)).await
    }

    fn events(&self) -> Option<&dyn EventReader> {
        self.events.as_ref().map(|reader| reader as &dyn EventReader)
    }

    async fn count(&self, entity: &EntityCodec, set: &SetName) -> Result<u64> {
        let (entity, set) = (entity.clone(), set.clone());
        self.thread.run(move |reader, _| reader.count(&entity, &set)).await
    }
}
