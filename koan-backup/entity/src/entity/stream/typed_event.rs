//! An event that is decoded as its declared type.

use std::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::record::StreamRecord;
use super::{EventLayout, EventStream, StreamEvent};
use crate::entity::codec::RecordError;

/// An event whose payload must decode as `E`. It serializes as the stored event, so nothing is lost that `E` ignores.
pub(super) struct TypedEvent<E> {
    event: StreamEvent,
    event_type: PhantomData<fn() -> E>,
}

impl<E> Serialize for TypedEvent<E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.event.serialize(serializer)
    }
}

impl<'de, E> Deserialize<'de> for TypedEvent<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { event: StreamEvent::deserialize(deserializer)?, event_type: PhantomData })
    }
}

impl<E: EventStream> StreamRecord for TypedEvent<E> {
    fn require_declared_type(&self) -> Result<(), RecordError> {
        let declaration = E::descriptor().declaration();
        let (event_type, payload) = (&self.event.event_type, self.event.payload.as_json());
        let is_decoded = match declaration.layout {
            EventLayout::InPayload => serde_json::from_str::<E>(payload.get()).is_ok(),
            EventLayout::Beside { tag, content } => {
                let decodes = |content| {
                    let text = tagged(tag, event_type, content);
                    text.is_ok_and(|text| serde_json::from_str::<E>(&text).is_ok())
                };
                // Stores write `null` or `{}` for an event without fields.
                decodes(Some((content, payload))) || (matches!(payload.get(), "null" | "{}") && decodes(None))
            }
        };
        if is_decoded {
            return Ok(());
        }
        // The message of serde is omitted, because it may contain content of the event.
        let expected = declaration.part_idents[0];
        Err(RecordError::in_field("payload", format!("cannot be decoded as `{expected}`")))
    }
}

/// Returns the object from which an event is decoded whose type is stored beside its payload.
fn tagged(tag: &str, event_type: &str, content: Option<(&str, &RawValue)>) -> serde_json::Result<String> {
    let (tag, event_type) = (serde_json::to_string(tag)?, serde_json::to_string(event_type)?);
    match content {
        None => Ok(format!("{{{tag}:{event_type}}}")),
        Some((name, payload)) => {
            Ok(format!("{{{tag}:{event_type},{}:{}}}", serde_json::to_string(name)?, payload.get()))
        }
    }
}
