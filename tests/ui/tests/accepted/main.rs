//! The accepted forms of the macros, and the descriptors that the macros create. Each subject has a module.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss
)] // code as users may write it

mod converted;
mod enums;
mod event_streams;
mod hygiene;
mod identity;
mod keys;
mod places;
mod policy;
mod prelude;
mod register;
mod renamed_dependency;
mod scope;
mod serde_functions;
mod serde_names;
mod struct_default_key;
mod tagged_struct;
mod transparent;
mod unusual;

use koan_backup::entity::EntityDescriptor;

/// Returns the entities that a module declares, out of all linked entities.
fn declared_in(module: &str) -> impl Iterator<Item = &'static EntityDescriptor> {
    let prefix = format!("{module}::");
    let linked = koan_backup::__private::ENTITIES.iter().copied();
    linked.filter(move |entity| entity.type_path().starts_with(&prefix))
}
