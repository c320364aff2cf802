//! A database whose backups are in a directory that several applications share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use koan_backup::prelude::*;
use koan_backup::{BackupId, KoanBuilder, SetName, archive::Manifest};
use koan_backup_tests::scripted::{Script, Scripted};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(super) const NAME: &str = "nightly";
/// The number of records in the database.
pub(super) const RECORDS: u64 = 20;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
pub(super) struct User {
    pub(super) id: u64,
}

/// Creates a database in which the read of each record takes this long.
pub(super) fn database(per_record: Duration) -> Scripted {
    let database = Scripted::new(Script { delay_per_record: per_record, ..Script::default() });
    (0..RECORDS).for_each(|id| database.put(&SetName::root(), &User { id }));
    database
}

/// Creates a builder with a database whose read never ends.
pub(super) fn builder_with_hanging_read(application: &str, storage: Storage) -> KoanBuilder {
    let database = Scripted::new(Script { hangs_at: Some(("User".into(), 0)), ..Script::default() });
    database.put(&SetName::root(), &User { id: 0 });
    Koan::builder().application(application).named_storage("shared", storage).provider(database)
}

/// Creates a builder with a database in which the read of each record takes this long.
pub(super) fn builder(application: &str, storage: Storage, per_record: Duration) -> KoanBuilder {
    let builder = Koan::builder().application(application).named_storage("shared", storage);
    builder.provider(database(per_record))
}

/// A shared directory for backups.
pub(super) struct Shared(tempfile::TempDir);

impl Shared {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn storage(&self) -> Storage {
        Storage::local(self.path()).expect("a directory")
    }

    /// Builds a context with a database in which the read of each record takes this long.
    pub(super) async fn koan(&self, application: &str, per_record: Duration) -> Koan {
        builder(application, self.storage(), per_record).build().await.expect("a context")
    }

    /// Returns the paths of the lease files of a subject, whether the leases are valid, expired or released.
    pub(super) fn leases(&self, subject: &str) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.folder(subject)) else { return Vec::new() };
        let mut files: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
        files.sort();
        files
    }

    /// Returns the folder of the leases of a subject. For a backup name, the name of the folder ends with a
    /// hash of the name, the application and the environment.
    fn folder(&self, subject: &str) -> PathBuf {
        let folder = self.path().join("leases").join(subject);
        let (Some(parent), Some(name)) = (folder.parent(), folder.file_name().and_then(|name| name.to_str()))
        else {
            return folder;
        };
        let is_folder_of_name = |entry: &std::fs::DirEntry| {
            let found = entry.file_name().into_string().unwrap_or_default();
            subject.starts_with("backup/") && found.starts_with(&format!("{name}-"))
        };
        let found =
            std::fs::read_dir(parent).ok().and_then(|entries| entries.flatten().find(is_folder_of_name));
        found.map_or(folder.clone(), |entry| entry.path())
    }

    /// Returns the lease of a subject with the highest generation.
    pub(super) fn lease(&self, subject: &str) -> Value {
        let file = self.leases(subject).pop().expect("a lease");
        serde_json::from_slice(&std::fs::read(file).expect("readable")).expect("JSON")
    }

    /// Writes a lease of another holder with the next generation, so that the current holder loses its lease.
    pub(super) fn take_over(&self, subject: &str) {
        let last = self.leases(subject).pop().expect("a lease");
        let generation: u64 = last
            .file_stem()
            .and_then(|stem| stem.to_str())
            .and_then(|stem| stem.parse().ok())
            .expect("the file name is a generation");
        let mut lease = self.lease(subject);
        lease["holder"] = json!({
            "token": "01900000-0000-7000-8000-000000000000",
            "application": "thief", "host": "den", "process": 9
        });
        lease["released"] = json!(false);
        let path = last.with_file_name(format!("{:010}.json", generation + 1));
        std::fs::write(path, lease.to_string()).expect("written");
    }

    /// Returns the number of archives.
    pub(super) fn archives(&self) -> usize {
        std::fs::read_dir(self.path().join("archives")).map_or(0, Iterator::count)
    }
}

/// Returns the ids of the completed backups.
pub(super) async fn complete_backups(koan: &Koan) -> Vec<BackupId> {
    let manifests = koan.backups().await.expect("listed");
    manifests.iter().filter(|manifest| manifest.status.is_complete()).map(|manifest| manifest.id).collect()
}

/// Returns the manifest of the failed backup, which must be the only backup.
pub(super) async fn failed_backup(koan: &Koan) -> Manifest {
    let mut manifests = koan.backups().await.expect("listed");
    assert_eq!(manifests.len(), 1, "{manifests:?}");
    manifests.remove(0)
}

/// Waits until a condition is true.
pub(super) async fn wait_until(condition: impl AsyncFn() -> bool) {
    koan_backup_tests::wait::until("the condition of the test is true", condition).await;
}
