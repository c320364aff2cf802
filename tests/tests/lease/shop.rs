//! A shop whose backups lie in a directory that several applications share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use koan_backup::prelude::*;
use koan_backup::{BackupId, KoanBuilder, SetName, archive::Manifest};
use koan_backup_tests::scripted::{Script, Scripted};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(super) const NAME: &str = "nightly";
/// Records in the shop.
pub(super) const RECORDS: u64 = 20;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
pub(super) struct User {
    pub(super) id: u64,
}

/// A database whose records take so long to be read.
pub(super) fn database(per_record: Duration) -> Scripted {
    let database = Scripted::new(Script { per_record, ..Script::default() });
    (0..RECORDS).for_each(|id| database.put(&SetName::root(), &User { id }));
    database
}

/// A builder over a database whose first record is never read.
pub(super) fn hanging(application: &str, storage: Storage) -> KoanBuilder {
    let database = Scripted::new(Script { hangs_at: Some(("User".into(), 0)), ..Script::default() });
    database.put(&SetName::root(), &User { id: 0 });
    Koan::builder().application(application).storage("shared", storage).provider("main", database)
}

pub(super) fn builder(application: &str, storage: Storage, per_record: Duration) -> KoanBuilder {
    let builder = Koan::builder().application(application).storage("shared", storage);
    builder.provider("main", database(per_record))
}

/// A directory for backups.
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

    /// An application whose records take so long to be read.
    pub(super) async fn koan(&self, application: &str, per_record: Duration) -> Koan {
        builder(application, self.storage(), per_record).build().await.expect("a context")
    }

    /// The files of the leases of a subject, which are held or not.
    pub(super) fn leases(&self, subject: &str) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.folder(subject)) else { return Vec::new() };
        let mut files: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
        files.sort();
        files
    }

    /// The folder of the leases of a subject. That of a backup by name ends with a hash of whose it is.
    fn folder(&self, subject: &str) -> PathBuf {
        let folder = self.path().join("leases").join(subject);
        let (Some(above), Some(name)) = (folder.parent(), folder.file_name().and_then(|name| name.to_str()))
        else {
            return folder;
        };
        let of_name = |entry: &std::fs::DirEntry| {
            let found = entry.file_name().into_string().unwrap_or_default();
            subject.starts_with("backup/") && found.starts_with(&format!("{name}-"))
        };
        let found = std::fs::read_dir(above).ok().and_then(|entries| entries.flatten().find(of_name));
        found.map_or(folder.clone(), |entry| entry.path())
    }

    /// The lease of a subject that counts.
    pub(super) fn lease(&self, subject: &str) -> Value {
        let file = self.leases(subject).pop().expect("a lease");
        serde_json::from_slice(&std::fs::read(file).expect("readable")).expect("JSON")
    }

    /// Somebody else takes the lease of a subject.
    pub(super) fn take_over(&self, subject: &str) {
        let last = self.leases(subject).pop().expect("a lease");
        let number: u64 =
            last.file_stem().and_then(|stem| stem.to_str()).expect("a number").parse().expect("one");
        let mut lease = self.lease(subject);
        lease["holder"] = json!({
            "token": "01900000-0000-7000-8000-000000000000", "application": "thief", "host": "den", "process": 9
        });
        lease["released"] = json!(false);
        let path = last.with_file_name(format!("{:010}.json", number + 1));
        std::fs::write(path, lease.to_string()).expect("written");
    }

    /// The archives that are there.
    pub(super) fn archives(&self) -> usize {
        std::fs::read_dir(self.path().join("archives")).map_or(0, Iterator::count)
    }
}

/// The backups that were completed.
pub(super) async fn complete(koan: &Koan) -> Vec<BackupId> {
    let manifests = koan.backups().await.expect("listed");
    manifests.iter().filter(|manifest| manifest.status.is_complete()).map(|manifest| manifest.id).collect()
}

/// The backup that failed, if it is the only one there is.
pub(super) async fn the_failure(koan: &Koan) -> Manifest {
    let mut manifests = koan.backups().await.expect("listed");
    assert_eq!(manifests.len(), 1, "{manifests:?}");
    manifests.remove(0)
}

/// Waits until something is so.
pub(super) async fn patiently(is_so: impl AsyncFn() -> bool) {
    koan_backup_tests::wait::until("what the test waits for is so", is_so).await;
}
