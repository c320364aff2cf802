//! What the macros accept, and what they declare for it: a module for each subject, in one program.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss
)] // as users write

mod converted;
mod enums;
mod identity;
mod keys;
mod places;
mod policy;
mod register;
mod renamed_dependency;
mod scope;
mod serde_functions;
mod serde_names;
mod struct_default_key;
mod tagged_struct;
mod transparent;

use koan_backup::entity::EntityDescriptor;

/// The entities that a module declares, among all that are linked.
fn declared_in(module: &str) -> impl Iterator<Item = &'static EntityDescriptor> {
    let below = format!("{module}::");
    let linked = koan_backup::__private::ENTITIES.iter().copied();
    linked.filter(move |entity| entity.type_path().starts_with(&below))
}
