//! Reads the event store in a snapshot.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt as _;
use futures::stream::{self, StreamExt as _};
use koan_backup_core::event_store::{
    Batches, EventReader, OpenedStreams, StreamDocument, StreamEvent, StreamPart, StreamSnapshot,
};
use koan_backup_core::provider::blocking;
use koan_backup_core::{Error, ErrorKind, Result};
use tokio_postgres::RowStream;
use tokio_postgres::types::Type;

use super::super::error::failed;
use super::super::event_store::queries::Parameter;
use super::super::event_store::rows::{EventDecoder, RowDecoder, SnapshotDecoder};
use super::super::event_store::tables::StoreTables;
use super::PostgresSnapshot;
use super::joined::JoinedConnection;

/// The minimum number of bytes of the rows in a batch, except the last batch.
const MIN_BATCH_BYTES: usize = 1 << 20;

/// A query whose rows are read.
struct Reading<D> {
    connection: JoinedConnection,
    rows: Pin<Box<RowStream>>,
    decoder: D,
    operation: Arc<str>,
}

impl PostgresSnapshot {
    fn tables(&self) -> Result<&StoreTables> {
        self.events.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Internal, "the events of a provider without an event store were read")
        })
    }

    /// Runs a query, and returns its rows in batches of bounded size.
    async fn batches<D: RowDecoder>(
        &self,
        operation: String,
        query: &str,
        parameters: &[Parameter<'_>],
        decoder: D,
    ) -> Result<Batches<'_, D::Value>> {
        let connection = self.join().await?;
        let parameters = parameters.iter().map(|(value, value_type)| (*value, value_type.clone()));
        let rows = connection.client.query_typed_raw(query, parameters).await;
        let rows = Box::pin(rows.map_err(|error| failed(&operation, &error))?);
        let reading = Reading { connection, rows, decoder, operation: operation.into() };
        let batches = stream::try_unfold(Some(reading), move |reading| async move {
            match reading {
                Some(reading) => self.next_batch(reading).await,
                None => Ok(None),
            }
        });
        Ok(batches.boxed())
    }

    async fn next_batch<D: RowDecoder>(
        &self,
        mut reading: Reading<D>,
    ) -> Result<Option<(Vec<D::Value>, Option<Reading<D>>)>> {
        let (mut rows, mut bytes, mut has_ended) = (Vec::new(), 0, false);
        while bytes < MIN_BATCH_BYTES && !has_ended {
            match reading.rows.try_next().await.map_err(|error| failed(&reading.operation, &error))? {
                Some(row) => {
                    bytes += row.raw_size_bytes() + size_of::<StreamEvent>();
                    rows.push(row);
                }
                None => has_ended = true,
            }
        }
        let mut decoder = reading.decoder;
        let (decoder, values) = blocking("decodes events", move || {
            let values = rows.iter().map(|row| decoder.decode(row)).collect::<Result<Vec<_>>>();
            (decoder, values)
        })
        .await?;
        let values = values?;
        if !has_ended {
            return Ok(Some((values, Some(Reading { decoder, ..reading }))));
        }
        decoder.finish()?;
        self.give_back(reading.connection).await?;
        Ok((!values.is_empty()).then_some((values, None)))
    }
}

#[async_trait]
impl EventReader for PostgresSnapshot {
    async fn object_names(&self) -> Result<Vec<String>> {
        let connection = self.join().await?;
        let names = self.tables()?.object_names(&connection).await?;
        self.give_back(connection).await?;
        Ok(names)
    }

    async fn object_ids(&self, object: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        let connection = self.join().await?;
        let ids = self.tables()?.object_ids(&connection, object, after, limit).await?;
        self.give_back(connection).await?;
        Ok(ids)
    }

    async fn open(&self, object: &str, object_id: &str) -> Result<Option<OpenedStreams>> {
        let connection = self.join().await?;
        let opened = self.tables()?.open(&connection, object, object_id).await?;
        self.give_back(connection).await?;
        Ok(opened)
    }

    async fn events(&self, opened: &OpenedStreams, stream_id: &str) -> Result<Batches<'_, StreamEvent>> {
        let (table, object, id) = (&self.tables()?.events, &opened.object, &opened.object_id);
        let stream = opened.streams.iter().find(|stream| stream.stream_id == stream_id);
        let Some(version) = stream.and_then(|stream| stream.version).filter(|_| stream_id == id) else {
            return Ok(stream::empty().boxed());
        };
        let last = table.keys.number_of(object, id, version)?;
        let parameters: [Parameter<'_>; 3] = [(object, Type::TEXT), (id, Type::TEXT), (&last, Type::INT8)];
        let operation = format!("reading a stream from event table `{}`", table.keys.table.display_name);
        let decoder = EventDecoder::of_stream(table, object, id, version);
        self.batches(operation, &table.select_stream(), &parameters, decoder).await
    }

    async fn snapshots(&self, opened: &OpenedStreams) -> Result<Batches<'_, StreamSnapshot>> {
        let (object, id) = (&opened.object, &opened.object_id);
        let table = self.tables()?.snapshots.as_ref();
        let Some(table) = table.filter(|table| table.keys.admits_object(object) && table.keys.id.admits(id))
        else {
            return Ok(stream::empty().boxed());
        };
        let parameters: [Parameter<'_>; 2] = [(object, Type::TEXT), (id, Type::TEXT)];
        let operation =
            format!("reading the snapshots of a stream from table `{}`", table.keys.table.display_name);
        let decoder = SnapshotDecoder::of_aggregate(table, opened);
        self.batches(operation, &table.select_stream(), &parameters, decoder).await
    }

    async fn all_events(&self, object: &str) -> Result<Batches<'_, StreamEvent>> {
        let table = &self.tables()?.events;
        if !table.keys.admits_object(object) {
            return Ok(stream::empty().boxed());
        }
        let operation = format!("reading event table `{}`", table.keys.table.display_name);
        let decoder = EventDecoder::new(table, object);
        self.batches(operation, &table.select_all(), &[(&object, Type::TEXT)], decoder).await
    }

    async fn all_documents(&self, _: &str) -> Result<Batches<'_, StreamDocument>> {
        Ok(stream::empty().boxed())
    }

    async fn all_snapshots(&self, object: &str) -> Result<Batches<'_, StreamSnapshot>> {
        let table = self.tables()?.snapshots.as_ref();
        let Some(table) = table.filter(|table| table.keys.admits_object(object)) else {
            return Ok(stream::empty().boxed());
        };
        let operation = format!("reading the snapshots in table `{}`", table.keys.table.display_name);
        let decoder = SnapshotDecoder::new(table, object);
        self.batches(operation, &table.select_all(), &[(&object, Type::TEXT)], decoder).await
    }

    async fn count(&self, object: &str, part: StreamPart) -> Result<u64> {
        let connection = self.join().await?;
        let count = self.tables()?.count(&connection, object, part).await?;
        self.give_back(connection).await?;
        Ok(count)
    }
}
