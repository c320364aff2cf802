//! Encodes records into the form in which a restore session sends them to its database.

use std::fmt;

use crate::archive::StoredBlock;
use crate::entity::EntityCodec;
use crate::entity::codec::{Projection, Record, Row};
use crate::foundation::error::Result;

/// Encodes records into the form that a session sends to its database. It is called from several blocking
/// threads at once.
pub trait RecordEncoder: fmt::Debug + Send + Sync {
    /// Appends the encoded form of one record to `out`. The values of `record` are in the order of
    /// [its schema](Projection::of).
    ///
    /// `position` counts the records of the target from 0, in the order of the archive.
    ///
    /// # Errors
    /// The record cannot be stored in the target; the error names entity and key.
    fn encode(&self, position: u64, record: &Row<'_>, out: &mut Vec<u8>) -> Result<()>;
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

/// Where the original records are, so that an error can name the key of one.
#[derive(Debug)]
enum RecordOrigin {
    /// In a block of the archive, after this number of other records.
    Archive(StoredBlock, usize),
    /// In memory.
    Memory(Vec<Record>),
}

impl EncodedRecords {
    /// Encodes records and keeps the originals in memory. The first of them is at position `first`.
    ///
    /// # Errors
    /// A record cannot be stored in the target; the error names entity and key.
    pub fn of(
        entity: &EntityCodec,
        encoder: &dyn RecordEncoder,
        first: u64,
        records: Vec<Record>,
    ) -> Result<Self> {
        let (fields, mut bytes) = (Projection::of(entity.schema()), Vec::new());
        for (position, record) in (first..).zip(&records) {
            record.with_row(&fields, |row| encoder.encode(position, row, &mut bytes))?;
        }
        let count = u64::try_from(records.len()).unwrap_or(u64::MAX);
        Ok(Self { bytes, count, origin: RecordOrigin::Memory(records) })
    }

    /// Returns the encoded form of `count` lines of a block that follow its first `before` lines.
    pub(crate) fn of_block(bytes: Vec<u8>, count: u64, block: StoredBlock, before: usize) -> Self {
        Self { bytes, count, origin: RecordOrigin::Archive(block, before) }
    }

    /// Returns whether the original records are kept in memory until this value is dropped, instead of being
    /// read again from the archive when they are needed.
    pub fn is_kept(&self) -> bool {
        matches!(self.origin, RecordOrigin::Memory(_))
    }

    /// Returns the key of the record at `index`, counted from 0, as text for an error.
    ///
    /// Records that are not in memory are read from the archive again, which takes as long as its storage
    /// does. Returns `None` if there is no such record or it can no longer be read. Cancel-safe.
    pub async fn key_text(&self, entity: &EntityCodec, index: usize) -> Option<String> {
        match &self.origin {
            RecordOrigin::Archive(block, before) => {
                let line = block.line(before.checked_add(index)?).await?;
                Some(entity.record_key(&entity.decode(&line).ok()?))
            }
            RecordOrigin::Memory(records) => Some(entity.record_key(records.get(index)?)),
        }
    }
}
