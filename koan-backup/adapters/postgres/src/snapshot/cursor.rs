//! Reads the rows of one table, in the order of their keys.

use futures::TryStreamExt as _;
use koan_backup_core::{
    Error, ErrorKind, Result,
    entity::{EntityCodec, Projection, Row},
    provider::{Flow, ReadRequest, ReadSummary, RecordSink, on_own_thread},
    value::Value,
};
use tokio::sync::mpsc;
use tokio_postgres::CopyOutStream;
use tokio_util::task::AbortOnDropHandle;

use super::super::connection::Connection;
use super::super::error::failed;
use super::super::mapping::{MappedColumn, Mapping};
use super::super::null_form::RecordedNulls;
use super::super::physical;
use super::super::sequence;
use super::super::types::StoredType;
use super::condition::condition;
use super::copy::CopyReader;
use super::duplicates;
use super::json_null::JsonNullRecorder;
use koan_backup_sql::content::Content;
use koan_backup_sql::identifier::quoted;

/// The minimum size of a piece of COPY data that is sent to the decoder, except the last piece. Rows are not
/// split, so most pieces are a little larger.
const MIN_PIECE_BYTES: usize = 256 << 10;
/// The initial capacity of the buffers. A buffer that a large row has extended is not reused.
const PIECE_CAPACITY_BYTES: usize = MIN_PIECE_BYTES + MIN_PIECE_BYTES / 16;
/// The maximum number of pieces that are queued for decoding.
const MAX_QUEUED_PIECES: usize = 4;

/// A message from the connection to the thread that decodes.
enum CopyMessage {
    Rows(Vec<u8>),
    /// The server has confirmed the end of the rows.
    End,
}

/// Reads the requested records into the sink. Rows are decoded on a thread that may block.
pub(super) async fn read(
    connection: &Connection,
    request: &ReadRequest,
    mapping: Mapping,
    sink: RecordSink,
) -> Result<ReadSummary> {
    let operation = format!("reading table `{}`", mapping.table.display_name);
    let query = select(&mapping, request)?;
    let is_backup = request.key.is_none();
    // Sequences are not part of a snapshot. A position that is read now includes the numbers of all rows in
    // the snapshot.
    let (sequences, mut warnings) = match is_backup {
        true => sequence::states(connection, &mapping.table).await?,
        false => (Vec::new(), Vec::new()),
    };
    let rows = connection.client.copy_out(&query).await.map_err(|error| failed(&operation, &error))?;
    let (messages, received) = mpsc::channel(MAX_QUEUED_PIECES);
    // This channel returns the buffers of decoded pieces for reuse.
    let (used_buffers, free_buffers) = mpsc::channel(MAX_QUEUED_PIECES + 2);
    let entity = request.entity.clone();
    let checked_mapping = mapping.clone();
    // A separate thread is used because decoding waits for the connection and for the archive, which need the
    // threads of the runtime.
    let decoding = on_own_thread(move || {
        let (mut summary, nulls) = decode(&entity, &mapping, received, &used_buffers, sink)?;
        if is_backup {
            summary.warnings.append(&mut warnings);
            physical::report(&entity, &mapping, nulls, sequences, &mut summary);
        }
        Ok(summary)
    });
    // The connection's task wakes the receiver after every few rows. Waking a spawned task is cheaper than
    // waking the caller's future, because the task is woken on the same thread.
    let forwarding = AbortOnDropHandle::new(tokio::spawn(forward(rows, messages.clone(), free_buffers)));
    let forwarded = async {
        forwarding
            .await
            .map_err(|error| ended_early(&operation, error))?
            .map_err(|error| failed(&operation, &error))?;
        if messages.is_closed() {
            // The decoding thread has ended and returns the reason.
            return Ok(());
        }
        // The driver reports the end of the rows before the end of the COPY statement. If that statement
        // failed, this statement fails as well.
        connection.run(&operation, "SELECT").await?;
        let _ = messages.send(CopyMessage::End).await;
        Ok(())
    };
    let forwarded: Result<()> = forwarded.await;
    drop(messages);
    let decoded = decoding.await;
    forwarded?;
    let summary = decoded?;
    if is_backup {
        duplicates::check(connection, &request.entity, &checked_mapping).await?;
    }
    Ok(summary)
}

fn ended_early(operation: &str, error: tokio::task::JoinError) -> Error {
    let reason = if error.is_panic() { "with a panic" } else { "because the async runtime was shut down" };
    Error::with_source(ErrorKind::Provider, format!("{operation} ended {reason}"), error)
}

/// Forwards the COPY data of the server in pieces of at least [`MIN_PIECE_BYTES`], except the last piece.
async fn forward(
    rows: CopyOutStream,
    messages: mpsc::Sender<CopyMessage>,
    mut free_buffers: mpsc::Receiver<Vec<u8>>,
) -> std::result::Result<(), tokio_postgres::Error> {
    let mut rows = std::pin::pin!(rows);
    // Many reads have only a few rows, so the buffer is not allocated in advance.
    let mut piece = Vec::new();
    while let Some(row) = rows.try_next().await? {
        piece.extend_from_slice(&row);
        drop(row);
        if piece.len() >= MIN_PIECE_BYTES {
            let next = free_buffers.try_recv().unwrap_or_else(|_| Vec::with_capacity(PIECE_CAPACITY_BYTES));
            if messages.send(CopyMessage::Rows(std::mem::replace(&mut piece, next))).await.is_err() {
                return Ok(());
            }
        }
    }
    let _ = messages.send(CopyMessage::Rows(piece)).await;
    Ok(())
}

