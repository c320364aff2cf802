//! One COPY on its way: while the server takes its lines, the next are made.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use futures::SinkExt as _;
use koan_backup_core::{EncodedRecords, EntityCodec};
use tokio_postgres::{CopyInSink, Error, Statement};

use super::super::connection::Connection;
use super::super::write::{HEADER, TRAILER};
use super::target::CopyForm;

/// Records that the server has not confirmed. Dropping this tells it to take none of them.
pub(super) struct CopyUnderWay {
    sink: Pin<Box<CopyInSink<Bytes>>>,
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
    pub(super) fn key_text(&self, entity: &EntityCodec, mut index: usize) -> Option<String> {
        for records in &self.0 {
            let count = usize::try_from(records.count).ok()?;
            match index.checked_sub(count) {
                Some(behind) => index = behind,
                None => return records.key_text(entity, index),
            }
        }
        None
    }
}

impl CopyUnderWay {
    /// Hands records over. No other statement may run on the connection before [`end`](Self::end).
    pub(super) async fn begin(
        connection: &Connection,
        statement: &Statement,
        form: CopyForm,
        records: Vec<EncodedRecords>,
    ) -> Result<Self, NotTaken> {
        let mut sent = Sent::default();
        let begun = async {
            let mut sink = Box::pin(connection.client.copy_in(statement).await?);
            if form == CopyForm::Binary {
                sink.feed(Bytes::from_static(HEADER)).await?;
            }
            for mut records in records {
                let bytes = Bytes::from(std::mem::take(&mut records.bytes));
                sent.0.push(records);
                sink.feed(bytes).await?;
            }
            if form == CopyForm::Binary {
                sink.feed(Bytes::from_static(&TRAILER)).await?;
            }
            sink.flush().await?;
            Ok(sink)
        };
        match begun.await {
            Ok(sink) => Ok(Self { sink, sent }),
            Err(error) => Err(NotTaken { error, records: sent }),
        }
    }

    /// Waits until the server has taken all of them: how many were sent, and how many rows they gave.
    pub(super) async fn end(mut self) -> Result<(u64, u64), NotTaken> {
        match self.sink.as_mut().finish().await {
            Ok(taken) => Ok((self.sent.count(), taken)),
            Err(error) => Err(NotTaken { error, records: self.sent }),
        }
    }
}

impl fmt::Debug for CopyUnderWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyUnderWay").field("records", &self.sent.count()).finish_non_exhaustive()
    }
}
