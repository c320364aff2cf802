//! The macros of `koan-backup`, which re-exports them. Depend on that crate, not on this one.
//!
//! Each macro parses, checks and expands. All errors of one item are reported together; each error points to
//! its token and states a remedy. After an error, the type still implements the derived trait, so that code that uses it
//! compiles, but the type is not registered.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod ctxt;
mod declaration;
mod entity;
mod event_stream;
mod hints;
mod identity;
mod key_list;
mod key_type;
mod lints;
mod name;
mod options;
mod place;
mod policy;
mod register;
mod scope;
mod setting;
mod spelling;
mod suggestion;
mod typed_key;

#[cfg(test)]
mod snapshots;

use proc_macro::TokenStream;

use self::identity::Root;

/// Derives `Entity` for a serde type, and declares how it is backed up.
///
/// ```standalone_crate
/// use koan_backup::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Entity)]
/// #[entity(name = "Customer", table = "customers", alias = "Client")]
/// #[entity_backup(encrypt)]
/// struct CustomerRow {
///     id: i64, // a field called `id` is the key
///     #[entity(column = "Full Name")]
///     name: String,
/// }
/// # let customer = CustomerRow { id: 7, name: "Ada".to_owned() };
/// # assert_eq!((CustomerRow::descriptor().name(), customer.key()), ("Customer", 7));
/// ```
///
/// # `#[entity(…)]` on the type
/// | option | meaning | default |
/// |---|---|---|
/// | `name = "…"` | the name in archives and reports; without `/`, `\`, `#` and control characters | the identifier |
/// | `table = "…"` | the table or collection | the table with the name of the entity |
/// | `provider = "…"` | the provider that stores the records | the default provider |
/// | `route = "…"` | the name in URLs: lower-case letters, digits, `-` and `_` | the name of the entity |
/// | `alias = "…"`, `alias("…", "…")` | earlier names, which archives may still contain; may be repeated | no alias |
/// | `key = "…"` | the key: see below | the fields with `#[entity(key)]`, otherwise the field `id` |
/// | `crate = "…"` | the path of `koan_backup`, if the crate is renamed, or re-exported with its `__private` | `::koan_backup` |
///
/// # `#[entity(…)]` on a field
/// | option | meaning |
/// |---|---|
/// | `key` | the field is the key, or belongs to it |
/// | `column = "…"` | the column of the field, if its name differs from the serde name |
///
/// # The key
/// `Entity::Key` is the type of the key field, or a tuple of the types of several key fields in the order in
/// which the type declares them (for an enum: the first variant). `key = "a, b"` must list them in this order,
/// so that the order in the source is the order of the tuple and of archives. The names are those of the
/// source, without `r#`. The fields must be `Clone`. A key cannot be an `Option`, a floating-point number, a map
/// or `()`. What the macro cannot see is checked when the context is built.
///
/// ```standalone_crate
/// # use koan_backup::prelude::*;
/// # use serde::{Deserialize, Serialize};
/// #[derive(Serialize, Deserialize, Entity)]
/// #[entity(key = "order_id, line")] // or `#[entity(key)]` on both fields
/// struct OrderLine {
///     order_id: i64,
///     line: u32,
///     product: String,
/// }
///
/// let line = OrderLine { order_id: 7, line: 1, product: "tea".to_owned() };
/// assert_eq!(line.key(), (7, 1));
/// ```
///
/// A key in a field with `#[serde(flatten)]` is declared with its path and its type: `key = "base.id: i64"`, or
/// `key = "tenant, base.id: i64"`.
///
/// ```standalone_crate
/// # use koan_backup::prelude::*;
/// # use serde::{Deserialize, Serialize};
/// #[derive(Serialize, Deserialize)]
/// struct Base {
///     id: i64,
///     version: u32,
/// }
///
/// #[derive(Serialize, Deserialize, Entity)]
/// #[entity(key = "base.id: i64")]
/// struct Product {
///     #[serde(flatten)]
///     base: Base,
///     title: String,
/// }
/// # let base = Base { id: 7, version: 1 };
/// # assert_eq!(Product { base, title: "tea".to_owned() }.key(), 7);
/// ```
///
/// If the fields belong to another type, the key is declared with types, in the order of that type's fields:
/// `key = "id: u64"`, `key = "a: i64, b: i32"`. If such a field has another serde name, that name follows
/// `as`: `key = "page_no as pageNo: i32"`, or `as "page-no"` within `r#"…"#`.
///
/// # `#[entity_backup(…)]`
/// | option | meaning |
/// |---|---|
/// | `encrypt`, `encrypt = false` | whether records are encrypted |
/// | `include_schema`, `include_schema = false` | whether archives contain the schema |
/// | `retention_days = 30` | a retention keeps backups of the entity for this number of days and removes older ones |
/// | `enabled = false, reason = "…"` | the entity is not backed up, for this reason; the reason is required |
///
/// A flag without a value means `true`. The scope of the crate decides about an omitted option. The attribute
/// without options makes the type covered. The attribute may be repeated, but not its options.
///
/// # Types
/// * Structs with named fields.
/// * Enums with `#[serde(tag = "…")]` or `#[serde(untagged)]`, whose variants have named fields that include
///   the key.
/// * `#[serde(transparent)]` structs whose field is such a type, with `key = "id: i64"`. Use them for generic
///   types and for types of other crates:
///   ```standalone_crate
///   # use koan_backup::prelude::*;
///   # use serde::{Deserialize, Serialize};
///   # #[derive(Serialize, Deserialize)]
///   # struct User { name: String }
///   #[derive(Serialize, Deserialize)]
///   struct Page<T> {
///       id: u64,
///       items: Vec<T>,
///   }
///
///   #[derive(Serialize, Deserialize, Entity)]
///   #[serde(transparent)]
///   #[entity(key = "id: u64")]
///   struct UserPage(Page<User>);
///   ```
/// * Types with `#[serde(from, try_from, into)]`: records contain the fields of the other type, but the key is
///   read from this type. A key field that has another name in the other type is therefore declared as
///   `key = "account as accountId"`.
///
/// # serde
/// `rename`, `rename_all`, `rename_all_fields`, `skip`, `default`, `flatten`, `with`, `serialize_with`,
/// `deserialize_with` and `skip_serializing_if` determine the fields of records. Options with which a record
/// could be written but not read back are refused: names that differ between writing and reading,
/// `skip_serializing` without `skip_deserializing` or the reverse, and `skip_serializing_if` without `default`
/// on a field that is not an `Option`.
#[proc_macro_derive(Entity, attributes(entity, entity_backup))]
pub fn derive_entity(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    entity::derive(&input, Root::Framework).into()
}

