//! The lines of events and snapshots without the ids that follow from their place.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fault::StreamFault;
use crate::foundation::error::{Error, ErrorKind, Result};

/// The beginning of the lines of one stream or aggregate, which is omitted in the content.
#[derive(Clone, Debug, Default)]
pub(super) struct LinePrefix(Vec<u8>);

impl LinePrefix {
    /// Returns the prefix of the snapshots of an aggregate.
    pub(super) fn of_object(object_id: &str) -> Result<Self> {
        Ok(Self(format!("{{\"objectId\":{},", text(object_id)?).into_bytes()))
    }

    /// Returns the prefix of the events of a stream.
    pub(super) fn of_stream(object_id: &str, stream_id: &str) -> Result<Self> {
        let ids = (text(object_id)?, text(stream_id)?);
        Ok(Self(format!("{{\"objectId\":{},\"streamId\":{},", ids.0, ids.1).into_bytes()))
    }

    /// Writes the complete line of a record into `line`, which is replaced. Returns the part after the prefix.
    ///
    /// # Errors
    /// The record does not begin with the prefix.
    pub(super) fn write<'l, T: Serialize>(&self, record: &T, line: &'l mut Vec<u8>) -> Result<&'l [u8]> {
        line.clear();
        serde_json::to_writer(&mut *line, record).map_err(|source| {
            Error::with_source(ErrorKind::Record, "a record of the stream cannot be written as JSON", source)
        })?;
        let line: &'l [u8] = line;
        line.strip_prefix(self.0.as_slice()).ok_or_else(|| {
            let text = "the event store returned a record of another stream";
            Error::new(ErrorKind::Provider, text)
                .with_help("report this error to the author of the event store")
        })
    }

    /// Restores the complete line of a record into `line`, which is replaced.
    ///
    /// # Errors
    /// The element is not an object with fields.
    pub(super) fn complete(&self, element: &[u8], line: &mut Vec<u8>) -> Result<()> {
        let fields = element
            .strip_prefix(b"{")
            .ok_or_else(|| StreamFault::Form("an element is not an object").error())?;
        line.clear();
        line.extend_from_slice(&self.0);
        line.extend_from_slice(fields);
        Ok(())
    }
}

/// Reads a complete line.
pub(super) fn parse<T: DeserializeOwned>(line: &[u8], what: &'static str) -> Result<T> {
    serde_json::from_slice(line).map_err(|_| StreamFault::Unreadable(what).error())
}

fn text(id: &str) -> Result<String> {
    serde_json::to_string(id)
        .map_err(|source| Error::with_source(ErrorKind::Internal, "an id cannot be written as JSON", source))
}
