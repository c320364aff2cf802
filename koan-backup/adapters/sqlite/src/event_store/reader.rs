//! Reads the event store in the snapshot of a backup.

use std::future::ready;
use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt as _;
use futures::stream::{self, StreamExt as _};
use koan_backup_core::{
    Result,
    entity::stream::{StreamDocument, StreamEvent, StreamPart, StreamSnapshot},
    event_store::{Batches, EventReader, OpenedStream, OpenedStreams, StreamState},
};

use super::super::snapshot::Reader;
use super::super::thread::ConnectionThread;
use super::StoreTables;
use super::batch::BatchRead;
use super::listing;
use super::record::StoreRecord;
use koan_backup_sql::event_tables::EventTables;

/// The reader of the event store, which reads on the connection of a snapshot.
#[derive(Clone, Debug)]
pub(crate) struct SqliteEventReader {
    thread: Arc<ConnectionThread<Reader>>,
    names: Arc<EventTables>,
}

impl SqliteEventReader {
    pub(crate) fn new(thread: Arc<ConnectionThread<Reader>>, names: Arc<EventTables>) -> Self {
        Self { thread, names }
    }

    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Reader, &StoreTables) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let names = Arc::clone(&self.names);
        self.thread.run(move |reader, _| job(reader, reader.store_tables(&names)?)).await
    }

    /// Reads batches until one is empty. `at_end` checks the records that were read.
    fn batches<T: StoreRecord>(
        &self,
        read: BatchRead<T>,
        at_end: impl FnOnce(&BatchRead<T>) -> Result<()> + Send + 'static,
    ) -> Batches<'_, T> {
        stream::try_unfold((read, at_end), move |(mut read, at_end)| async move {
            let (batch, read) =
                self.run(move |reader, tables| read.next(reader, tables).map(|batch| (batch, read))).await?;
            if batch.is_empty() {
                at_end(&read)?;
                return Ok(None);
            }
            Ok(Some((batch, (read, at_end))))
        })
        .boxed()
    }
}

#[async_trait]
impl EventReader for SqliteEventReader {
    async fn object_names(&self) -> Result<Vec<String>> {
        self.run(|reader, tables| listing::object_names(&reader.connection, &reader.path, tables)).await
    }

    async fn object_ids(&self, object: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        let (object, after) = (object.to_owned(), after.map(str::to_owned));
        self.run(move |reader, tables| {
            listing::object_ids(&reader.connection, &reader.path, tables, &object, after.as_deref(), limit)
        })
        .await
    }

    async fn open(&self, object: &str, object_id: &str) -> Result<Option<OpenedStreams>> {
        let (object, object_id) = (object.to_owned(), object_id.to_owned());
        self.run(move |reader, tables| {
            let Reader { connection, path, .. } = reader;
            let version = listing::head(connection, path, tables, &object, &object_id)?;
            let snapshot_count = listing::snapshot_count(connection, path, tables, &object, &object_id)?;
            if version.is_none() && snapshot_count == 0 {
                return Ok(None);
            }
            let stream = OpenedStream { stream_id: object_id.clone(), state: StreamState::Active, version };
            Ok(Some(OpenedStreams {
                object,
                object_id,
                streams: vec![stream],
                document: None,
                snapshot_count,
            }))
        })
        .await
    }

    async fn events(&self, opened: &OpenedStreams, stream_id: &str) -> Result<Batches<'_, StreamEvent>> {
        let Some(stream) = opened.streams.iter().find(|stream| stream.stream_id == stream_id) else {
            return Ok(stream::empty().boxed());
        };
        let (object_id, version) = (opened.object_id.clone(), stream.version);
        let read = BatchRead::new(&opened.object, Some(&object_id));
        Ok(self.batches(read, move |read| read.order().require_end(&object_id, version)))
    }

    async fn snapshots(&self, opened: &OpenedStreams) -> Result<Batches<'_, StreamSnapshot>> {
        let snapshots: Batches<'_, StreamSnapshot> =
            self.batches(BatchRead::new(&opened.object, Some(&opened.object_id)), |_| Ok(()));
        let opened = opened.clone();
        let check = move |batch: &Vec<StreamSnapshot>| {
            let mut batch = batch.iter();
            batch.try_for_each(|snapshot| {
                opened.require_event_of_snapshot(&snapshot.stream_id, snapshot.version)
            })
        };
        Ok(snapshots.and_then(move |batch| ready(check(&batch).map(|()| batch))).boxed())
    }

    async fn all_events(&self, object: &str) -> Result<Batches<'_, StreamEvent>> {
        Ok(self.batches(BatchRead::new(object, None), |_| Ok(())))
    }

    async fn all_documents(&self, _: &str) -> Result<Batches<'_, StreamDocument>> {
        Ok(stream::empty().boxed())
    }

    async fn all_snapshots(&self, object: &str) -> Result<Batches<'_, StreamSnapshot>> {
        Ok(self.batches(BatchRead::new(object, None), |_| Ok(())))
    }

    async fn count(&self, object: &str, part: StreamPart) -> Result<u64> {
        let object = object.to_owned();
        self.run(move |reader, tables| {
            let Reader { connection, path, .. } = reader;
            match (part, &tables.snapshots) {
                _ if !tables.may_contain(&object) => Ok(0),
                (StreamPart::Events, _) => listing::count(connection, path, &tables.events, &object),
                (StreamPart::Snapshots, Some(table)) => listing::count(connection, path, table, &object),
                (StreamPart::Documents | StreamPart::Snapshots, _) => Ok(0),
            }
        })
        .await
    }
}