/// Derives `EventStream` for the type of the events of one type of aggregate, and declares how its streams are backed up.
///
/// ```standalone_crate
/// use koan_backup::prelude::*;
/// use serde::Deserialize;
///
/// #[derive(Deserialize, EventStream)]
/// #[event_stream(object = "order")]
/// #[entity_backup(encrypt)]
/// enum OrderEvent {
///     Placed { customer: i64 },
///     Shipped { parcel: String },
///     Cancelled,
/// }
/// # assert_eq!(OrderEvent::descriptor().object(), "order");
/// ```
///
/// A backup contains every event as the store contains it. It fails if an event cannot be decoded as the type.
///
/// # `#[event_stream(…)]`
/// | option | meaning | default |
/// |---|---|---|
/// | `object = "…"` | required: the object name, which is the type of the aggregate in the event store; at most 200 bytes without control characters, and not ending with `.documents` or `.snapshots` | |
/// | `provider = "…"` | the provider with the event store | the only provider with an event store, otherwise the default provider |
/// | `tag = "…", content = "…"` | the store contains the type of an event beside its payload: the event is decoded from a map with these two names | the payload contains the type, as serde writes it |
/// | `crate = "…"` | the path of `koan_backup`, if the crate is renamed, or re-exported with its `__private` | `::koan_backup` |
///
/// With `tag` and `content`, the enum has the same names for serde. The content of an event whose payload is `null` is
/// omitted, so that it can be a variant without fields.
///
/// ```standalone_crate
/// # use koan_backup::prelude::*;
/// # use serde::Deserialize;
/// #[derive(Deserialize, EventStream)]
/// #[serde(tag = "type", content = "payload")]
/// #[event_stream(object = "invoice", tag = "type", content = "payload")]
/// enum InvoiceEvent {
///     Issued { amount: i64 },
///     Paid,
/// }
/// # assert_eq!(InvoiceEvent::descriptor().object(), "invoice");
/// ```
///
/// # `#[entity_backup(…)]`
/// The options are those of [`Entity`](derive@Entity). The scope of the crate decides about an omitted option, and about
/// streams without the attribute.
///
/// # Types
/// Enums and structs that implement `Deserialize`. A generic type needs a `#[serde(transparent)]` newtype. If there is no
/// type for the events, `KoanBuilder::register_raw` declares the object name.
#[proc_macro_derive(EventStream, attributes(event_stream, entity_backup))]
pub fn derive_event_stream(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    event_stream::derive(&input, Root::Framework).into()
}

