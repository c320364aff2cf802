//! The names of declarations, which are unique because archives name entries by them.

use std::collections::BTreeMap;

use crate::entity::EntityDescriptor;
use crate::entity::stream::StreamDescriptor;
use crate::foundation::error::{Error, ErrorKind, Result};

/// A declaration that has a name.
#[derive(Clone, Copy)]
enum Named {
    Entity(&'static EntityDescriptor),
    Streams(&'static StreamDescriptor),
}

/// Checks that no two declarations share a name or an alias, or a name of a part of event streams.
///
/// # Errors
/// Two declarations share a name. The error contains both places.
pub(super) fn check(
    entities: &[&'static EntityDescriptor],
    streams: &[&'static StreamDescriptor],
) -> Result<()> {
    let of_entities = entities.iter().flat_map(|&entity| {
        let names = std::iter::once(entity.name()).chain(entity.aliases().iter().copied());
        names.map(move |name| (name, Named::Entity(entity)))
    });
    let of_streams = streams.iter().flat_map(|&streams| {
        streams.declaration().part_names.into_iter().map(move |name| (name, Named::Streams(streams)))
    });
    let mut by_name = BTreeMap::new();
    for (name, declared) in of_entities.chain(of_streams) {
        if let Some(other) = by_name.insert(name, declared) {
            return Err(shared_name_error(name, other, declared));
        }
    }
    Ok(())
}

fn shared_name_error(name: &str, one: Named, other: Named) -> Error {
    let mut descriptions = [one.description(), other.description()];
    descriptions.sort();
    let [first, second] = descriptions;
    let (what, remedy) = match (one, other) {
        (Named::Entity(_), Named::Entity(_)) => {
            ("two entities have the name", "rename one of them with `#[entity(name = \"…\")]`")
        }
        (Named::Streams(_), Named::Streams(_)) => (
            "two declarations of event streams have the object name",
            "remove one of them, or correct its object name",
        ),
        _ => (
            "an entity and a part of event streams have the name",
            "rename the entity with `#[entity(name = \"…\")]`, or remove the alias",
        ),
    };
    Error::new(ErrorKind::Inventory, format!("{what} `{name}`: {first} and {second}; {remedy}"))
}

impl Named {
    fn description(self) -> String {
        match self {
            Self::Entity(entity) => format!("`{}` at {}", entity.type_path(), entity.location()),
            Self::Streams(streams) => {
                let declaration = streams.declaration();
                let (module, ident) = (declaration.module_path, declaration.part_idents[0]);
                format!("`{module}::{ident}` at {}:{}", declaration.file, declaration.line)
            }
        }
    }
}
