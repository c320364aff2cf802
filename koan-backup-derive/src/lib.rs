//! The macros of `koan-backup`, which re-exports them. Depend on that crate, not on this one.
//!
//! Each macro parses, checks and expands. All mistakes of one item are reported together, each on its token and with
//! what to do about it; after a mistake the type is still an entity for the code that uses it, and is not registered.

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

/// Makes a serde type known as an entity, and says how it is backed up.
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
/// | `name = "…"` | the name in archives and reports; no `/`, `\`, `#` or control character | the identifier |
/// | `table = "…"` | the table or collection | found by the name |
/// | `provider = "…"` | the provider it is kept in | the default provider |
/// | `alias = "…"`, `alias("…", "…")` | older names, which archives may still hold; may be repeated | none |
/// | `key = "…"` | the key: see below | `#[entity(key)]` on fields, else the field `id` |
/// | `crate = "…"` | the path of `koan_backup`, where it is renamed or re-exported with its `__private` | `::koan_backup` |
///
/// # `#[entity(…)]` on a field
/// | option | meaning |
/// |---|---|
/// | `key` | it is the key, or part of it |
/// | `column = "…"` | the column it is in, where that is not found by serde's name |
///
/// # The key
/// `Entity::Key` is the type of the key field, or a tuple of the types of several **in the order in which the type
/// declares them** (an enum: its first variant), whatever the order of `key = "b, a"`. Names are those of the source,
/// without `r#`. The fields must be `Clone`.
///
/// Where the fields are those of another type, the key is written with types, in the order of that type's fields:
/// `key = "id: u64"`, `key = "a: i64, b: i32"`. Where serde calls such a field something else, that follows `as`:
/// `key = "page_no as pageNo: i32"`, or `as "page-no"` within `r#"…"#`.
///
/// # `#[entity_backup(…)]`
/// | option | meaning |
/// |---|---|
/// | `encrypt`, `encrypt = false` | whether records are encrypted |
/// | `include_schema`, `include_schema = false` | whether archives hold the schema |
/// | `retention_days = 30` | backups of it are kept for so many days and no longer, once a retention is applied |
/// | `enabled = false, reason = "…"` | it is not backed up, and why; the reason is required |
///
/// A flag without value means true. An option that is not written is left to the scope of the crate; the attribute
/// without options makes the type covered. It may be repeated, its options may not.
///
/// # Types
/// * Structs with named fields.
/// * Enums with `#[serde(tag = "…")]` or `#[serde(untagged)]`, whose variants have named fields, the key among them.
/// * `#[serde(transparent)]` structs of one of these, with `key = "id: i64"`. This is the way for generic types and for
///   types of other crates:
///   ```text
///   #[derive(Serialize, Deserialize, Entity)]
///   #[serde(transparent)]
///   #[entity(key = "id: u64")]
///   struct UserPage(Page<User>);
///   ```
/// * Types with `#[serde(from, try_from, into)]`: records hold the fields of the other type, the key is read from this
///   one, so a field renamed between them is declared as `key = "account as accountId"`.
///
/// # serde
/// `rename`, `rename_all`, `rename_all_fields`, `skip`, `default`, `flatten`, `with`, `serialize_with`,
/// `deserialize_with` and `skip_serializing_if` decide what the fields are. What could be written and not read back is
/// refused: names that differ between writing and reading, `skip_serializing` or `skip_deserializing` alone, and
/// `skip_serializing_if` without `default` on a field that is no `Option`.
#[proc_macro_derive(Entity, attributes(entity, entity_backup))]
pub fn derive_entity(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    entity::derive(&input).into()
}

/// Declares the default policy of the crate it stands in: how entities without `#[entity_backup]` are backed up.
///
/// ```text
/// koan_backup::entity_backup_scope!(mode = All, encrypt_by_default);
/// ```
///
/// | option | meaning | if it is left out |
/// |---|---|---|
/// | `mode = All` | every entity of the crate is covered | one of the two is required |
/// | `mode = None` | only those with `#[entity_backup]` are; others are warned of | |
/// | `encrypt_by_default [= bool]` | encryption of entities that do not say | `false` |
/// | `include_schema_by_default [= bool]` | schema of entities that do not say | `true` |
/// | `crate = path` | the path of `koan_backup` | `::koan_backup` |
///
/// A flag without value means true. A crate has one scope; a second one in the same module does not compile.
#[proc_macro]
pub fn entity_backup_scope(input: TokenStream) -> TokenStream {
    scope::expand(input.into()).into()
}

/// Makes a type known as an entity that cannot carry the derive, such as one instance of a generic type.
///
/// ```text
/// koan_backup::register!(Page<User>, name = "UserPage", key = "id: u64", backup(encrypt));
/// ```
///
/// First the type, which this crate must own: for one of another crate, derive `Entity` on a `#[serde(transparent)]`
/// newtype. Then, in any order:
///
/// | option | meaning |
/// |---|---|
/// | `key = "id: u64"` | required: the fields of the key with their types, in the order of declaration; they must be `Clone` and visible here. `a as b: T` where serde calls `a` by the name `b` |
/// | `name = "…"` | the name in archives and reports; required for a type with arguments |
/// | `table = "…"`, `provider = "…"`, `alias = "…"`, `alias("…", "…")`, `crate = "…"` | as for `#[entity(…)]` |
/// | `backup`, `backup(encrypt, …)` | as `#[entity_backup]`, `#[entity_backup(encrypt, …)]` |
///
/// The fields are learned from the type's `Deserialize`.
#[proc_macro]
pub fn register(input: TokenStream) -> TokenStream {
    register::expand(input.into()).into()
}
