//! Records on their way into a database, in the form in which a session sends them.

use std::fmt;

use bytes::Bytes;

use crate::codec::{Projection, Record, Row};
use crate::entity::EntityCodec;
use crate::error::Result;
use crate::lines::lines;

/// Makes of records what a session sends to its database. Works on threads that may block, several at once.
pub trait RecordEncoder: fmt::Debug + Send + Sync {
    /// Appends what is sent for one record, whose values stand in the order of [its schema](Projection::of).
    ///
    /// # Errors
    /// The record does not fit: entity and key are named.
    fn encode(&self, record: &Row<'_>, out: &mut Vec<u8>) -> Result<()>;
}

/// Records that an encoder has made ready, in the order of the archive.
#[derive(Debug)]
pub struct EncodedRecords {
    /// What is sent for them, one after another.
    pub bytes: Vec<u8>,
    /// How many they are.
    pub count: u64,
    kept: Kept,
}

/// The records themselves, so that an error can name one.
#[derive(Debug)]
enum Kept {
    Lines(Bytes),
    Records(Vec<Record>),
}

impl EncodedRecords {
    /// Makes records ready.
    ///
    /// # Errors
    /// One of them does not fit: entity and key are named.
    pub fn of(entity: &EntityCodec, encoder: &dyn RecordEncoder, records: Vec<Record>) -> Result<Self> {
        let (fields, mut bytes) = (Projection::of(entity.schema()), Vec::new());
        for record in &records {
            record.with_row(&fields, |row| encoder.encode(row, &mut bytes))?;
        }
        let count = u64::try_from(records.len()).unwrap_or(u64::MAX);
        Ok(Self { bytes, count, kept: Kept::Records(records) })
    }

    /// What was made of so many lines.
    pub(crate) fn of_lines(bytes: Vec<u8>, count: u64, lines: Bytes) -> Self {
        Self { bytes, count, kept: Kept::Lines(lines) }
    }

    /// The key of one of them, counted from 0, as text for an error.
    pub fn key_text(&self, entity: &EntityCodec, index: usize) -> Option<String> {
        match &self.kept {
            Kept::Lines(kept) => {
                let record = entity.decode(lines(kept).nth(index)?).ok()?;
                Some(entity.record_key(&record))
            }
            Kept::Records(records) => Some(entity.record_key(records.get(index)?)),
        }
    }
}
