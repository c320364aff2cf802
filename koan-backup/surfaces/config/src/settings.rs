//! The settings. Their doc comments are the descriptions in `koan.schema.json`, and their types decide what a file may
//! contain.

mod encryption;
mod http;
mod notification;
mod operations;
mod provider;
mod storage;
mod upkeep;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

pub(crate) use encryption::EncryptionSettings;
pub(crate) use http::HttpSettings;
pub(crate) use notification::{EventSetting, NotificationSettings, TargetSetting};
pub(crate) use operations::{BackupSettings, RestoreSettings};
pub(crate) use provider::{LayoutSetting, ProviderSettings};
pub(crate) use storage::StorageSettings;
pub(crate) use upkeep::{
    DirectorySettings, DiscoverySettings, ExpectationSettings, MaintenanceSettings, RetentionSettings,
};

use crate::original::Original;
use crate::time_span::TimeSpan;

/// The configuration of koan-backup.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "koan.toml")]
pub(crate) struct Settings {
    /// The name of the application. Together with the environment it distinguishes the backups of this application from
    /// others in the same storage profile.
    #[schemars(extend("default" = "default"))]
    pub(crate) application: Option<String>,
    /// The environment of the application, for example `production`. The default is the value of the variable
    /// `KOAN_ENV`, or else `development`.
    pub(crate) environment: Option<String>,
    /// Whether the start fails if an entity, table or column is uncovered.
    #[schemars(extend("default" = false))]
    pub(crate) deny_uncovered: Option<bool>,
    /// How long the lease of a backup, rekey or restore is valid without a renewal, from `1s` to `1h`.
    #[schemars(extend("default" = "1m"))]
    pub(crate) lease_time: Option<TimeSpan>,
    /// The directory of the cache of manifests. Without it, manifests are cached in memory only.
    pub(crate) catalog_cache: Option<PathBuf>,
    /// Whether providers and storage profiles are opened in the background when the application starts.
    #[schemars(extend("default" = false))]
    pub(crate) warm_up: Option<bool>,
    /// Directories.
    pub(crate) paths: PathSettings,
    /// The databases, each with its name and its URL, for example `main = "sqlite:shop.db"`.
    #[schemars(schema_with = "providers_schema")]
    pub(crate) providers: BTreeMap<String, ProviderSettings>,
    /// The name of the default storage profile. The default is `local`, or the only profile.
    pub(crate) default_storage: Option<String>,
    /// The storage profiles, each with its name and its URL, for example `local = ".koan/backups"`.
    #[schemars(schema_with = "storage_schema")]
    pub(crate) storage: BTreeMap<String, StorageSettings>,
    /// Defaults of backups.
    pub(crate) backup: BackupSettings,
    /// Defaults of restores.
    pub(crate) restore: RestoreSettings,
    /// Encryption and keys.
    pub(crate) encryption: EncryptionSettings,
    /// Which backups maintenance and `forget` keep. Without a rule, no backup is removed.
    pub(crate) retention: RetentionSettings,
    /// The directory trees that maintenance prunes, each with a name. Maintenance does not change other trees.
    pub(crate) directories: BTreeMap<String, DirectorySettings>,
    /// Maintenance.
    pub(crate) maintenance: MaintenanceSettings,
    /// The discovery of backups that other machines have made.
    pub(crate) discovery: DiscoverySettings,
    /// What is expected of the backups, for `health` and `doctor`.
    pub(crate) expectations: ExpectationSettings,
    /// The server of the command `serve`.
    pub(crate) http: HttpSettings,
    /// The targets of notifications, each with its name.
    pub(crate) notifications: BTreeMap<String, NotificationSettings>,
    /// The option names of the original design.
    #[serde(rename = "Koan")]
    pub(crate) koan: Original,
}

/// Directories.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PathSettings {
    /// The state directory, in which this machine remembers which locations it has used. The default is `.koan`, or
    /// `/var/koan` if the variable `KOAN_ENV` is `production`.
    pub(crate) root: Option<PathBuf>,
    /// The directory of the storage profile `local`, if no storage profile is declared. The default is `backups` in the
    /// state directory.
    pub(crate) backups: Option<PathBuf>,
}

fn providers_schema(generator: &mut SchemaGenerator) -> Schema {
    let provider = generator.subschema_for::<ProviderSettings>();
    json_schema!({ "type": "object", "additionalProperties": { "anyOf": [{ "type": "string" }, provider] } })
}

fn storage_schema(generator: &mut SchemaGenerator) -> Schema {
    let storage = generator.subschema_for::<StorageSettings>();
    json_schema!({ "type": "object", "additionalProperties": { "anyOf": [{ "type": "string" }, storage] } })
}
