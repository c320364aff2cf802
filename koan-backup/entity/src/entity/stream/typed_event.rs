//! An event that was decoded as its declared type.

use std::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::value::RawValue;

use super::{EventLayout, EventStream, StreamEvent};

/// An event whose payload was decoded as `E`. It serializes as the stored event, so nothing is lost that `E` ignores.
pub(super) struct TypedEvent<E> {
    event: StreamEvent,
    event_type: PhantomData<fn() -> E>,
}

impl<E> Serialize for TypedEvent<E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.event.serialize(serializer)
    }
}

impl<'de, E: EventStream> Deserialize<'de> for TypedEvent<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let event = StreamEvent::deserialize(deserializer)?;
        check::<E>(&event).map_err(D::Error::custom)?;
        Ok(Self { event, event_type: PhantomData })
    }
}

/// Decodes an event as `E`.
///
/// # Errors
/// The event cannot be decoded. The text contains no content of the event.
fn check<E: EventStream>(event: &StreamEvent) -> Result<(), String> {
    let declaration = E::descriptor().declaration();
    let payload = event.payload.as_json();
    let decoded = match declaration.layout {
        EventLayout::InPayload => serde_json::from_str::<E>(payload.get()),
        EventLayout::Beside { tag, content } => {
            tagged(tag, &event.event_type, content, payload).and_then(|text| serde_json::from_str::<E>(&text))
        }
    };
    decoded
        .map(drop)
        .map_err(|_| format!("has a payload that cannot be decoded as `{}`", declaration.part_idents[0]))
}

/// Returns the object from which an event is decoded whose type is stored beside its payload. The content of a
/// variant without fields is omitted, because serde would refuse it for a unit variant.
fn tagged(tag: &str, event_type: &str, content: &str, payload: &RawValue) -> serde_json::Result<String> {
    let (tag, event_type) = (serde_json::to_string(tag)?, serde_json::to_string(event_type)?);
    if payload.get() == "null" {
        return Ok(format!("{{{tag}:{event_type}}}"));
    }
    Ok(format!("{{{tag}:{event_type},{}:{}}}", serde_json::to_string(content)?, payload.get()))
}
