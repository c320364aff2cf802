//! Entities: the declaration, the erased type, and the backup policy of a Rust type.

pub(crate) mod codec;

mod declaration;
pub(crate) mod descriptor;
pub(crate) mod linked;
#[doc(hidden)]
pub mod option_hints;
pub(crate) mod policy;
pub mod stream;
pub mod vector;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::codec::{Projection, Record, RecordError, Row, Slot};
pub use declaration::{EntityDeclaration, FieldDeclaration, KeyDeclaration, OrderProbe, Presence, Shape};
#[doc(hidden)]
pub use declaration::{order_with, traced_with, wire_with};
pub use descriptor::{EntityCodec, EntityDescriptor};
pub use policy::{Policy, PolicyDeclaration, PolicySource, ScopeDeclaration, ScopeMode};

/// A serde type with a name and a key. Implement this trait with `#[derive(Entity)]` or `register!`.
///
/// Implementers guarantee that `Serialize` and `Deserialize` are the inverse of each other, and that values
/// of the type are serialized as JSON objects.
///
/// ```standalone_crate
/// use koan_backup::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Entity)]
/// #[entity(table = "order_lines", key = "order_id, line")]
/// struct OrderLine {
///     order_id: i64,
///     line: u32,
///     product: String,
/// }
///
/// let line = OrderLine { order_id: 7, line: 1, product: "tea".to_owned() };
/// assert_eq!(line.key(), (7, 1));
/// assert_eq!(OrderLine::descriptor().table(), Some("order_lines"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an entity",
    label = "not an entity",
    note = "an entity needs three derives: `#[derive(Serialize, Deserialize, Entity)]`; an instance of a generic type needs `register!` in place of the last"
)]
pub trait Entity: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The type of the key: the type of the key field, or a tuple of the types of several key fields.
    type Key: Serialize + Send + Sync + 'static;

    /// Returns the key of this record.
    fn key(&self) -> Self::Key;

    /// Returns the descriptor of this type.
    fn descriptor() -> &'static EntityDescriptor;
}

/// A type that is declared as the type of a key field: itself.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "the key field has the type `{Self}`, and is declared with the type `{T}`",
    label = "the declared type",
    note = "write the type of the field in `key = \"…\"`"
)]
pub trait DeclaredAs<T> {
    /// Returns the value.
    fn declared(&self) -> &T;
}

impl<T> DeclaredAs<T> for T {
    fn declared(&self) -> &T {
        self
    }
}

/// Returns a key field, if it has the type that is declared for it.
#[doc(hidden)]
pub fn declared_key<T, F: DeclaredAs<T>>(field: &F) -> &T {
    field.declared()
}
