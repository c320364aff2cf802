//! The sink into which an adapter pushes rows and records during a backup.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::fast_rows::FastRows;
use super::observed::Observations;

use crate::entity::codec::{Row, key_of_line, write_line};
use crate::entity::{Entity, EntityCodec};
use crate::foundation::buffers::Buffers;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::lines::{Chunk, MAX_LINE_BYTES};
use crate::foundation::schema::LogicalType;
use crate::foundation::value::Value;

/// Whether an adapter may push the next row or must flush first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// Push the next row.
    Continue,
    /// Call [`RecordSink::flush`] before the next row.
    Flush,
}

/// The name of the list, in a physical form, of messages about properties that no other kind of database
/// preserves. A restore into another kind of database reports these messages as warnings.
pub const NOT_KEPT_ELSEWHERE: &str = "notKeptElsewhere";

/// The result of a finished read. Only a sink that delivered all records can create this value.
#[derive(Debug)]
#[non_exhaustive]
pub struct ReadSummary {
    /// The physical form of the columns, in a format that only the provider interprets, for a restore into
    /// the same kind of database.
    ///
    /// If it is an object, it may contain a list of messages under the name [`NOT_KEPT_ELSEWHERE`].
    pub physical: Option<serde_json::Value>,
    /// Warnings for the report of the backup.
    pub warnings: Vec<String>,
    /// The number of values whose JSON text has another form in the archive (other white space, another order
    /// of names, or other digits), by the serde name of the field. They are counted only for an adapter that
    /// called [`RecordSink::watch_json_text`].
    pub rewritten: BTreeMap<String, u64>,
}

/// The options of a sink.
#[derive(Clone)]
pub(crate) struct SinkOptions {
    /// The number of rows between two checks for cancellation and two progress events.
    pub(crate) batch_size: usize,
    /// The bytes of lines in one chunk.
    pub(crate) chunk_bytes: usize,
    /// The number of chunks that may wait in the channel.
    pub(crate) chunks_ahead: usize,
    /// The pool from which the buffers of chunks are acquired.
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) cancel: CancellationToken,
    /// A callback that is called at the end of each batch with the number of rows so far.
    pub(crate) on_batch: Arc<dyn Fn(u64) + Send + Sync>,
}

/// The receiver of the rows of one set of one entity. It encodes the rows on the adapter's thread, and sends
/// them to the archive in chunks.
pub struct RecordSink {
    entity: EntityCodec,
    options: SinkOptions,
    chunk: Chunk,
    observations: Observations,
    fast: FastRows,
    rewritten_json: RewrittenJson,
    batch_records: usize,
    total: u64,
    chunks: mpsc::Sender<Chunk>,
}

/// Whether the sink counts JSON values whose text has another form in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RewrittenJson {
    Ignored,
    Counted,
}

/// Creates a sink and the receiver of its chunks.
pub(crate) fn record_channel(
    entity: EntityCodec,
    options: SinkOptions,
) -> (RecordSink, mpsc::Receiver<Chunk>) {
    let (chunks, receiver) = mpsc::channel(options.chunks_ahead.max(1));
    let sink = RecordSink {
        entity,
        options,
        chunk: Chunk::default(),
        observations: Observations::default(),
        fast: FastRows::default(),
        rewritten_json: RewrittenJson::Ignored,
        batch_records: 0,
        total: 0,
        chunks,
    };
    (sink, receiver)
}

impl RecordSink {
    /// Creates a sink and the receiver of its chunks, for testing an adapter in isolation.
    pub fn channel(entity: EntityCodec, batch_size: usize) -> (Self, mpsc::Receiver<Chunk>) {
        record_channel(
            entity,
            SinkOptions {
                batch_size,
                chunk_bytes: 1 << 20,
                chunks_ahead: 4,
                buffers: Arc::default(),
                cancel: CancellationToken::new(),
                on_batch: Arc::new(|_| {}),
            },
        )
    }

