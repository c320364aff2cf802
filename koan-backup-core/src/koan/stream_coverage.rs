//! Checks the coverage of event stores: whether each object name belongs to a declaration.

use std::time::Duration;

use crate::declaration::inventory::{Inventory, Remedy};
use crate::environment::{KnownEntity, object_names};
use crate::foundation::names::names;
use crate::provider::Provider;

/// How long a description waits for the object names of an event store, so that a store that does not respond does not
/// prevent the start.
const OBJECT_NAMES_TIMEOUT: Duration = Duration::from_secs(10);

/// Adds the coverage of the event store of a provider to an inventory: object names that no declaration has, or that the
/// store cannot be read. Does nothing if the provider has no event store.
pub(super) async fn add(
    name: &str,
    provider: &dyn Provider,
    entities: &[KnownEntity],
    inventory: &mut Inventory,
) {
    if provider.event_store().is_none() {
        return;
    }
    match tokio::time::timeout(OBJECT_NAMES_TIMEOUT, object_names::read(provider)).await {
        Ok(Ok(found)) => {
            for object in object_names::undeclared(found, name, entities, inventory) {
                let mut text =
                    format!("object name `{object}` in the event store of `{name}` belongs to no event type");
                text.push_str(&elsewhere(&object, entities));
                inventory.warn(Remedy::EventStream, text);
            }
        }
        Ok(Err(error)) => {
            let problem = format!("the event store of provider `{name}` cannot be read: {}", error.chain());
            if !inventory.add_stream_problem(name, &problem) {
                inventory.warn(Remedy::InWarning, problem);
            }
        }
        Err(_) => {
            let seconds = OBJECT_NAMES_TIMEOUT.as_secs();
            let text = format!(
                "the event store of provider `{name}` did not list its object names within {seconds} seconds, so it is not \
                 known whether each of them is declared; check the network, and whether the store is overloaded or locked"
            );
            inventory.warn(Remedy::InWarning, text);
        }
    }
}

/// Returns the end of a warning about an object name that is declared for another provider.
fn elsewhere(object: &str, entities: &[KnownEntity]) -> String {
    let known = entities.iter().find(|known| known.codec.descriptor().stream_object() == Some(object));
    known.map_or_else(String::new, |known| {
        format!("; its event type is assigned to provider {}", names([&known.provider].into_iter()))
    })
}
