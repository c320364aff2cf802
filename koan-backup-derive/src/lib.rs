//! The macros of `koan-backup`, which re-exports them. Depend on that crate, not on this one.
//!
//! Each macro parses, checks and expands. All errors of one item are reported together, each at its token and
//! with its remedy. After an error, the type still implements `Entity` for the code that uses it, but is not
//! registered.

mod ctxt;
mod declaration;
mod entity;
mod identity;
mod key_list;
mod name;
mod options;
mod policy;
mod register;
mod scope;
mod setting;
mod spelling;
mod typed_key;

#[cfg(test)]
mod snapshots;

use proc_macro::TokenStream;

/// Derives `Entity` for a serde type, and declares how it is backed up.
///
/// ```text
/// #[derive(Serialize, Deserialize, Entity)]
/// #[entity(name = "Customer", table = "customers", alias = "Client")]
/// #[entity_backup(encrypt)]
/// struct CustomerRow {
///     id: Uuid,                       // a field called `id` is the key
///     #[entity(column = "Full Name")]
///     name: String,
/// }
/// ```
///
/// # `#[entity(…)]` on the type
/// | option | meaning | if it is left out |
/// |---|---|---|
/// | `name = "…"` | the name in archives and reports; without `/`, `\`, `#` and control characters | the identifier |
/// | `table = "…"` | the table or collection | found by the name |
/// | `provider = "…"` | the provider that stores it | the default provider |
/// | `alias = "…"`, `alias("…", "…")` | older names, which archives may still contain; may be repeated | none |
/// | `key = "…"` | the key: see below | `#[entity(key)]` on fields, else the field `id` |
/// | `crate = "…"` | the path of `koan_backup`, if it is renamed or re-exported with its `__private` | `::koan_backup` |
///
/// # `#[entity(…)]` on a field
/// | option | meaning |
/// |---|---|
/// | `key` | the field is the key, or part of it |
/// | `column = "…"` | the column of the field, if it is not found by the serde name |
///
/// # The key
/// `Entity::Key` is the type of the key field, or a tuple of the types of several **in the order in which the
/// type declares them** (an enum: its first variant), independent of the order in `key = "b, a"`. Names are
/// those of the source, without `r#`. The fields must be `Clone`.
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
/// | `retention_days = 30` | backups of it are kept for this number of days and not longer, once a retention is applied |
/// | `enabled = false, reason = "…"` | the entity is not backed up, for this reason; the reason is required |
///
/// A flag without a value means `true`. An option that is not written is decided by the scope of the crate.
/// The attribute without options makes the type covered. The attribute may be repeated, its options may not.
///
/// # Types
/// * Structs with named fields.
/// * Enums with `#[serde(tag = "…")]` or `#[serde(untagged)]`, whose variants have named fields that include
///   the key.
/// * `#[serde(transparent)]` structs of one of these, with `key = "id: i64"`. Use this for generic types and
///   for types of other crates:
///   ```text
///   #[derive(Serialize, Deserialize, Entity)]
///   #[serde(transparent)]
///   #[entity(key = "id: u64")]
///   struct UserPage(Page<User>);
///   ```
/// * Types with `#[serde(from, try_from, into)]`: records contain the fields of the other type, but the key
///   is read from this type. So a field that is renamed between them is declared as
///   `key = "account as accountId"`.
///
/// # serde
/// `rename`, `rename_all`, `rename_all_fields`, `skip`, `default`, `flatten`, `with`, `serialize_with`,
/// `deserialize_with` and `skip_serializing_if` decide what the fields are. Options with which a record could
/// be written but not read back are refused: names that differ between writing and reading,
/// `skip_serializing` or `skip_deserializing` alone, and `skip_serializing_if` without `default` on a field
/// that is not an `Option`.
#[proc_macro_derive(Entity, attributes(entity, entity_backup))]
pub fn derive_entity(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    entity::derive(&input).into()
}

/// Declares the default policy of the crate that contains it: how entities without `#[entity_backup]` are
/// backed up.
///
/// ```text
/// koan_backup::entity_backup_scope!(mode = All, encrypt_by_default);
/// ```
///
/// | option | meaning | if it is left out |
/// |---|---|---|
/// | `mode = All` | every entity of the crate is covered | one of the two is required |
/// | `mode = None` | only entities with `#[entity_backup]` are covered; there is a warning for each of the others | |
/// | `encrypt_by_default [= bool]` | whether entities without the option `encrypt` are encrypted | `false` |
/// | `include_schema_by_default [= bool]` | whether archives contain the schema of entities without the option | `true` |
/// | `crate = path` | the path of `koan_backup` | `::koan_backup` |
///
/// A flag without a value means `true`. A crate has one scope; a second one in the same module does not
/// compile.
#[proc_macro]
pub fn entity_backup_scope(input: TokenStream) -> TokenStream {
    scope::expand(input.into()).into()
}

/// Registers a type as an entity that cannot have the derive, such as one instance of a generic type.
///
/// ```text
/// koan_backup::register!(Page<User>, name = "UserPage", key = "id: u64", backup(encrypt));
/// ```
///
/// The type comes first. It must be a type of this crate: for a type of another crate, derive `Entity` on a
/// `#[serde(transparent)]` newtype. The options follow in any order:
///
/// | option | meaning |
/// |---|---|
/// | `key = "id: u64"` | required: the fields of the key with their types, in the order of declaration; they must be `Clone` and visible here. `a as b: T` if the serde name of `a` is `b` |
/// | `name = "…"` | the name in archives and reports; required for a type with generic arguments |
/// | `table = "…"`, `provider = "…"`, `alias = "…"`, `alias("…", "…")`, `crate = "…"` | as for `#[entity(…)]` |
/// | `backup`, `backup(encrypt, …)` | as `#[entity_backup]`, `#[entity_backup(encrypt, …)]` |
///
/// The fields are traced from the `Deserialize` implementation of the type.
#[proc_macro]
pub fn register(input: TokenStream) -> TokenStream {
    register::expand(input.into()).into()
}