    /// Encodes one row. Returns whether to [flush](Self::flush) before the next row.
    ///
    /// # Errors
    /// The row cannot be converted to the entity, or has the key of the row before it. The error contains the
    /// entity, the field and the key.
    pub fn push(&mut self, row: &Row<'_>) -> Result<Flow> {
        let start = self.line_start();
        if self.observations.repeats_key(row.key()) {
            return Err(self.duplicate_key(&self.entity.row_key(row)));
        }
        if self.fast.push(&self.entity, row, &mut self.chunk.lines) {
            self.count_rewritten(row, start, &[]);
            return self.count_line(start, |entity| (entity.row_key(row), row.largest()));
        }
        match self.entity.encode(row, &mut self.chunk.lines) {
            Ok(changed) => {
                // In messages, all hidden fields have the same name. A record is counted once for each name
                // in messages.
                let message_names: BTreeSet<&str> =
                    changed.iter().map(|name| self.entity.message_name(name)).collect();
                let message_names: Vec<&str> = message_names.into_iter().collect();
                self.observations.note_changed(&message_names, || self.entity.row_key(row));
                self.count_rewritten(row, start, &changed);
            }
            Err(error) => {
                self.chunk.lines.truncate(start);
                let record = self.record_text(&self.entity.row_key(row));
                return Err(Error::with_source(
                    ErrorKind::Record,
                    format!("{record} cannot be decoded as its type; correct the row or the type"),
                    error,
                ));
            }
        }
        let flow = self.count_line(start, |entity| (entity.row_key(row), row.largest()))?;
        self.chunk.mark_unproven(start);
        Ok(flow)
    }

    /// Starts to count JSON values whose text has another form in the archive. This is meant for databases
    /// that store such text as it was written.
    pub fn watch_json_text(&mut self) {
        self.rewritten_json = RewrittenJson::Counted;
    }

    /// Counts the JSON values of a row whose text the line does not contain unchanged, except the values of
    /// the fields in `changed`.
    fn count_rewritten(&mut self, row: &Row<'_>, start: usize, changed: &[&str]) {
        if self.rewritten_json == RewrittenJson::Ignored {
            return;
        }
        let line = self.chunk.lines.get(start..).unwrap_or_default();
        for name in row.rewritten_json(line).filter(|name| !changed.contains(name)) {
            self.observations.note_rewritten(name);
        }
    }

    /// Encodes one record of a provider that stores values of the entity's type. Returns whether to
    /// [flush](Self::flush) before the next record.
    ///
    /// # Errors
    /// The record cannot be serialized, has a field that cannot be represented as a [`Value`], is of another
    /// type than the entity, or has the key of the record before it.
    pub fn push_record<T: Entity>(&mut self, record: &T) -> Result<Flow> {
        let start = self.line_start();
        let written = self.entity.write_record(record, &mut self.chunk.lines);
        // The conversion is checked because a restore passes fields as `Value`, and some data can be
        // serialized but has no `Value`.
        let checked = written.and_then(|key| {
            self.entity.record(record)?.require_key(self.entity.schema())?;
            Ok(key)
        });
        let key = checked.map_err(|error| {
            self.chunk.lines.truncate(start);
            let (entity, number) = (self.entity.name(), self.total + 1);
            Error::with_source(
                ErrorKind::Record,
                format!("record {number} of {entity} cannot be written; correct the record or the type"),
                error,
            )
        })?;
        if self.observations.repeats_key(key.iter()) {
            self.chunk.lines.truncate(start);
            return Err(self.duplicate_key(&key_text(&self.entity, &key)));
        }
        let flow = self.count_line(start, |entity| (key_text(entity, &key), None))?;
        self.chunk.mark_unproven(start);
        Ok(flow)
    }

