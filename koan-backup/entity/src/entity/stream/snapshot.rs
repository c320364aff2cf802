//! One snapshot of an aggregate.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::value::RawValue;

use super::JsonText;

/// The state of an aggregate at one version, which the store keeps so that it need not read all events.
///
/// In an archive, a snapshot is one line of JSON with the fields of this type in camelCase. An absent value is
/// omitted. `payloadText` contains the exact text of the JSON if it differs from the compact form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSnapshot {
    /// The id of the aggregate.
    pub object_id: String,
    /// The id of the stream.
    pub stream_id: String,
    /// The version of the last event that the snapshot includes, counted from 0.
    pub version: u64,
    /// The number that the store assigned to the snapshot.
    pub number: Option<u64>,
    /// The name of the snapshot, or of the type of its content.
    pub name: Option<String>,
    /// When the snapshot was recorded, as the store writes it.
    pub timestamp: Option<String>,
    /// The state of the aggregate.
    pub payload: JsonText,
}

impl StreamSnapshot {
    /// Returns whether a store returns this snapshot after `written` was written to it. See
    /// [`JsonText::is_stored_form_of`].
    pub fn is_stored_form_of(&self, written: &Self) -> bool {
        let Self { object_id, stream_id, version, number, name, timestamp, payload } = self;
        *object_id == written.object_id
            && *stream_id == written.stream_id
            && *version == written.version
            && *number == written.number
            && *name == written.name
            && *timestamp == written.timestamp
            && payload.is_stored_form_of(&written.payload)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SnapshotLine<'a> {
    object_id: &'a str,
    stream_id: &'a str,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<&'a str>,
    payload: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_text: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SnapshotFields {
    object_id: String,
    stream_id: String,
    version: u64,
    number: Option<u64>,
    name: Option<String>,
    timestamp: Option<String>,
    payload: Box<RawValue>,
    payload_text: Option<String>,
}

impl Serialize for StreamSnapshot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let line = SnapshotLine {
            object_id: &self.object_id,
            stream_id: &self.stream_id,
            version: self.version,
            number: self.number,
            name: self.name.as_deref(),
            timestamp: self.timestamp.as_deref(),
            payload: self.payload.as_json(),
            payload_text: self.payload.other_text(),
        };
        line.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StreamSnapshot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = SnapshotFields::deserialize(deserializer)?;
        Ok(Self {
            object_id: fields.object_id,
            stream_id: fields.stream_id,
            version: fields.version,
            number: fields.number,
            name: fields.name,
            timestamp: fields.timestamp,
            payload: JsonText::join(&fields.payload, fields.payload_text).map_err(D::Error::custom)?,
        })
    }
}
