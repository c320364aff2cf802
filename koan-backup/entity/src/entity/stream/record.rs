//! The records of event streams, and the functions that read them from lines.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{StreamDocument, StreamEvent, StreamSnapshot};
use crate::entity::codec::{RecordError, RoundTrip, read_object, written_again};

/// A record of one part of event streams.
pub(in crate::entity) trait StreamRecord: Serialize + DeserializeOwned + 'static {
    /// Checks what the declaration of the streams requires of the record.
    ///
    /// # Errors
    /// The record does not have the declared type.
    fn require_declared_type(&self) -> Result<(), RecordError> {
        Ok(())
    }
}

impl StreamRecord for StreamEvent {}
impl StreamRecord for StreamDocument {}
impl StreamRecord for StreamSnapshot {}

/// Checks that a line decodes as the record and as its declared type.
pub(in crate::entity) fn check<T: StreamRecord>(line: &[u8]) -> Result<(), RecordError> {
    read_object::<T>(line)?.require_declared_type()
}

/// Checks a line, and whether its record serializes as exactly this line.
pub(in crate::entity) fn round_trip<T: StreamRecord>(
    line: &[u8],
    written: &mut Vec<u8>,
) -> Result<RoundTrip, RecordError> {
    let record: T = read_object(line)?;
    record.require_declared_type()?;
    Ok(written_again(&record, line, written))
}
