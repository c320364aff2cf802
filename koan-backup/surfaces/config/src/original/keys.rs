//! The keys of the original design.

use schemars::Schema;
use serde_json::{Map, Value, json};

/// The values that a key accepts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Values {
    Text,
    TimeSpan,
    Boolean,
    /// A whole number of at least 1.
    Count,
    /// One of these texts.
    Choice(&'static [&'static str]),
}

/// A key of the original design.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OriginalKey {
    /// The path of the key below `Koan`. A name that the user chooses is `*`.
    pub(crate) path: &'static str,
    pub(crate) values: Values,
    /// The setting to which the key is mapped, for the documentation.
    pub(crate) setting: &'static str,
}

const fn key(path: &'static str, values: Values, setting: &'static str) -> OriginalKey {
    OriginalKey { path, values, setting }
}

/// All keys.
pub(crate) const KEYS: &[OriginalKey] = &[
    key("Storage:DefaultProfile", Values::Text, "default_storage"),
    key("Storage:Profiles:*:Provider", Values::Text, "storage.*.url"),
    key("Storage:Profiles:*:Container", Values::Text, "storage.*.url"),
    key("Storage:Profiles:*:Settings:BucketName", Values::Text, "storage.*.url"),
    key("Storage:Profiles:*:Settings:ContainerName", Values::Text, "storage.*.url"),
    key("Storage:Profiles:*:Settings:Region", Values::Text, "storage.*.region"),
    key("Storage:Profiles:*:Settings:ConnectionString", Values::Text, "storage.*.secret_access_key"),
    key("BackupRestore:DefaultStorageProfile", Values::Text, "default_storage"),
    key("BackupRestore:WarmupEntitiesOnStartup", Values::Boolean, "warm_up"),
    key("BackupRestore:EnableBackgroundDiscovery", Values::Boolean, "discovery.enabled"),
    key("BackupRestore:EnableBackgroundMaintenance", Values::Boolean, "maintenance.enabled"),
    key("BackupRestore:MaintenanceInterval", Values::TimeSpan, "maintenance.every"),
    key("BackupRestore:RetentionPolicy:KeepDaily", Values::Count, "retention.keep_daily"),
    key("BackupRestore:RetentionPolicy:KeepWeekly", Values::Count, "retention.keep_weekly"),
    key("BackupRestore:RetentionPolicy:KeepMonthly", Values::Count, "retention.keep_monthly"),
    key("BackupRestore:RetentionDays", Values::Count, "retention.max_age_days"),
    key(
        "BackupRestore:CompressionLevel",
        Values::Choice(&["Optimal", "Fastest", "NoCompression", "SmallestSize"]),
        "backup.compression",
    ),
    key("BackupRestore:MaxConcurrentBackups", Values::Count, "backup.max_concurrency"),
    key("BackupRestore:BatchSize", Values::Count, "backup.batch_size"),
    key("BackupRestore:DefaultBatchSize", Values::Count, "backup.batch_size"),
    key("BackupRestore:EnableAdapterOptimization", Values::Boolean, "restore.level"),
    key("Backup:DefaultFormat", Values::Text, "backup"),
    key("Backup:DefaultCompress", Values::Boolean, "backup.compression"),
    key("Backup:RetentionDays", Values::Count, "retention.max_age_days"),
    key("Backup:MaxBackupsPerEntity", Values::Count, "retention.max_backups_per_entity"),
    key("Paths:Root", Values::Text, "paths.root"),
    key("Paths:Backups", Values::Text, "paths.backups"),
];

/// Returns the schema of the section `Koan`.
pub(super) fn schema() -> Schema {
    let mut root = table();
    root.insert("description".to_owned(), "The option names of the original design.".into());
    for key in KEYS {
        let mut value = match key.values {
            Values::Text => json!({ "type": "string" }),
            Values::TimeSpan => json!({ "type": "string", "format": "time-span" }),
            Values::Boolean => json!({ "type": "boolean" }),
            Values::Count => json!({ "type": "integer", "minimum": 1 }),
            Values::Choice(choices) => json!({ "type": "string", "enum": choices }),
        };
        value["description"] = format!("See `{}`.", key.setting).into();
        insert(&mut root, key.path, value);
    }
    root.into()
}

fn table() -> Map<String, Value> {
    let mut table = Map::new();
    table.insert("type".to_owned(), "object".into());
    table.insert("additionalProperties".to_owned(), false.into());
    table
}

/// Inserts the schema of a value at a path.
fn insert(parent: &mut Map<String, Value>, path: &str, value: Value) {
    let (name, rest) = path.split_once(':').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let child = if name == "*" {
        let child = parent.entry("additionalProperties").or_insert(Value::Null);
        if !child.is_object() {
            *child = Value::Object(table());
        }
        child
    } else {
        let properties = parent.entry("properties").or_insert_with(|| json!({}));
        let Some(properties) = properties.as_object_mut() else { return };
        properties.entry(name).or_insert_with(|| Value::Object(table()))
    };
    match (rest, child.as_object_mut()) {
        (Some(rest), Some(child)) => insert(child, rest, value),
        _ => *child = value,
    }
}
