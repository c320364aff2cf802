//! The providers of event streams.

use crate::declaration::inventory::Inventory;
use crate::declaration::registry::Declared;
use crate::entity::EntityCodec;
use crate::entity::stream::{StreamDescriptor, StreamPart};
use crate::environment::KnownEntity;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::names::{names, suggestion};
use crate::provider::Provider;
use crate::provider::event_store::EventStoreCapabilities;

/// What is known of a provider when declarations are assigned to it.
#[derive(Clone, Debug)]
pub(super) struct NamedProvider {
    pub(super) name: String,
    store: NamedStore,
}

/// The event store of a provider.
#[derive(Clone, Copy, Debug)]
enum NamedStore {
    Absent,
    Present(EventStoreCapabilities),
    /// The provider could not be opened.
    Unknown,
}

impl NamedProvider {
    /// Returns a provider that was opened.
    pub(super) fn opened(name: &str, provider: &dyn Provider) -> Self {
        let store = provider.event_store().map_or(NamedStore::Absent, NamedStore::Present);
        Self { name: name.to_owned(), store }
    }

    /// Returns a provider that could not be opened.
    pub(super) fn failed(name: &str) -> Self {
        Self { name: name.to_owned(), store: NamedStore::Unknown }
    }

    fn store(&self) -> Option<EventStoreCapabilities> {
        match self.store {
            NamedStore::Present(capabilities) => Some(capabilities),
            NamedStore::Absent | NamedStore::Unknown => None,
        }
    }

    fn is_unknown(&self) -> bool {
        matches!(self.store, NamedStore::Unknown)
    }
}

/// Assigns event streams to their providers: for each object name the parts that the event store of its provider has.
/// Excluded streams are omitted. `providers` contains the default provider first.
///
/// # Errors
/// Covered streams have no provider with an event store, or several without a selection.
pub(super) fn assign(
    providers: &[NamedProvider],
    declared: &Declared,
    inventory: &Inventory,
) -> Result<Vec<KnownEntity>> {
    let mut assigned = Vec::new();
    for &streams in &declared.streams {
        let object = streams.object();
        let policy = inventory.policy(object);
        if inventory.excluded.iter().any(|excluded| excluded.entity == object) {
            continue;
        }
        let found = match provider_of(providers, streams) {
            Ok(found) => found,
            Err(error) if policy.is_some() => return Err(error),
            // Streams that are not backed up need no provider.
            Err(_) => None,
        };
        let Some((provider, store)) = found else { continue };
        let is_encrypted = policy.is_some_and(|policy| policy.encrypt);
        for part in StreamPart::ALL.into_iter().filter(|part| has_part(store, *part)) {
            let codec = EntityCodec::new(streams.part(part));
            codec.check_declaration()?;
            assigned.push(KnownEntity {
                codec: if is_encrypted { codec.with_hidden_keys() } else { codec },
                policy,
                provider: provider.to_owned(),
            });
        }
    }
    Ok(assigned)
}

fn has_part(store: EventStoreCapabilities, part: StreamPart) -> bool {
    match part {
        StreamPart::Events => true,
        StreamPart::Documents => store.documents,
        StreamPart::Snapshots => store.snapshots,
    }
}

/// Returns the provider of event streams with its event store. Returns `None` if it depends on a provider that could not be
/// opened.
fn provider_of<'p>(
    providers: &'p [NamedProvider],
    streams: &StreamDescriptor,
) -> Result<Option<(&'p str, EventStoreCapabilities)>> {
    if let Some(selected) = streams.declaration().provider {
        return selected_provider(providers, streams, selected);
    }
    let with_store: Vec<_> =
        providers.iter().filter_map(|provider| Some((provider.name.as_str(), provider.store()?))).collect();
    if let [only] = with_store.as_slice() {
        return Ok(Some(*only));
    }
    let default = providers.first();
    if let Some((default, store)) = default.and_then(|default| Some((default, default.store()?))) {
        return Ok(Some((&default.name, store)));
    }
    if providers.iter().any(NamedProvider::is_unknown) {
        return Ok(None);
    }
    let (problem, remedy) = if with_store.is_empty() {
        let remedy = format!(
            "configure the tables of events of a provider with `.event_store(…)`, add a store with \
             `Koan::builder().event_store(…)`, or exclude the streams with {}",
            exclusion(streams)
        );
        ("need an event store, and no provider has one".to_owned(), remedy)
    } else {
        let stores = names(with_store.iter().map(|(name, _)| name));
        let remedy = format!("select one with {}", selection(streams));
        (format!("can belong to each of the event stores {stores}"), remedy)
    };
    Err(configuration_error(streams, &problem, remedy))
}