/// Declares the default policy of the crate that contains it: how entities and event streams without `#[entity_backup]`
/// are backed up.
///
/// ```standalone_crate
/// # use koan_backup::prelude::*;
/// # use serde::{Deserialize, Serialize};
/// koan_backup::entity_backup_scope!(mode = All, encrypt_by_default);
///
/// #[derive(Serialize, Deserialize, Entity)]
/// struct Patient {
///     id: i64,
///     diagnosis: String,
/// }
///
/// # fn main() -> koan_backup::Result<()> {
/// let inventory = Inventory::linked()?;
/// assert!(inventory.included[0].policy.encrypt);
/// # Ok(())
/// # }
/// ```
///
/// | option | meaning | default |
/// |---|---|---|
/// | `mode = All` | every entity of the crate is covered | none: a mode is required |
/// | `mode = None` | only entities with `#[entity_backup]` are covered; each other entity causes a warning | |
/// | `encrypt_by_default [= bool]` | whether entities without the option `encrypt` are encrypted | `false` |
/// | `include_schema_by_default [= bool]` | whether archives contain the schema of entities without the option | `true` |
/// | `crate = path` | the path of `koan_backup` | `::koan_backup` |
///
/// A flag without a value means `true`. A crate has one scope; a second scope in the same module does not
/// compile.
#[proc_macro]
pub fn entity_backup_scope(input: TokenStream) -> TokenStream {
    scope::expand(input.into(), Root::Framework).into()
}

/// Registers a type as an entity if the type cannot have the derive, for example an instance of a generic type.
///
/// ```standalone_crate
/// use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize)]
/// # struct User { name: String }
///
/// #[derive(Serialize, Deserialize)]
/// struct Page<T> {
///     id: u64,
///     items: Vec<T>,
/// }
///
/// koan_backup::register!(Page<User>, name = "UserPage", key = "id: u64", backup(encrypt));
/// # fn main() {}
/// ```
///
/// The type comes first. It must be a type of this crate: for a type of another crate, derive `Entity` on a
/// `#[serde(transparent)]` newtype. The options follow in any order:
///
/// | option | meaning |
/// |---|---|
/// | `key = "id: u64"` | required: the fields of the key with their types, in the order of declaration; they must be `Clone` and visible at the call. `a as b: T` if the serde name of `a` is `b` |
/// | `name = "…"` | the name in archives and reports; required for a type with generic arguments |
/// | `table = "…"`, `provider = "…"`, `route = "…"`, `crate = "…"` | as for `#[entity(…)]` |
/// | `alias = "…"`, `alias("…", "…")` | as for `#[entity(…)]` |
/// | `backup`, `backup(encrypt, …)` | as `#[entity_backup]`, `#[entity_backup(encrypt, …)]` |
///
/// The fields are traced from the `Deserialize` implementation of the type.
#[proc_macro]
pub fn register(input: TokenStream) -> TokenStream {
    register::expand(input.into(), Root::Framework).into()
}

/// Derives `Entity` for a serde type, and declares how it is backed up.
///
/// It is the derive of the crate `koan-backup-entity`. Its options are those of [`Entity`](derive@Entity), the derive of
/// `koan-backup`; the default of `crate` is `::koan_backup_entity`.
#[proc_macro_derive(ModelEntity, attributes(entity, entity_backup))]
pub fn derive_model_entity(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    entity::derive(&input, Root::Entity).into()
}

/// Derives `EventStream` for the type of the events of one type of aggregate, and declares how its streams are backed up.
///
/// It is the derive of the crate `koan-backup-entity`. Its options are those of [`EventStream`](derive@EventStream), the
/// derive of `koan-backup`; the default of `crate` is `::koan_backup_entity`.
#[proc_macro_derive(ModelEventStream, attributes(event_stream, entity_backup))]
pub fn derive_model_event_stream(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    event_stream::derive(&input, Root::Entity).into()
}

/// Declares the default policy of the crate that contains it: how entities without `#[entity_backup]` are backed up.
///
/// It is the macro of the crate `koan-backup-entity`. Its options are those of [`entity_backup_scope!`] of `koan-backup`;
/// the default of `crate` is `::koan_backup_entity`.
#[proc_macro]
pub fn model_backup_scope(input: TokenStream) -> TokenStream {
    scope::expand(input.into(), Root::Entity).into()
}

/// Registers a type as an entity if the type cannot have the derive, for example an instance of a generic type.
///
/// It is the macro of the crate `koan-backup-entity`. Its options are those of [`register!`] of `koan-backup`; the default of
/// `crate` is `::koan_backup_entity`.
#[proc_macro]
pub fn register_model(input: TokenStream) -> TokenStream {
    register::expand(input.into(), Root::Entity).into()
}
