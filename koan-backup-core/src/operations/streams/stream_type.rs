//! The type of an aggregate: its event type, its policy and its store.

use std::sync::Arc;

use crate::entity::stream::StreamPart;
use crate::entity::{EntityCodec, Policy};
use crate::environment::Environment;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::names::suggestion;
use crate::provider::Provider;
use crate::provider::event_store::EventStoreCapabilities;

/// A declared type of aggregates, with the store of its streams.
#[derive(Clone, Debug)]
pub(crate) struct StreamType<'e> {
    pub(crate) object: &'static str,
    /// The codec of the events.
    pub(crate) codec: &'e EntityCodec,
    /// The backup policy. `None` if the type is excluded or uncovered.
    pub(crate) policy: Option<Policy>,
    pub(crate) provider_name: &'e str,
    pub(crate) provider: &'e Arc<dyn Provider>,
    pub(crate) store: EventStoreCapabilities,
}

impl<'e> StreamType<'e> {
    /// Finds the type with an object name.
    ///
    /// # Errors
    /// No type declares the object name, or its provider has no event store.
    pub(crate) fn find(environment: &'e Environment, object: &str) -> Result<Self> {
        let parts = || {
            let events = |known: &&crate::environment::KnownEntity| {
                known.codec.descriptor().stream_part() == Some(StreamPart::Events)
            };
            environment.entities.iter().filter(events)
        };
        let known = parts().find(|known| known.codec.descriptor().stream_object() == Some(object));
        let (Some(known), Some(object)) =
            (known, known.and_then(|known| known.codec.descriptor().stream_object()))
        else {
            let names: Vec<_> =
                parts().filter_map(|known| known.codec.descriptor().stream_object()).collect();
            let shown: String = object.chars().take(40).flat_map(char::escape_debug).collect();
            let text = format!("no event type declares streams with the object name `{shown}`");
            let declare = format!(
                "declare it with `#[derive(EventStream)]` and `#[event_stream(object = \"{shown}\")]`, or accept any JSON \
                 with `.register_raw(\"{shown}\")`"
            );
            let help = match names.is_empty() {
                true => declare,
                false => format!("{}; otherwise {declare}", suggestion(object, names.into_iter())),
            };
            return Err(Error::new(ErrorKind::NotFound, text).with_help(help));
        };
        let provider = environment.provider(&known.provider)?;
        let store = provider.event_store().ok_or_else(|| {
            let text =
                format!("the provider `{}` of the streams of `{object}` has no event store", known.provider);
            Error::new(ErrorKind::Configuration, text).with_help("add one with `.event_store(…)`")
        })?;
        Ok(Self {
            object,
            codec: &known.codec,
            policy: known.policy,
            provider_name: &known.provider,
            provider,
            store,
        })
    }

    /// Returns the name of an aggregate for messages. The id is hidden if the type is encrypted.
    pub(crate) fn text(&self, object_id: &str) -> String {
        let id = if self.codec.shows_keys() { object_id } else { "(hidden)" };
        format!("event stream {} `{}`", self.object, id.escape_debug())
    }
}
