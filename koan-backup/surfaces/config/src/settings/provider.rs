//! The settings of a provider.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::secret::{SecretText, address_schema, secret_schema};
use crate::time_span::TimeSpan;

/// A database. Options that its kind does not have are refused.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    not(all(feature = "sqlite", feature = "postgres", feature = "json")),
    allow(dead_code, reason = "each field is read with the feature of its provider")
)]
pub(crate) struct ProviderSettings {
    /// The URL: `sqlite:shop.db`, `postgres://user@host/database`, `json:./data?layout=lines` or `memory:`.
    #[schemars(schema_with = "address_schema")]
    pub(crate) url: SecretText,
    /// PostgreSQL: the password.
    #[serde(default)]
    #[schemars(schema_with = "secret_schema")]
    pub(crate) password: Option<SecretText>,
    /// SQLite: whether the file is opened read-only. A restore then fails.
    pub(crate) read_only: Option<bool>,
    /// SQLite and JSON: whether a missing database is created.
    pub(crate) create_if_missing: Option<bool>,
    /// SQLite: how long to wait for a database that another process has locked. The default is `10s`.
    pub(crate) busy_timeout: Option<TimeSpan>,
    /// JSON: how long to wait for a lock that another restore or backup holds. The default is `30s`.
    pub(crate) lock_timeout: Option<TimeSpan>,
    /// JSON: the layout of the files.
    pub(crate) layout: Option<LayoutSetting>,
    /// PostgreSQL: how many entities are read at the same time, each with its own connection. The default is 2.
    pub(crate) connections: Option<NonZeroUsize>,
    /// PostgreSQL: the schemas in which tables are searched, instead of the role's `search_path`.
    pub(crate) schemas: Option<Vec<String>>,
    /// PostgreSQL: the PEM file with the root certificates that verify the certificate of the server.
    pub(crate) root_certificate: Option<PathBuf>,
    /// PostgreSQL: whether materialized views that depend on restored tables are refreshed.
    pub(crate) refresh_materialized_views: Option<bool>,
    /// SQLite and PostgreSQL: the tables that intentionally belong to no entity, each with the reason.
    pub(crate) ignore_tables: Option<BTreeMap<String, String>>,
    /// PostgreSQL: the standalone sequences that need no backup, each with the reason.
    pub(crate) ignore_sequences: Option<BTreeMap<String, String>>,
    /// PostgreSQL: the materialized views that need no refresh after a restore, each with the reason.
    pub(crate) ignore_materialized_views: Option<BTreeMap<String, String>>,
    /// PostgreSQL: the reason why the large objects of the database need no backup.
    pub(crate) ignore_large_objects: Option<String>,
    /// SQLite and PostgreSQL: the tables and columns (`table.column`) that triggers fill, each with a description of how
    /// the application recomputes them after a restore.
    pub(crate) recomputed: Option<BTreeMap<String, String>>,
}

/// The layout of a directory of JSON files.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LayoutSetting {
    /// One file for each set, with a document on each line.
    Lines,
    /// One file for each document.
    Documents,
}
