//! The option names of the original design.

use std::collections::BTreeSet;

use koan_backup::ErrorKind;

use super::effects::leaves;
use super::fixture::Folder;
use crate::original::KEYS;
use crate::schema::Shape;
use crate::{Configuration, ConfigurationSources};

fn load(folder: &Folder, koan: &str) -> koan_backup::Result<Configuration> {
    let file = folder.write("koan.json", &format!("{{ \"Koan\": {koan} }}"));
    ConfigurationSources::new().file(file).load()
}

/// Returns the effective values that are not defaults.
fn values(configuration: &Configuration) -> Vec<String> {
    let set = configuration.effective().iter().filter(|value| value.origin != crate::Origin::Default);
    set.map(|value| format!("{} = {}", value.key, value.value)).collect()
}

/// Configurations and the settings that they lead to.
const TRANSLATIONS: &[(&str, &[&str])] = &[
    (r#"{ "Storage": { "DefaultProfile": "dr" } }"#, &["default_storage = \"dr\""]),
    (
        r#"{ "Storage": { "Profiles": { "a": { "Provider": "local", "Container": "/backups" } } } }"#,
        &["storage.a.url = \"/backups\""],
    ),
    (
        r#"{ "Storage": { "Profiles": { "a": { "Provider": "s3", "Settings": { "BucketName": "b", "Region": "eu" } } } } }"#,
        &["storage.a.region = \"eu\"", "storage.a.url = \"s3://b\""],
    ),
    (
        r#"{ "Storage": { "Profiles": { "a": { "Provider": "s3", "Container": "shop", "Settings": { "BucketName": "b" } } } } }"#,
        &["storage.a.url = \"s3://b/shop\""],
    ),
    (
        r#"{ "Storage": { "Profiles": { "a": { "Provider": "azure-blob", "Settings": {
            "ContainerName": "c", "ConnectionString": "AccountName=acc;AccountKey=aGk=;EndpointSuffix=core.windows.net" } } } } }"#,
        &[
            "storage.a.access_key_id = \"acc\"",
            "storage.a.secret_access_key = ***",
            "storage.a.url = \"az://c\"",
        ],
    ),
    (
        r#"{ "Storage": { "Profiles": { "a": { "Provider": "azure-blob", "Container": "c", "Settings": {
            "ConnectionString": "AccountName=acc;SharedAccessSignature=sig;BlobEndpoint=https://x" } } } } }"#,
        &[
            "storage.a.access_key_id = \"acc\"",
            "storage.a.endpoint = \"https://x\"",
            "storage.a.options.sas_key = ***",
            "storage.a.url = \"az://c\"",
        ],
    ),
    (
        r#"{ "Storage": { "Profiles": { "a": { "Provider": "gcs", "Settings": { "BucketName": "b" } } } } }"#,
        &["storage.a.url = \"gs://b\""],
    ),
    (r#"{ "BackupRestore": { "DefaultStorageProfile": "dr" } }"#, &["default_storage = \"dr\""]),
    (r#"{ "BackupRestore": { "WarmupEntitiesOnStartup": true } }"#, &["warm_up = true"]),
    (r#"{ "BackupRestore": { "EnableBackgroundDiscovery": true } }"#, &["discovery.enabled = true"]),
    (r#"{ "BackupRestore": { "EnableBackgroundMaintenance": true } }"#, &["maintenance.enabled = true"]),
    (r#"{ "BackupRestore": { "MaintenanceInterval": "06:00:00" } }"#, &["maintenance.every = \"06:00:00\""]),
    (
        r#"{ "BackupRestore": { "RetentionPolicy": { "KeepDaily": 7, "KeepWeekly": 4, "KeepMonthly": 12 } } }"#,
        &["retention.keep_daily = 7", "retention.keep_monthly = 12", "retention.keep_weekly = 4"],
    ),
    (r#"{ "BackupRestore": { "RetentionDays": 30 } }"#, &["retention.max_age_days = 30"]),
    (r#"{ "BackupRestore": { "CompressionLevel": "Optimal" } }"#, &["backup.compression = \"deflate:6\""]),
    (r#"{ "BackupRestore": { "CompressionLevel": "Fastest" } }"#, &["backup.compression = \"deflate:1\""]),
    (r#"{ "BackupRestore": { "CompressionLevel": "NoCompression" } }"#, &["backup.compression = \"stored\""]),
    (
        r#"{ "BackupRestore": { "CompressionLevel": "SmallestSize" } }"#,
        &["backup.compression = \"deflate:9\""],
    ),
    (r#"{ "BackupRestore": { "MaxConcurrentBackups": 3 } }"#, &["backup.max_concurrency = 3"]),
    (r#"{ "BackupRestore": { "BatchSize": 5 } }"#, &["backup.batch_size = 5", "restore.batch_size = 5"]),
    (
        r#"{ "BackupRestore": { "DefaultBatchSize": 6 } }"#,
        &["backup.batch_size = 6", "restore.batch_size = 6"],
    ),
    (r#"{ "BackupRestore": { "EnableAdapterOptimization": false } }"#, &["restore.level = \"safe\""]),
    (r#"{ "BackupRestore": { "EnableAdapterOptimization": true } }"#, &["restore.level = \"fast\""]),
    (r#"{ "Backup": { "DefaultFormat": "zip" } }"#, &[]),
    (r#"{ "Backup": { "DefaultCompress": false } }"#, &["backup.compression = \"stored\""]),
    (r#"{ "Backup": { "DefaultCompress": true } }"#, &["backup.compression = \"deflate\""]),
    (r#"{ "Backup": { "RetentionDays": 20 } }"#, &["retention.max_age_days = 20"]),
    (r#"{ "Backup": { "MaxBackupsPerEntity": 9 } }"#, &["retention.max_backups_per_entity = 9"]),
    (r#"{ "Paths": { "Root": "state" } }"#, &["paths.root = \"state\""]),
    (r#"{ "Paths": { "Backups": "archives" } }"#, &["paths.backups = \"archives\""]),
    // Overlaps.
    (
        r#"{ "Storage": { "DefaultProfile": "a" }, "BackupRestore": { "DefaultStorageProfile": "b" } }"#,
        &["default_storage = \"b\""],
    ),
    (
        r#"{ "Backup": { "RetentionDays": 20 }, "BackupRestore": { "RetentionDays": 30 } }"#,
        &["retention.max_age_days = 30"],
    ),
    (
        r#"{ "Backup": { "DefaultCompress": false }, "BackupRestore": { "CompressionLevel": "Fastest" } }"#,
        &["backup.compression = \"deflate:1\""],
    ),
    (
        r#"{ "BackupRestore": { "DefaultBatchSize": 6, "BatchSize": 5 } }"#,
        &["backup.batch_size = 5", "restore.batch_size = 5"],
    ),
    (
        r#"{ "Paths": { "Backups": "/var/x" }, "Storage": { "Profiles": { "a": { "Provider": "local", "Container": "c" } } } }"#,
        &["storage.a.url = \"/var/x/c\""],
    ),
    (
        r#"{ "Paths": { "Backups": "/var/x" }, "Storage": { "Profiles": { "a": { "Provider": "local" } } } }"#,
        &["storage.a.url = \"/var/x\""],
    ),
];

#[test]
fn each_key_leads_to_its_setting() {
    let folder = Folder::new();
    for (text, expected) in TRANSLATIONS {
        let configuration = load(&folder, text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(values(&configuration), *expected, "{text}");
    }
}

#[test]
fn every_key_of_the_original_design_is_in_the_schema_and_has_a_test() {
    let mut keys = BTreeSet::new();
    leaves(Shape::root().child("Koan").expect("the section exists"), "", &mut keys);
    let listed: BTreeSet<_> = KEYS.iter().map(|key| key.path.replace(':', ".")).collect();
    assert_eq!(keys, listed);
    for key in KEYS {
        let name = key.path.rsplit(':').next().expect("a path has a name");
        let parent = key.path.split(':').next().expect("a path has a name");
        let is_tested = |(text, _): &&(&str, &[&str])| {
            text.contains(&format!("\"{name}\"")) && text.contains(&format!("\"{parent}\""))
        };
        assert!(TRANSLATIONS.iter().any(|translation| is_tested(&translation)), "`{}` has no test", key.path);
    }
}

#[test]
fn the_origin_is_the_place_of_the_original_key_and_own_names_have_precedence() {
    let folder = Folder::new();
    let text = "{\n  \"Koan\": { \"BackupRestore\": { \"BatchSize\": 5 } },\n  \"backup\": { \"batch_size\": 8 }\n}\n";
    let file = folder.write("koan.json", text);
    let configuration = ConfigurationSources::new().file(&file).load().expect("the file is valid");
    let place = |key: &str| configuration.origin(key).expect("the key is set").to_string();
    assert_eq!(place("restore.batch_size"), format!("{}:2:45", file.display()));
    assert_eq!(place("backup.batch_size"), format!("{}:3:29", file.display()));
}

#[test]
fn what_has_no_equivalent_is_refused_with_the_remedy() {
    let folder = Folder::new();
    for (text, expected) in [
        (
            r#"{ "Storage": { "Profiles": { "db": { "Provider": "sqlite", "Container": "x" } } } }"#,
            "koan.json:1:60: storage profile `db` is a database (`sqlite`), which stores no archives; declare it under `providers`: `providers.db = \"…\"`",
        ),
        (
            r#"{ "Storage": { "Profiles": { "a": { "Provider": "s4", "Container": "x" } } } }"#,
            "has the unknown provider `s4`; did you mean `s3`?",
        ),
        (
            r#"{ "Storage": { "Profiles": { "a": { "Container": "x" } } } }"#,
            "storage profile `a` has no `Provider`",
        ),
        (
            r#"{ "Storage": { "Profiles": { "a": { "Provider": "s3" } } } }"#,
            "storage profile `a` has no `BucketName`",
        ),
        (
            r#"{ "Storage": { "Profiles": { "a": { "Provider": "local" } } } }"#,
            "storage profile `a` has no `Container`",
        ),
        (
            r#"{ "Storage": { "Profiles": { "a": { "Provider": "gcs", "Settings": { "BucketName": "b", "Region": "x" } } } } }"#,
            "is of the kind `gcs`, for which `Region` has no effect",
        ),
        (
            r#"{ "Storage": { "Profiles": { "a": { "Provider": "azure-blob", "Settings": { "ContainerName": "c", "ConnectionString": "hunter2" } } } } }"#,
            "has a `ConnectionString` that has a part without `=`",
        ),
        (
            r#"{ "Backup": { "DefaultFormat": "tar" } }"#,
            "`Koan:Backup:DefaultFormat` cannot be `tar`; backups are ZIP archives",
        ),
        (
            r#"{ "BackupRestore": { "CompressionLevel": "Optmal" } }"#,
            "`Koan.BackupRestore.CompressionLevel` cannot be `Optmal`; did you mean `Optimal`?",
        ),
        (
            r#"{ "BackupRestore": { "BatchSise": 5 } }"#,
            "unknown key `BatchSise` in `Koan.BackupRestore`; did you mean `BatchSize`?",
        ),
        (r#"{ "BackupRestore": { "BatchSize": 0 } }"#, "`Koan.BackupRestore.BatchSize` must be at least 1"),
    ] {
        let error = load(&folder, text).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(
            error.to_string().contains(expected) && !error.to_string().contains("hunter2"),
            "{text}: {error}"
        );
    }
}
