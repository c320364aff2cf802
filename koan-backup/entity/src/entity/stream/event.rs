//! One event of a stream.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::value::RawValue;

use super::JsonText;

/// One event of a stream, with everything that its store records about it.
///
/// In an archive, an event is one line of JSON with the fields of this type in camelCase, where the field
/// `event_type` has the name `type`. An absent value is omitted. `payloadText` and `metadataText` contain the
/// exact text of the JSON if it differs from the compact form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEvent {
    /// The id of the aggregate.
    pub object_id: String,
    /// The id of the stream. It is the object id in a store whose aggregates have one stream.
    pub stream_id: String,
    /// The position in the stream, counted from 0.
    pub version: u64,
    /// The type of the event, as the store names it.
    pub event_type: String,
    /// The version of the type of the event, for example `1.0`.
    pub schema_version: Option<String>,
    /// The sequence number that another system assigned.
    pub external_sequencer: Option<String>,
    /// The action that caused the event.
    pub action: Option<String>,
    /// When the event was recorded, as the store writes it.
    pub timestamp: Option<String>,
    /// The position among all events of the store, if the store assigns one.
    pub position: Option<i64>,
    /// What the store records beside the payload.
    pub metadata: Option<JsonText>,
    /// The content of the event.
    pub payload: JsonText,
}

impl StreamEvent {
    /// Returns whether a store returns this event after `written` was written to it. See [`JsonText::is_stored_form_of`].
    /// The position is not compared if `written` has none, because the store has assigned it.
    pub fn is_stored_form_of(&self, written: &Self) -> bool {
        let Self {
            object_id,
            stream_id,
            version,
            event_type,
            schema_version,
            external_sequencer,
            action,
            timestamp,
            position,
            metadata,
            payload,
        } = self;
        let is_same_metadata = match (metadata, &written.metadata) {
            (Some(metadata), Some(written)) => metadata.is_stored_form_of(written),
            (metadata, written) => metadata.is_none() && written.is_none(),
        };
        *object_id == written.object_id
            && *stream_id == written.stream_id
            && *version == written.version
            && *event_type == written.event_type
            && *schema_version == written.schema_version
            && *external_sequencer == written.external_sequencer
            && *action == written.action
            && *timestamp == written.timestamp
            && (written.position.is_none() || *position == written.position)
            && is_same_metadata
            && payload.is_stored_form_of(&written.payload)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventLine<'a> {
    object_id: &'a str,
    stream_id: &'a str,
    version: u64,
    #[serde(rename = "type")]
    event_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_sequencer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata_text: Option<&'a str>,
    payload: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_text: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EventFields {
    object_id: String,
    stream_id: String,
    version: u64,
    #[serde(rename = "type")]
    event_type: String,
    schema_version: Option<String>,
    external_sequencer: Option<String>,
    action: Option<String>,
    timestamp: Option<String>,
    position: Option<i64>,
    #[serde(default, deserialize_with = "super::json_text::present")]
    metadata: Option<Box<RawValue>>,
    metadata_text: Option<String>,
    payload: Box<RawValue>,
    payload_text: Option<String>,
}

impl Serialize for StreamEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let line = EventLine {
            object_id: &self.object_id,
            stream_id: &self.stream_id,
            version: self.version,
            event_type: &self.event_type,
            schema_version: self.schema_version.as_deref(),
            external_sequencer: self.external_sequencer.as_deref(),
            action: self.action.as_deref(),
            timestamp: self.timestamp.as_deref(),
            position: self.position,
            metadata: self.metadata.as_ref().map(JsonText::as_json),
            metadata_text: self.metadata.as_ref().and_then(JsonText::other_text),
            payload: self.payload.as_json(),
            payload_text: self.payload.other_text(),
        };
        line.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StreamEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = EventFields::deserialize(deserializer)?;
        let metadata = match (fields.metadata, fields.metadata_text) {
            (None, None) => None,
            (None, Some(_)) => return Err(D::Error::missing_field("metadata")),
            (Some(json), text) => Some(JsonText::join(&json, text).map_err(D::Error::custom)?),
        };
        Ok(Self {
            object_id: fields.object_id,
            stream_id: fields.stream_id,
            version: fields.version,
            event_type: fields.event_type,
            schema_version: fields.schema_version,
            external_sequencer: fields.external_sequencer,
            action: fields.action,
            timestamp: fields.timestamp,
            position: fields.position,
            metadata,
            payload: JsonText::join(&fields.payload, fields.payload_text).map_err(D::Error::custom)?,
        })
    }
}
