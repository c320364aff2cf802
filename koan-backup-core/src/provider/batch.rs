//! The records that a restore passes to the writer of a target, as values or already encoded.

use std::fmt;

use async_trait::async_trait;

use super::event_store::StreamRecords;
use crate::entity::EntityCodec;
use crate::entity::codec::{Projection, Record, Row};
use crate::foundation::error::{Error, ErrorKind, Result};

/// Encodes records into the form that a writer sends to its database. It is called from several blocking
/// threads concurrently.
pub trait RecordEncoder: fmt::Debug + Send + Sync {
    /// Appends the encoded form of one record to `out`. The values of `record` are in the order of
    /// [its schema](Projection::of).
    ///
    /// `position` counts the records of the target from 0, in the order of the archive.
    ///
    /// # Errors
    /// The record cannot be stored in the target; the error contains the name of the entity and the key.
    fn encode(&self, position: u64, record: &Row<'_>, out: &mut Vec<u8>) -> Result<()>;
}

/// Finds the original records of a batch again, so that an error can contain the key of a record.
#[async_trait]
pub trait RecordLocator: fmt::Debug + Send + Sync {
    /// Returns the key of the record at `index` of the batch, counted from 0, as text for an error.
    ///
    /// The implementation may read the record from storage again. It returns `None` if there is no such
    /// record, or if the record can no longer be read. It must be cancel-safe.
    async fn key_text(&self, index: usize) -> Option<String>;
}

/// Records for a [`TargetWriter`](super::TargetWriter), in the order of the archive.
///
/// A batch contains the records as values, or as they were encoded by the
/// [encoder](super::TargetWriter::encoder) of the writer. A writer gets the form that it needs with
/// [`into_records`](Self::into_records) or [`into_encoded`](Self::into_encoded).
#[derive(Debug)]
pub struct RecordBatch(Content);

#[derive(Debug)]
enum Content {
    Records(Vec<Record>),
    Encoded(EncodedRecords),
    Streams(StreamRecords),
}

impl RecordBatch {
    /// Returns the number of records.
    pub fn count(&self) -> u64 {
        match &self.0 {
            Content::Records(records) => count_of(records),
            Content::Encoded(records) => records.count,
            Content::Streams(records) => records.count(),
        }
    }

    /// Returns the records as values, for a writer without an encoder.
    ///
    /// # Errors
    /// The records were encoded, although the writer has no encoder.
    pub fn into_records(self) -> Result<Vec<Record>> {
        match self.0 {
            Content::Records(records) => Ok(records),
            Content::Encoded(_) => {
                Err(Error::new(ErrorKind::Internal, "a writer without an encoder received encoded records"))
            }
            Content::Streams(_) => Err(not_of_an_entity()),
        }
    }

    /// Returns the records of event streams, for the writer of a part of them.
    ///
    /// # Errors
    /// The records are those of an entity.
    pub(crate) fn into_stream_records(self) -> Result<StreamRecords> {
        match self.0 {
            Content::Streams(records) => Ok(records),
            Content::Records(_) | Content::Encoded(_) => Err(Error::new(
                ErrorKind::Internal,
                "a writer of event streams received records of an entity",
            )),
        }
    }

    /// Returns the records as they were encoded by `encoder`, the encoder of the writer. Records that are
    /// still values are encoded now; `first` is the position of the first record.
    ///
    /// # Errors
    /// A record cannot be stored in the target; the error contains the name of the entity and the key.
    pub fn into_encoded(
        self,
        entity: &EntityCodec,
        encoder: &dyn RecordEncoder,
        first: u64,
    ) -> Result<EncodedRecords> {
        match self.0 {
            Content::Encoded(records) => Ok(records),
            Content::Records(records) => EncodedRecords::encode(entity, encoder, first, records),
            Content::Streams(_) => Err(not_of_an_entity()),
        }
    }
}

impl From<Vec<Record>> for RecordBatch {
    fn from(records: Vec<Record>) -> Self {
        Self(Content::Records(records))
    }
}

impl From<EncodedRecords> for RecordBatch {
    fn from(records: EncodedRecords) -> Self {
        Self(Content::Encoded(records))
    }
}

impl From<StreamRecords> for RecordBatch {
    fn from(records: StreamRecords) -> Self {
        Self(Content::Streams(records))
    }
}

fn not_of_an_entity() -> Error {
    Error::new(ErrorKind::Internal, "the writer of an entity received records of event streams")
}

/// Records that an encoder has encoded, in the order of the archive.
#[derive(Debug)]
pub struct EncodedRecords {
    /// The encoded records, one after another.
    pub bytes: Vec<u8>,
    /// The number of records.
    pub count: u64,
    origin: RecordOrigin,
}

/// The source of the original records.
#[derive(Debug)]
enum RecordOrigin {
    /// A locator can read the original records again.
    Located(Box<dyn RecordLocator>),
    /// The original records are stored in memory.
    Memory(EntityCodec, Vec<Record>),
}

impl EncodedRecords {
    /// Returns `count` encoded records whose originals `locator` can find again.
    pub fn new(bytes: Vec<u8>, count: u64, locator: Box<dyn RecordLocator>) -> Self {
        Self { bytes, count, origin: RecordOrigin::Located(locator) }
    }

    /// Encodes records and stores the originals in memory.
    fn encode(
        entity: &EntityCodec,
        encoder: &dyn RecordEncoder,
        first: u64,
        records: Vec<Record>,
    ) -> Result<Self> {
        let (fields, mut bytes) = (Projection::of(entity.schema()), Vec::new());
        for (position, record) in (first..).zip(&records) {
            record.with_row(&fields, |row| encoder.encode(position, row, &mut bytes))?;
        }
        let count = count_of(&records);
        Ok(Self { bytes, count, origin: RecordOrigin::Memory(entity.clone(), records) })
    }

    /// Returns whether the original records stay in memory until this value is dropped. Records that a
    /// locator can find again are not in memory.
    pub fn contains_records(&self) -> bool {
        matches!(self.origin, RecordOrigin::Memory(..))
    }

    /// Returns the key of the record at `index`, counted from 0, as text for an error, as
    /// [`RecordLocator::key_text`] does.
    pub async fn key_text(&self, index: usize) -> Option<String> {
        match &self.origin {
            RecordOrigin::Located(locator) => locator.key_text(index).await,
            RecordOrigin::Memory(entity, records) => Some(entity.record_key(records.get(index)?)),
        }
    }
}

fn count_of(records: &[Record]) -> u64 {
    u64::try_from(records.len()).unwrap_or(u64::MAX)
}
