//! Entities: what the engine knows of a type.

mod declaration;
mod descriptor;
mod policy;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use declaration::{
    EntityDeclaration, FieldDeclaration, OrderProbe, Presence, Shape, order_with, traced_with, wire_with,
};
pub(crate) use descriptor::crate_of;
pub use descriptor::{EntityCodec, EntityDescriptor};
pub(crate) use policy::{Decision, decide};
pub use policy::{Policy, PolicyDeclaration, PolicySource, ScopeDeclaration, ScopeMode};

/// A serde type with a name and a key. Implemented by `#[derive(Entity)]` or `register!`.
///
/// Implementers guarantee that `Serialize` and `Deserialize` are inverse, and that the type is written as a JSON object.
pub trait Entity: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The type of the key: that of the key field, or a tuple of those of several.
    type Key: Serialize + Send + Sync + 'static;

    /// The key of this record.
    fn key(&self) -> Self::Key;

    /// What the engine knows of this type.
    fn descriptor() -> &'static EntityDescriptor;
}
