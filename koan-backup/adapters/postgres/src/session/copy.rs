//! One COPY on its way: while the server takes its rows, the next are made.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use futures::SinkExt as _;
use koan_backup_core::{entity::EntityCodec, provider::EncodedRecords};
use tokio_postgres::{CopyInSink, Error, Statement};

use super::super::connection::Connection;
use super::super::write::{HEADER, TRAILER};
use super::target::CopyForm;

/// Bytes that are sent by one COPY. Each costs the server time. The driver looks at the server's answer at the end only, so that this much is
/// sent in vain at most behind a record that is refused. The next COPY is not asked for ahead: where the server refuses what was sent,
/// the driver would lose count of its answers (<https://github.com/rust-postgres/rust-postgres/issues/1337>).
const COPY_BYTES: usize = 64 << 20;
/// The same of records that are kept in memory until then, where they take several times as much.
const KEPT_BYTES: usize = 4 << 20;

/// Records that the server has not confirmed. Dropping this tells it to take none of them.
pub(super) struct CopyUnderWay {
    sink: Pin<Box<CopyInSink<Bytes>>>,
    form: CopyForm,
    bytes: usize,
    /// Bytes of records that are kept here to be named.
    kept_bytes: usize,
    /// What was sent, so that a refusal names a record.
    sent: Sent,
}

/// Records in the order in which they were sent.
#[derive(Default)]
pub(super) struct Sent(Vec<EncodedRecords>);

/// What the server said of records that it did not take.
pub(super) struct NotTaken {
    pub(super) error: Error,
    pub(super) records: Sent,
}

impl Sent {
    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|records| records.count).sum()
    }

    /// The key of a record, counted from 0.
    pub(super) async fn key_text(&self, entity: &EntityCodec, mut index: usize) -> Option<String> {
        for records in &self.0 {
            let count = usize::try_from(records.count).ok()?;
            match index.checked_sub(count) {
                Some(behind) => index = behind,
                None => return records.key_text(entity, index).await,
            }
        }
        None
    }
}

impl CopyUnderWay {
    /// Begins. No other statement may run on the connection before [`end`](Self::end).
    pub(super) async fn begin(
        connection: &Connection,
        statement: &Statement,
        form: CopyForm,
    ) -> Result<Self, Error> {
        let mut sink = Box::pin(connection.client.copy_in(statement).await?);
        if form == CopyForm::Binary {
            sink.feed(Bytes::from_static(HEADER)).await?;
        }
        Ok(Self { sink, form, bytes: 0, kept_bytes: 0, sent: Sent::default() })
    }

    /// Hands records over, and waits for the server where it has more to take than it can.
    pub(super) async fn send(&mut self, mut records: EncodedRecords) -> Result<(), Error> {
        let bytes = Bytes::from(std::mem::take(&mut records.bytes));
        // What is held of them until the end counts as well: they may be few at a time.
        self.bytes += bytes.len() + size_of::<EncodedRecords>();
        if records.is_kept() {
            self.kept_bytes += bytes.len();
        }
        self.sent.0.push(records);
        self.sink.feed(bytes).await
    }

    /// Whether no more should be handed over.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= COPY_BYTES || self.kept_bytes >= KEPT_BYTES
    }

    /// What failed, with the records that it may be about.
    pub(super) fn not_taken(self, error: Error) -> NotTaken {
        NotTaken { error, records: self.sent }
    }

    /// Waits until the server has taken all of them: how many were sent, and how many rows they gave.
    pub(super) async fn end(mut self) -> Result<(u64, u64), NotTaken> {
        let ended = async {
            if self.form == CopyForm::Binary {
                self.sink.feed(Bytes::from_static(&TRAILER)).await?;
            }
            self.sink.as_mut().finish().await
        };
        match ended.await {
            Ok(taken) => Ok((self.sent.count(), taken)),
            Err(error) => Err(self.not_taken(error)),
        }
    }
}

impl fmt::Debug for CopyUnderWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyUnderWay").field("records", &self.sent.count()).finish_non_exhaustive()
    }
}
