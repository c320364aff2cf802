//! A running COPY: the server inserts rows while the next records are encoded.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use futures::SinkExt as _;
use koan_backup_core::provider::EncodedRecords;
use tokio_postgres::{CopyInSink, Error, Statement};

use super::super::connection::Connection;
use super::super::write::{HEADER, TRAILER};
use super::target_column::CopyFormat;

/// The maximum number of bytes in one COPY. Each COPY costs the server time. The driver reads the response of
/// the server only at the end, so up to this many bytes are sent after a record that is refused. The next
/// COPY is not requested in advance: if the server refuses a COPY, the driver would assign its responses to
/// the wrong requests (<https://github.com/rust-postgres/rust-postgres/issues/1337>).
const MAX_COPY_BYTES: usize = 64 << 20;
/// The maximum number of bytes in one COPY if the records stay in memory until the end of the COPY. Decoded
/// records need several times as much memory as their bytes.
const MAX_HELD_BYTES: usize = 4 << 20;

/// A COPY that the server has not confirmed. Dropping it aborts the COPY.
pub(super) struct RunningCopy {
    sink: Pin<Box<CopyInSink<Bytes>>>,
    copy_format: CopyFormat,
    bytes: usize,
    /// The bytes of the records that stay in memory, so that an error can contain the key of a record.
    held_bytes: usize,
    /// The records that were sent, so that an error can contain the key of a record.
    sent: SentRecords,
}

/// Records in the order in which they were sent.
#[derive(Default)]
pub(super) struct SentRecords(Vec<EncodedRecords>);

/// A COPY that the server refused.
pub(super) struct RefusedCopy {
    pub(super) error: Error,
    pub(super) records: SentRecords,
}

impl SentRecords {
    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|records| records.count).sum()
    }

    /// Returns the key of the record at `index`, counted from 0.
    pub(super) async fn key_text(&self, mut index: usize) -> Option<String> {
        for records in &self.0 {
            let count = usize::try_from(records.count).ok()?;
            match index.checked_sub(count) {
                Some(rest) => index = rest,
                None => return records.key_text(index).await,
            }
        }
        None
    }
}

impl RunningCopy {
    /// Begins a COPY. No other statement may run on the connection before [`finish`](Self::finish).
    pub(super) async fn begin(
        connection: &Connection,
        statement: &Statement,
        copy_format: CopyFormat,
    ) -> Result<Self, Error> {
        let mut sink = Box::pin(connection.client.copy_in(statement).await?);
        if copy_format == CopyFormat::Binary {
            sink.feed(Bytes::from_static(HEADER)).await?;
        }
        Ok(Self { sink, copy_format, bytes: 0, held_bytes: 0, sent: SentRecords::default() })
    }

    /// Sends records, and waits if the server has more to process than it buffers.
    pub(super) async fn send(&mut self, mut records: EncodedRecords) -> Result<(), Error> {
        let bytes = Bytes::from(std::mem::take(&mut records.bytes));
        // The size of each batch structure is added, because a COPY may consist of many small batches.
        self.bytes += bytes.len() + size_of::<EncodedRecords>();
        if records.contains_records() {
            self.held_bytes += bytes.len();
        }
        self.sent.0.push(records);
        self.sink.feed(bytes).await
    }

    /// Returns whether the COPY should be finished.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= MAX_COPY_BYTES || self.held_bytes >= MAX_HELD_BYTES
    }

    /// Returns the error with the sent records, because one of these records may have caused the error.
    pub(super) fn refused(self, error: Error) -> RefusedCopy {
        RefusedCopy { error, records: self.sent }
    }

    /// Waits until the server has confirmed all records. Returns the number of sent records and the number of
    /// inserted rows.
    pub(super) async fn finish(mut self) -> Result<(u64, u64), RefusedCopy> {
        let ended = async {
            if self.copy_format == CopyFormat::Binary {
                self.sink.feed(Bytes::from_static(&TRAILER)).await?;
            }
            self.sink.as_mut().finish().await
        };
        match ended.await {
            Ok(inserted) => Ok((self.sent.count(), inserted)),
            Err(error) => Err(self.refused(error)),
        }
    }
}

impl fmt::Debug for RunningCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningCopy").field("records", &self.sent.count()).finish_non_exhaustive()
    }
}
