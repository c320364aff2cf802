//! One COPY on its way: while the server takes its lines, the next are made.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use futures::SinkExt as _;
use koan_backup_core::Record;
use tokio_postgres::{CopyInSink, Error, Statement};

use super::super::connection::Connection;

/// Records that the server has not confirmed. Dropping this tells it to take none of them.
pub(super) struct CopyUnderWay {
    sink: Pin<Box<CopyInSink<Bytes>>>,
    /// The records of its lines, in their order, so that a refusal names one.
    pub(super) records: Vec<Record>,
}

/// What the server said of records that it did not take.
pub(super) struct NotTaken {
    pub(super) error: Error,
    pub(super) records: Vec<Record>,
}

impl CopyUnderWay {
    /// Hands the lines over. No other statement may run on the connection before [`end`](Self::end).
    pub(super) async fn begin(
        connection: &Connection,
        statement: &Statement,
        lines: Bytes,
        records: Vec<Record>,
    ) -> Result<Self, NotTaken> {
        let begun = async {
            let mut sink = Box::pin(connection.client.copy_in(statement).await?);
            sink.send(lines).await?;
            Ok(sink)
        };
        match begun.await {
            Ok(sink) => Ok(Self { sink, records }),
            Err(error) => Err(NotTaken { error, records }),
        }
    }

    /// Waits until the server has taken all of them, and tells how many rows they gave.
    pub(super) async fn end(mut self) -> Result<u64, NotTaken> {
        let ended = self.sink.as_mut().finish().await;
        ended.map_err(|error| NotTaken { error, records: self.records })
    }
}

impl fmt::Debug for CopyUnderWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyUnderWay").field("records", &self.records.len()).finish_non_exhaustive()
    }
}