    /// Encodes one record of event streams, whose order the caller has checked. Returns whether to
    /// [flush](Self::flush) before the next record.
    ///
    /// # Errors
    /// The line of the record is too long.
    pub(crate) fn push_stream_record<T: serde::Serialize>(&mut self, record: &T) -> Result<Flow> {
        let start = self.line_start();
        write_line(record, &mut self.chunk.lines).map_err(|error| {
            let (entity, number) = (self.entity.name(), self.total + 1);
            Error::with_source(
                ErrorKind::Record,
                format!("record {number} of {entity} cannot be written"),
                error,
            )
        })?;
        let line = self.chunk.lines.get(start..).unwrap_or_default();
        let key = if line.len() > MAX_LINE_BYTES { key_of_line(line, self.entity.schema()) } else { None };
        let flow = self.count_line(start, |entity| {
            let key = key.unwrap_or_default();
            (entity.key_text(key.iter().map(|(name, value)| (name.as_str(), value))), None)
        })?;
        self.chunk.mark_unproven(start);
        Ok(flow)
    }

    /// Returns the error for a provider that detects a duplicate key itself, also in records that are not
    /// adjacent.
    pub fn duplicate_key_error<T: Entity>(&self, record: &T) -> Error {
        match self.entity.write_record(record, &mut Vec::new()) {
            Ok(key) => self.duplicate_key(&key_text(&self.entity, &key)),
            Err(_) => self.duplicate_key("(unknown)"),
        }
    }

    /// Counts the line that begins at `start`. `details` returns the key of the record, and its largest field
    /// with the size in bytes.
    fn count_line(
        &mut self,
        start: usize,
        details: impl FnOnce(&EntityCodec) -> (String, Option<(String, usize)>),
    ) -> Result<Flow> {
        let line = self.chunk.lines.len() - start;
        if line > MAX_LINE_BYTES {
            self.chunk.lines.truncate(start);
            let (key, largest) = details(&self.entity);
            return Err(self.too_long_error(line, &key, largest));
        }
        self.chunk.records += 1;
        self.total += 1;
        self.batch_records += 1;
        let is_full = self.chunk.lines.len() >= self.options.chunk_bytes;
        let batch_ends = self.batch_records >= self.options.batch_size;
        Ok(if is_full || batch_ends { Flow::Flush } else { Flow::Continue })
    }

    /// Ends the batch if it is full, and sends the chunk if it is full. It waits while the channel to the
    /// archive is full.
    ///
    /// # Errors
    /// The backup was cancelled.
    pub async fn flush(&mut self) -> Result<()> {
        match self.due_chunk()? {
            None => Ok(()),
            Some(chunk) => {
                let cancel = self.options.cancel.clone();
                tokio::select! {
                    biased;
                    () = cancel.cancelled() => Err(Error::cancelled()),
                    sent = self.chunks.send(chunk) => sent.map_err(|_| Error::cancelled()),
                }
            }
        }
    }

    /// Does the same as [`flush`](Self::flush), and blocks the thread until the archive has accepted the
    /// records.
    ///
    /// Call it on a thread of the provider, such as one of [`on_own_thread`](crate::provider::on_own_thread),
    /// and not within `tokio::task::spawn_blocking`: the archive needs such threads, and a runtime may have
    /// only one.
    ///
    /// # Errors
    /// The backup was cancelled.
    pub fn flush_blocking(&mut self) -> Result<()> {
        match self.due_chunk()? {
            None => Ok(()),
            Some(chunk) => self.chunks.blocking_send(chunk).map_err(|_| Error::cancelled()),
        }
    }

    /// Sends the remaining records and ends the read.
    ///
    /// # Errors
    /// The backup was cancelled.
    pub async fn finish(mut self) -> Result<ReadSummary> {
        if let Some(chunk) = self.last_chunk()? {
            self.chunks.send(chunk).await.map_err(|_| Error::cancelled())?;
        }
        Ok(self.summary())
    }

    /// Does the same as [`finish`](Self::finish), and blocks the thread as
    /// [`flush_blocking`](Self::flush_blocking) does.
    ///
    /// # Errors
    /// The backup was cancelled.
    pub fn finish_blocking(mut self) -> Result<ReadSummary> {
        if let Some(chunk) = self.last_chunk()? {
            self.chunks.blocking_send(chunk).map_err(|_| Error::cancelled())?;
        }
        Ok(self.summary())
    }

