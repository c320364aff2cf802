//! The object names in the event stores of providers, which the coverage compares with the declarations.

use super::KnownEntity;
use crate::declaration::inventory::{DeclarationKind, Inventory};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::provider::Provider;

/// Returns the object names in the event store of a provider that has one.
///
/// # Errors
/// The event store cannot be read.
pub(crate) async fn read(provider: &dyn Provider) -> Result<Vec<String>> {
    let snapshot = provider.snapshot().await?;
    let events = snapshot.events().ok_or_else(|| {
        let text = format!(
            "the provider of kind `{}` has an event store that its snapshots cannot read",
            provider.kind()
        );
        Error::new(ErrorKind::Internal, text)
    })?;
    events.object_names().await
}

/// Returns those of the object names in the event store of `provider` that no declaration has. Excluded and uncovered
/// streams are declared.
pub(crate) fn undeclared(
    names: Vec<String>,
    provider: &str,
    entities: &[KnownEntity],
    inventory: &Inventory,
) -> Vec<String> {
    let not_covered = inventory
        .excluded
        .iter()
        .map(|entry| (entry.kind, &entry.entity, &entry.provider))
        .chain(inventory.uncovered.iter().map(|entry| (entry.kind, &entry.entity, &entry.provider)));
    let not_covered: Vec<_> =
        not_covered.filter(|(kind, ..)| *kind == DeclarationKind::EventStream).collect();
    let is_declared = |name: &String| {
        let mut assigned =
            entities.iter().filter(|known| known.codec.descriptor().stream_object() == Some(name));
        assigned.any(|known| known.provider == provider)
            || not_covered
                .iter()
                .any(|(_, object, of)| *object == name && of.as_deref().is_none_or(|of| of == provider))
    };
    names.into_iter().filter(|name| !is_declared(name)).collect()
}
