//! An event that an application appends to a stream.

use serde::Serialize;

use crate::entity::stream::{JsonText, StreamEvent};
use crate::foundation::error::{Error, ErrorKind, Result};

/// An event that is appended to a stream of a store that koan-backup implements.
///
/// ```
/// use koan_backup::event_store::NewEvent;
///
/// # fn main() -> koan_backup::Result<()> {
/// # #[derive(serde::Serialize)]
/// # struct Placed { total: u32 }
/// let placed = NewEvent::new("OrderPlaced", &Placed { total: 20 })?
///     .schema_version("1.0")
///     .timestamp("2026-07-01T12:00:00Z")
///     .metadata(&["operator"])?;
/// assert_eq!(placed.payload.stored_text(), r#"{"total":20}"#);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewEvent {
    /// The type of the event.
    pub event_type: String,
    /// The version of the type of the event.
    pub schema_version: Option<String>,
    /// The sequence number that another system assigned.
    pub external_sequencer: Option<String>,
    /// The action that caused the event.
    pub action: Option<String>,
    /// When the event was recorded.
    pub timestamp: Option<String>,
    /// What is recorded beside the payload.
    pub metadata: Option<JsonText>,
    /// The content of the event.
    pub payload: JsonText,
}

impl NewEvent {
    /// Creates an event of a type, whose payload is a value in JSON.
    ///
    /// # Errors
    /// The value cannot be written as JSON.
    pub fn new(event_type: impl Into<String>, payload: &impl Serialize) -> Result<Self> {
        Ok(Self::with_payload(event_type, json(payload)?))
    }

    /// Creates an event of a type, whose payload is JSON.
    pub fn with_payload(event_type: impl Into<String>, payload: JsonText) -> Self {
        Self {
            event_type: event_type.into(),
            schema_version: None,
            external_sequencer: None,
            action: None,
            timestamp: None,
            metadata: None,
            payload,
        }
    }

    /// Sets the version of the type of the event.
    #[must_use]
    pub fn schema_version(mut self, version: impl Into<String>) -> Self {
        self.schema_version = Some(version.into());
        self
    }

    /// Sets the sequence number that another system assigned.
    #[must_use]
    pub fn external_sequencer(mut self, sequencer: impl Into<String>) -> Self {
        self.external_sequencer = Some(sequencer.into());
        self
    }

    /// Sets the action that caused the event.
    #[must_use]
    pub fn action(mut self, action: impl Into<String>) -> Self {
        self.action = Some(action.into());
        self
    }

    /// Sets when the event was recorded.
    #[must_use]
    pub fn timestamp(mut self, timestamp: impl Into<String>) -> Self {
        self.timestamp = Some(timestamp.into());
        self
    }

    /// Sets what is recorded beside the payload: a value in JSON.
    ///
    /// # Errors
    /// The value cannot be written as JSON.
    pub fn metadata(mut self, metadata: &impl Serialize) -> Result<Self> {
        self.metadata = Some(json(metadata)?);
        Ok(self)
    }

    /// Returns the event of a stream. The store sets the position, if it assigns one.
    pub fn into_stream_event(self, object_id: &str, stream_id: &str, version: u64) -> StreamEvent {
        StreamEvent {
            object_id: object_id.to_owned(),
            stream_id: stream_id.to_owned(),
            version,
            event_type: self.event_type,
            schema_version: self.schema_version,
            external_sequencer: self.external_sequencer,
            action: self.action,
            timestamp: self.timestamp,
            position: None,
            metadata: self.metadata,
            payload: self.payload,
        }
    }
}

fn json(value: &impl Serialize) -> Result<JsonText> {
    let invalid = |source| Error::with_source(ErrorKind::Record, "a value cannot be written as JSON", source);
    let text = serde_json::to_string(value).map_err(invalid)?;
    JsonText::exact(text)
        .map_err(|source| Error::with_source(ErrorKind::Record, "a value cannot be written as JSON", source))
}