fn decode(
    entity: &EntityCodec,
    mapping: &Mapping,
    mut messages: mpsc::Receiver<CopyMessage>,
    used_buffers: &mpsc::Sender<Vec<u8>>,
    mut sink: RecordSink,
) -> Result<(ReadSummary, RecordedNulls)> {
    let projection = projection(entity, mapping);
    let mut nulls = JsonNullRecorder::new(mapping);
    let mut reader = CopyReader::default();
    let mut spare: Vec<Value<'static>> = Vec::with_capacity(mapping.columns.len());
    loop {
        let rows = match messages.blocking_recv() {
            Some(CopyMessage::Rows(rows)) => rows,
            Some(CopyMessage::End) if reader.is_complete() => {
                let recorded_nulls = nulls.finish(entity, mapping)?;
                return sink.finish_blocking().map(|summary| (summary, recorded_nulls));
            }
            Some(CopyMessage::End) => {
                return Err(Error::new(
                    ErrorKind::Provider,
                    format!(
                        "reading table `{}` ended before the server had sent all rows; try again",
                        mapping.table.display_name
                    ),
                ));
            }
            None => return Err(Error::cancelled()),
        };
        nulls.check(entity, mapping)?;
        let buffer = reader.push_piece(rows);
        if (PIECE_CAPACITY_BYTES..=PIECE_CAPACITY_BYTES * 2).contains(&buffer.capacity()) {
            let _ = used_buffers.try_send(buffer);
        }
        while reader.advance()? {
            let mut values = recycled(spare);
            for (index, mapped) in mapping.columns.iter().enumerate() {
                let bytes = reader.field(index);
                nulls.record(mapping, index, bytes);
                let value = match bytes {
                    None => Ok(Value::Null),
                    // The recorder has already recorded that the value is JSON `null`.
                    Some(bytes) if mapped.column_type.is_json_null(bytes) => Ok(Value::Null),
                    Some(bytes) => mapped.column_type.read(bytes),
                };
                match value {
                    Ok(value) => values.push(value),
                    Err(conversion_error) => {
                        let key = key_text(entity, mapping, &reader);
                        return Err(mapped.content.unreadable(
                            entity,
                            &mapped.column.name,
                            &key,
                            &conversion_error,
                        ));
                    }
                }
            }
            let flow = sink.push(&Row { projection: &projection, values: &values })?;
            spare = recycled(values);
            if flow == Flow::Flush {
                sink.flush_blocking()?;
            }
        }
    }
}

fn select(mapping: &Mapping, request: &ReadRequest) -> Result<String> {
    let columns: Vec<String> = mapping
        .columns
        .iter()
        .map(|mapped| mapped.column_type.select_expression(&mapped.column.name))
        .collect();
    let condition = match &request.key {
        Some(key) => format!(" WHERE {}", condition(&request.entity, mapping, key)),
        None => String::new(),
    };
    let order: Vec<String> =
        mapping.key.iter().map(|&index| order_expression(&mapping.columns[index])).collect();
    let order = if order.is_empty() { String::new() } else { format!(" ORDER BY {}", order.join(", ")) };
    let (columns, table) = (columns.join(", "), mapping.table.rows());
    Ok(format!("COPY (SELECT {columns} FROM {table}{condition}{order}) TO STDOUT (FORMAT binary)"))
}

/// Returns the SQL expression by which a key column is ordered. Texts and enums are ordered by their bytes,
/// so the order depends neither on the collations of the server nor on the order of an enum's labels.
fn order_expression(mapped: &MappedColumn) -> String {
    let name = quoted(&mapped.column.name);
    match mapped.column.stored {
        StoredType::Enum => format!("{name}::pg_catalog.text COLLATE \"C\""),
        _ if mapped.column.is_collated => format!("{name}::pg_catalog.text COLLATE \"C\""),
        _ => name,
    }
}

fn projection(entity: &EntityCodec, mapping: &Mapping) -> Projection {
    let mut projection = Projection::new(entity.schema());
    for mapped in &mapping.columns {
        match mapped.content {
            Content::Field(index) => projection.field(&entity.schema().fields[index]),
            Content::Extra => projection.extra(&mapped.column.name),
        }
        if let (true, Some(composite)) = (mapped.column_type.is_json(), &mapped.column.composite) {
            let untyped = composite.members.iter().filter(|member| member.is_any_json);
            projection.typed_parts(untyped.map(|member| member.name.clone()).collect());
        }
    }
    projection
}

/// Returns an empty vector for values with another lifetime, which reuses the allocation of `values`:
/// collecting the iterator of an empty vector does not allocate.
fn recycled<'b>(mut values: Vec<Value<'_>>) -> Vec<Value<'b>> {
    values.clear();
    values.into_iter().map(|_| Value::Null).collect()
}

/// Returns the key of the reader's current row as text: `id=7`.
fn key_text(entity: &EntityCodec, mapping: &Mapping, reader: &CopyReader) -> String {
    let part = |&index: &usize| {
        let mapped = &mapping.columns[index];
        let value = reader.field(index).and_then(|bytes| mapped.column_type.read(bytes).ok());
        (mapped.column.name.as_str(), value.unwrap_or(Value::Null))
    };
    let parts: Vec<_> = mapping.key.iter().map(part).collect();
    entity.key_text(parts.iter().map(|(name, value)| (*name, value)))
}
