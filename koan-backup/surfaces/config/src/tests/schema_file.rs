//! The file `koan.schema.json`, and the defaults that it documents.

use std::time::Duration;

use koan_backup_core::builders::{BackupOptions, RestoreOptions};
use koan_backup_core::maintenance::MaintenanceDefaults;

use super::fixture::{Folder, builder};

#[test]
fn the_committed_schema_is_that_of_the_types() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("koan.schema.json");
    if std::env::var_os("KOAN_UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, crate::schema()).expect("the schema is written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == crate::schema(),
        "{} is not the schema of the types; run this test with KOAN_UPDATE_SCHEMA=1",
        path.display()
    );
}

/// A configuration with the documented defaults leads to the same builder as an empty configuration.
#[test]
fn the_documented_defaults_are_the_defaults() {
    let folder = Folder::new();
    let empty = folder.load("");
    let built = |text: &str| {
        let built = folder.load(text).apply(builder()).expect("the configuration is applied");
        // The token of a builder is a new one each time.
        format!("{built:?}")
    };
    let (backup, restore) = (BackupOptions::default(), RestoreOptions::default());
    assert_eq!((backup.batch_size, backup.max_concurrency), (1000, 4));
    assert_eq!((restore.batch_size, restore.max_concurrency), (1000, 4));
    assert_eq!(MaintenanceDefaults::default().every, Duration::from_secs(3600));
    for (key, value) in
        [("lease_time", "\"1m\""), ("backup.compression", "\"deflate\""), ("restore.level", "\"fast\"")]
    {
        let displayed =
            empty.effective().iter().find(|known| known.key == key).map(|known| known.value.as_str());
        assert_eq!(displayed, Some(value), "the default of `{key}` is displayed");
    }
    for value in empty.effective() {
        if value.key == "application" {
            // The name of an application is resolved when the context is built.
            continue;
        }
        let after = built(&format!("{} = {}", value.key, value.value));
        let differences: Vec<_> = differences(&built(""), &after);
        assert!(
            differences.is_empty(),
            "`{} = {}` is not the default: {differences:?}",
            value.key,
            value.value
        );
    }
}

/// Returns the words in which two debug texts differ, without the addresses of tokens.
fn differences(one: &str, other: &str) -> Vec<(String, String)> {
    let is_kept = |word: &&str| !word.contains("0x") && !word.contains("is_cancelled");
    let (one, other) = (one.split(' ').filter(is_kept), other.split(' ').filter(is_kept));
    one.zip(other)
        .filter(|(one, other)| one != other)
        .map(|(one, other)| (one.to_owned(), other.to_owned()))
        .collect()
}