fn selected_provider<'p>(
    providers: &'p [NamedProvider],
    streams: &StreamDescriptor,
    selected: &str,
) -> Result<Option<(&'p str, EventStoreCapabilities)>> {
    let Some(provider) = providers.iter().find(|provider| provider.name == selected) else {
        let remedy = format!(
            "add it with `.named_provider(\"{selected}\", …)`; {}",
            suggestion(selected, providers.iter().map(|provider| provider.name.as_str()))
        );
        let problem = format!("select provider `{selected}`, which does not exist");
        return Err(configuration_error(streams, &problem, remedy));
    };
    match (provider.store(), provider.is_unknown()) {
        (Some(store), _) => Ok(Some((&provider.name, store))),
        (None, true) => Ok(None),
        (None, false) => {
            let with_store = providers.iter().filter(|provider| provider.store().is_some());
            let remedy = format!(
                "configure its tables of events with `.event_store(…)`, or select another provider; the providers with \
                 an event store are {}",
                names(with_store.map(|provider| &provider.name))
            );
            let problem = format!("select provider `{selected}`, which has no event store");
            Err(configuration_error(streams, &problem, remedy))
        }
    }
}

fn configuration_error(streams: &StreamDescriptor, problem: &str, remedy: String) -> Error {
    let declaration = streams.declaration();
    let text = format!(
        "the event streams `{}`, declared at {}:{}, {problem}",
        streams.object(),
        declaration.file,
        declaration.line
    );
    Error::new(ErrorKind::Configuration, text).with_help(remedy)
}

/// Returns what selects a provider.
fn selection(streams: &StreamDescriptor) -> String {
    match streams.is_raw() {
        true => format!("`RawStream::new(\"{}\").provider(\"…\")`", streams.object()),
        false => "`#[event_stream(provider = \"…\")]`".to_owned(),
    }
}

/// Returns what excludes streams.
fn exclusion(streams: &StreamDescriptor) -> String {
    match streams.is_raw() {
        true => format!("`RawStream::new(\"{}\").exclude(\"…\")`", streams.object()),
        false => "`#[entity_backup(enabled = false, reason = \"…\")]`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use jiff::Timestamp;

    use super::*;
    use crate::declaration::raw_stream::RawStream;
    use crate::declaration::registry::Registry;

    #[test]
    fn the_keys_of_encrypted_streams_are_hidden() {
        for (streams, shows_keys) in
            [(RawStream::new("order").encrypt(), false), (RawStream::new("order").without_encryption(), true)]
        {
            let mut registry = Registry::empty();
            registry.register_raw(streams, Location::caller());
            let (inventory, declared) =
                Inventory::resolve(&registry, Timestamp::now()).expect("the name is valid");
            let store = EventStoreCapabilities { documents: true, snapshots: true, ..Default::default() };
            let provider = NamedProvider { name: "main".to_owned(), store: NamedStore::Present(store) };
            let assigned = assign(&[provider], &declared, &inventory).expect("there is an event store");
            let names: Vec<_> = assigned.iter().map(|known| known.codec.name()).collect();
            assert_eq!(names, ["order", "order.documents", "order.snapshots"]);
            assert!(assigned.iter().all(|known| known.codec.shows_keys() == shows_keys), "{assigned:?}");
        }
    }
}
