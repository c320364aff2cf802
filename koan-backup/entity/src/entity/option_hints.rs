//! The options of the macros, for the completion and the hover text of rust-analyzer.
//!
//! An expansion refers to these items only if the compiler is rust-analyzer. A test of the macros checks that
//! the modules have exactly the options that the macros know. The option `crate` is missing, because it is a
//! keyword. Each module has the hidden item that ends a list of references in an expansion.

#![allow(missing_docs, non_upper_case_globals, reason = "the names are those of the options")]

use super::ScopeMode;

/// The options of `#[entity(…)]` on a type.
pub mod on_type {
    /// `name = "…"`: the name of the entity in archives and reports. The default is the identifier of the type.
    pub const name: &str = "";
    /// `table = "…"`: the table or collection of the records. By default, it has the name of the entity.
    pub const table: &str = "";
    /// `provider = "…"`: the provider that stores the records, by the name that it has in the builder.
    pub const provider: &str = "";
    /// `route = "…"`: the name in URLs of the HTTP interface. By default, it is the name of the entity.
    pub const route: &str = "";
    /// `alias = "…"` or `alias("…", "…")`: earlier names, which archives may still contain.
    pub const alias: &str = "";
    /// `key = "…"`: the fields of the key, for example `"order_id, line"`, `"base.id: i64"` or
    /// `"page_no as pageNo: i32"`. By default, the key is the field `id`.
    pub const key: &str = "";
    #[doc(hidden)]
    pub const __option: () = ();
}

/// The options of `#[entity(…)]` on a field.
pub mod on_field {
    /// `key`: the field is the key, or belongs to it. It takes no value.
    pub const key: bool = true;
    /// `column = "…"`: the column of the field, if its name differs from the serde name.
    pub const column: &str = "";
    #[doc(hidden)]
    pub const __option: () = ();
}

/// The options of `#[entity_backup(…)]`, and of `backup(…)` in `register!`.
pub mod of_policy {
    /// `encrypt` or `encrypt = false`: whether records are encrypted. By default, the scope of the crate decides.
    pub const encrypt: bool = false;
    /// `include_schema` or `include_schema = false`: whether archives contain the schema of the entity. By
    /// default, the scope of the crate decides.
    pub const include_schema: bool = true;
    /// `retention_days = 30`: a retention keeps backups of the entity for this number of days and removes older
    /// ones.
    pub const retention_days: u32 = 30;
    /// `enabled = false, reason = "…"`: the entity is not backed up, for the reason that is stated.
    pub const enabled: bool = true;
    /// `reason = "…"`: why the entity is not backed up. It is required with `enabled = false`.
    pub const reason: &str = "";
    #[doc(hidden)]
    pub const __option: () = ();
}

/// The options of `entity_backup_scope!`.
pub mod of_scope {
    /// `mode = All`: every entity of the crate is backed up. `mode = None`: only entities with
    /// `#[entity_backup]`. A mode is required.
    pub const mode: super::ScopeMode = super::ScopeMode::All;
    /// `encrypt_by_default`: entities without the option `encrypt` are encrypted. The default is `false`.
    pub const encrypt_by_default: bool = false;
    /// `include_schema_by_default = false`: archives contain no schema of entities without the option
    /// `include_schema`. The default is `true`.
    pub const include_schema_by_default: bool = true;
    #[doc(hidden)]
    pub const __option: () = ();
}

/// The values of the option `mode` of `entity_backup_scope!`.
pub mod of_mode {
    /// Every entity of the crate is backed up, unless it is excluded.
    pub const All: super::ScopeMode = super::ScopeMode::All;
    /// Only entities with `#[entity_backup]` are backed up. Each other entity causes a warning.
    pub const None: super::ScopeMode = super::ScopeMode::None;
    #[doc(hidden)]
    pub const __option: () = ();
}

/// The options of `register!`.
pub mod of_registration {
    pub use super::on_type::{alias, name, provider, route, table};

    /// `key = "id: u64"`: the fields of the key with their types, in the order of declaration. It is required.
    pub const key: &str = "";
    /// `backup` or `backup(…)`: the policy, as by `#[entity_backup(…)]`.
    pub const backup: bool = true;
    #[doc(hidden)]
    pub const __option: () = ();
}

/// The options of `#[event_stream(…)]`.
pub mod of_event_stream {
    /// `object = "…"`: the object name, which is the type of the aggregate in the event store. It is required.
    pub const object: &str = "";
    /// `provider = "…"`: the provider with the event store, by the name that it has in the builder. By default, it is the
    /// only one.
    pub const provider: &str = "";
    /// `tag = "…"`: the name of the type of an event, which the store contains beside the payload. It needs `content`.
    pub const tag: &str = "";
    /// `content = "…"`: the name of the payload, if the store contains the type beside it. It needs `tag`.
    pub const content: &str = "";
    #[doc(hidden)]
    pub const __option: () = ();
}