    fn summary(self) -> ReadSummary {
        let warnings = self.observations.warnings(self.entity.name());
        ReadSummary { physical: None, warnings, rewritten: self.observations.into_rewritten() }
    }

    /// Formats a record for an error: its entity, its key, and its position in the order of reading, counted
    /// from 1.
    fn record_text(&self, key: &str) -> String {
        format!("{} `{key}` (record {})", self.entity.name(), self.total + 1)
    }

    /// Returns the error for a line that exceeds [`MAX_LINE_BYTES`].
    fn too_long_error(&self, line: usize, key: &str, largest: Option<(String, usize)>) -> Error {
        let record = self.record_text(key);
        let schema = self.entity.schema();
        let field =
            largest.as_ref().and_then(|(name, _)| schema.position(name)).map(|index| &schema.fields[index]);
        let is_number_list =
            field.is_some_and(|field| field.logical == LogicalType::Bytes && field.wire.is_plain());
        let largest = largest
            .map(|(name, bytes)| format!(" (field `{}` has {bytes} bytes)", self.entity.message_name(&name)));
        let largest = largest.unwrap_or_default();
        let remedy = match is_number_list {
            true => {
                "the bytes are written as a list of numbers: use #[serde(with = \
                 \"koan_backup::serde::base64\")], which needs a third of the length, or store large content \
                 in files"
            }
            false => "store large content in files",
        };
        let text = format!(
            "{record} has a line of {line} bytes{largest}, and the maximum is {MAX_LINE_BYTES} bytes; \
             {remedy}"
        );
        Error::new(ErrorKind::Record, text)
    }

    fn duplicate_key(&self, key: &str) -> Error {
        let record = self.record_text(key);
        Error::new(
            ErrorKind::Record,
            format!(
                "{record} has a duplicate key: a restore would lose one of the records; declare a key that \
                 is unique"
            ),
        )
    }

    fn due_chunk(&mut self) -> Result<Option<Chunk>> {
        self.check_cancelled()?;
        if self.batch_records >= self.options.batch_size {
            self.batch_records = 0;
            (self.options.on_batch)(self.total);
            self.check_cancelled()?;
        }
        Ok((self.chunk.lines.len() >= self.options.chunk_bytes).then(|| self.take_chunk()))
    }

    fn last_chunk(&mut self) -> Result<Option<Chunk>> {
        self.check_cancelled()?;
        if self.batch_records > 0 {
            (self.options.on_batch)(self.total);
            self.check_cancelled()?;
        }
        Ok((self.chunk.records > 0).then(|| self.take_chunk()))
    }

    fn take_chunk(&mut self) -> Chunk {
        std::mem::take(&mut self.chunk)
    }

    /// Returns where the next line begins. The buffer is acquired for the first line, because a read may wait
    /// for a long time before it starts.
    fn line_start(&mut self) -> usize {
        if self.chunk.lines.capacity() == 0 {
            // The additional capacity is for the last line, which exceeds the size of a chunk.
            let bytes = self.options.chunk_bytes + self.options.chunk_bytes / 8;
            self.chunk = Chunk::with_buffer(self.options.buffers.take(bytes));
        }
        self.chunk.lines.len()
    }

    fn check_cancelled(&self) -> Result<()> {
        if self.options.cancel.is_cancelled() || self.chunks.is_closed() {
            Err(Error::cancelled())
        } else {
            Ok(())
        }
    }
}

/// Formats a key for an error.
fn key_text(entity: &EntityCodec, key: &[Value<'static>]) -> String {
    let fields = entity.schema().key_fields().map(|(_, field)| field.name.as_str());
    entity.key_text(fields.zip(key))
}

impl std::fmt::Debug for RecordSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordSink")
            .field("entity", &self.entity.name())
            .field("records", &self.total)
            .finish()
    }
}
