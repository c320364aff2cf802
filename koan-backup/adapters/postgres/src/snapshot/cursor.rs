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
use super::super::mapping::{Content, Mapping, Place};
use super::super::physical;
use super::super::sequence;
use super::super::types::StoredType;
use super::condition::condition;
use super::copy::CopyReader;
use super::duplicates;
use super::json_null::{JsonNulls, SeenNulls};
use koan_backup_sql::conversion_error::ConversionError;
use koan_backup_sql::identifier::quoted;

/// Bytes that are handed over at once. A row is not parted, so that most pieces hold a little more.
const PIECE_BYTES: usize = 256 << 10;
/// The capacity of their buffers. One that a huge row has made larger is not used again.
const PIECE_CAPACITY: usize = PIECE_BYTES + PIECE_BYTES / 16;
/// How many such pieces wait at most.
const PIECES_AHEAD: usize = 4;

/// What goes from the connection to the thread that decodes.
enum Piece {
    Rows(Vec<u8>),
    /// The server has confirmed that this was all.
    End,
}

/// Reads what is asked for into the sink. Rows are decoded on a thread that may block.
pub(super) async fn read(
    connection: &Connection,
    request: &ReadRequest,
    mapping: Mapping,
    sink: RecordSink,
) -> Result<ReadSummary> {
    let what = format!("reading table `{}`", mapping.table.shown);
    let query = select(&mapping, request)?;
    let is_backup = request.key.is_none();
    // Before the rows, so that the numbers of all of them were issued, and perhaps more.
    let (sequences, mut warnings) = match is_backup {
        true => sequence::states(connection, &mapping.table).await?,
        false => (Vec::new(), Vec::new()),
    };
    let rows = connection.client.copy_out(&query).await.map_err(|error| failed(&what, &error))?;
    let (pieces, received) = mpsc::channel(PIECES_AHEAD);
    // Those that were decoded, to be filled again.
    let (spent, empty) = mpsc::channel(PIECES_AHEAD + 2);
    let entity = request.entity.clone();
    let compared = mapping.clone();
    // Not a thread of the runtime: it waits for the connection and for the archive, which need those.
    let decoding = on_own_thread(move || {
        let (mut summary, nulls) = decode(&entity, &mapping, received, &spent, sink)?;
        if is_backup {
            summary.warnings.append(&mut warnings);
            physical::describe(&entity, &mapping, nulls, sequences, &mut summary);
        }
        Ok(summary)
    });
    // The task of the connection wakes whoever takes the rows for every few of them. Another task is woken on the same thread; the future
    // that waits for this read may be polled on any.
    let pumping = AbortOnDropHandle::new(tokio::spawn(pump(rows, pieces.clone(), empty)));
    let pumped = async {
        pumping.await.map_err(|error| ended_early(&what, error))?.map_err(|error| failed(&what, &error))?;
        if pieces.is_closed() {
            // The thread has ended, and says why.
            return Ok(());
        }
        // What the driver calls the end of the rows is not yet the end of the command: this fails when that did.
        connection.run(&what, "SELECT").await?;
        let _ = pieces.send(Piece::End).await;
        Ok(())
    };
    let pumped: Result<()> = pumped.await;
    drop(pieces);
    let decoded = decoding.await;
    pumped?;
    let summary = decoded?;
    if is_backup {
        duplicates::check(connection, &request.entity, &compared).await?;
    }
    Ok(summary)
}

fn ended_early(what: &str, error: tokio::task::JoinError) -> Error {
    let how = if error.is_panic() { "in a panic" } else { "with its runtime" };
    Error::with_source(ErrorKind::Provider, format!("{what} ended {how}"), error)
}

/// Hands on what the server sends, in pieces.
async fn pump(
    rows: CopyOutStream,
    pieces: mpsc::Sender<Piece>,
    mut empty: mpsc::Receiver<Vec<u8>>,
) -> std::result::Result<(), tokio_postgres::Error> {
    let mut rows = std::pin::pin!(rows);
    // The rows of many reads are few.
    let mut piece = Vec::new();
    while let Some(row) = rows.try_next().await? {
        piece.extend_from_slice(&row);
        drop(row);
        if piece.len() >= PIECE_BYTES {
            let next = empty.try_recv().unwrap_or_else(|_| Vec::with_capacity(PIECE_CAPACITY));
            if pieces.send(Piece::Rows(std::mem::replace(&mut piece, next))).await.is_err() {
                return Ok(());
            }
        }
    }
    let _ = pieces.send(Piece::Rows(piece)).await;
    Ok(())
}

