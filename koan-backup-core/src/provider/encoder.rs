//! Records on their way into a database, in the form in which a session sends them.

use std::fmt;

use crate::archive::StoredBlock;
use crate::codec::{Projection, Record, Row};
use crate::entity::EntityCodec;
use crate::error::Result;

/// Makes of records what a session sends to its database. Works on threads that may block, several at once.
pub trait RecordEncoder: fmt::Debug + Send + Sync {
    /// Appends what is sent for one record, whose values stand in the order of [its schema](Projection::of).
    ///
    /// `position` counts the records of the target from 0, in the order of the archive.
    ///
    /// # Errors
    /// The record does not fit: entity and key are named.
    fn encode(&self, position: u64, record: &Row<'_>, out: &mut Vec<u8>) -> Result<()>;
}

/// Records that an encoder has made ready, in the order of the archive.
#[derive(Debug)]
pub struct EncodedRecords {
    /// What is sent for them, one after another.
    pub bytes: Vec<u8>,
    /// How many they are.
    pub count: u64,
    origin: Origin,
}

/// Where the records themselves are, so that an error can name one.
#[derive(Debug)]
enum Origin {
    /// In a block of the archive, behind so many others.
    Archive(StoredBlock, usize),
    Memory(Vec<Record>),
}

impl EncodedRecords {
    /// Makes records ready, and keeps them. The first of them is at position `first`.
    ///
    /// # Errors
    /// One of them does not fit: entity and key are named.
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
        Ok(Self { bytes, count, origin: Origin::Memory(records) })
    }

    /// What was made of so many lines of a block, behind the first `before`.
    pub(crate) fn of_block(bytes: Vec<u8>, count: u64, block: StoredBlock, before: usize) -> Self {
        Self { bytes, count, origin: Origin::Archive(block, before) }
    }

    /// Whether the records are kept here, where they take memory until they are dropped, and not found again in the archive.
    pub fn is_kept(&self) -> bool {
        matches!(self.origin, Origin::Memory(_))
    }

    /// The key of one of them, counted from 0, as text for an error.
    ///
    /// What is not kept is read from the archive once more, which takes as long as its storage does. `None` if there is no such record, or
    /// if it cannot be read any more. Cancel-safe.
    pub async fn key_text(&self, entity: &EntityCodec, index: usize) -> Option<String> {
        match &self.origin {
            Origin::Archive(block, before) => {
                let line = block.line(before.checked_add(index)?).await?;
                Some(entity.record_key(&entity.decode(&line).ok()?))
            }
            Origin::Memory(records) => Some(entity.record_key(records.get(index)?)),
        }
    }
}