fn decode(
    entity: &EntityCodec,
    mapping: &Mapping,
    mut pieces: mpsc::Receiver<Piece>,
    spent: &mpsc::Sender<Vec<u8>>,
    mut sink: RecordSink,
) -> Result<(ReadSummary, SeenNulls)> {
    let projection = projection(entity, mapping);
    let mut nulls = JsonNulls::new(mapping);
    let mut reader = CopyReader::default();
    let mut spare: Vec<Value<'static>> = Vec::with_capacity(mapping.places.len());
    loop {
        let rows = match pieces.blocking_recv() {
            Some(Piece::Rows(rows)) => rows,
            Some(Piece::End) if reader.is_complete() => {
                let seen = nulls.finish(entity, mapping)?;
                return sink.finish_blocking().map(|summary| (summary, seen));
            }
            Some(Piece::End) => {
                return Err(Error::new(
                    ErrorKind::Provider,
                    format!(
                        "reading table `{}` ended before all rows had come; try again",
                        mapping.table.shown
                    ),
                ));
            }
            None => return Err(Error::cancelled()),
        };
        nulls.check(entity, mapping)?;
        let buffer = reader.take(rows);
        if (PIECE_CAPACITY..=PIECE_CAPACITY * 2).contains(&buffer.capacity()) {
            let _ = spent.try_send(buffer);
        }
        while reader.advance()? {
            let mut values = recycled(spare);
            for (index, place) in mapping.places.iter().enumerate() {
                let bytes = reader.field(index);
                nulls.note(mapping, index, bytes);
                let value = match bytes {
                    None => Ok(Value::Null),
                    // Which of the two it was has been noted.
                    Some(bytes) if place.column_type.is_json_null(bytes) => Ok(Value::Null),
                    Some(bytes) => place.column_type.read(bytes),
                };
                match value {
                    Ok(value) => values.push(value),
                    Err(conversion_error) => {
                        let key = key_text(entity, mapping, &reader);
                        return Err(unreadable(entity, place, &key, &conversion_error));
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
    let columns: Vec<String> =
        mapping.places.iter().map(|place| place.column_type.selected(&place.column.name)).collect();
    let condition = match &request.key {
        Some(key) => format!(" WHERE {}", condition(&request.entity, mapping, key)),
        None => String::new(),
    };
    let order: Vec<String> = mapping.key.iter().map(|&place| order(&mapping.places[place])).collect();
    let order = if order.is_empty() { String::new() } else { format!(" ORDER BY {}", order.join(", ")) };
    let (columns, table) = (columns.join(", "), mapping.table.rows());
    Ok(format!("COPY (SELECT {columns} FROM {table}{condition}{order}) TO STDOUT (FORMAT binary)"))
}

/// The order of bytes, which is the same on every server, whatever its collations and the order of an enum's labels.
fn order(place: &Place) -> String {
    let name = quoted(&place.column.name);
    match place.column.stored {
        StoredType::Enum => format!("{name}::pg_catalog.text COLLATE \"C\""),
        _ if place.column.is_collated => format!("{name}::pg_catalog.text COLLATE \"C\""),
        _ => name,
    }
}

fn projection(entity: &EntityCodec, mapping: &Mapping) -> Projection {
    let mut projection = Projection::new(entity.schema());
    for place in &mapping.places {
        match place.content {
            Content::Field(index) => projection.field(&entity.schema().fields[index]),
            Content::Extra => projection.extra(&place.column.name),
        }
        if let (true, Some(composite)) = (place.column_type.is_json(), &place.column.composite) {
            let untyped = composite.members.iter().filter(|member| member.is_any_json);
            projection.typed_parts(untyped.map(|member| member.name.clone()).collect());
        }
    }
    projection
}

/// The same allocation for values of another lifetime: collecting an emptied vector keeps it.
fn recycled<'b>(mut values: Vec<Value<'_>>) -> Vec<Value<'b>> {
    values.clear();
    values.into_iter().map(|_| Value::Null).collect()
}

/// The key of the row a reader is at, as text: `id=7`.
fn key_text(entity: &EntityCodec, mapping: &Mapping, reader: &CopyReader) -> String {
    let part = |&index: &usize| {
        let place = &mapping.places[index];
        let value = reader.field(index).and_then(|bytes| place.column_type.read(bytes).ok());
        (place.column.name.as_str(), value.unwrap_or(Value::Null))
    };
    let parts: Vec<_> = mapping.key.iter().map(part).collect();
    entity.key_text(parts.iter().map(|(name, value)| (*name, value)))
}

fn unreadable(entity: &EntityCodec, place: &Place, key: &str, conversion_error: &ConversionError) -> Error {
    let column = &place.column.name;
    let what = match place.content {
        Content::Field(index) if entity.schema().fields[index].name != *column => {
            format!("field `{}`: column `{column}`", entity.schema().fields[index].name)
        }
        _ => format!("column `{column}`"),
    };
    Error::new(ErrorKind::Record, format!("{} `{key}`: {what} {conversion_error}", entity.name()))
}
