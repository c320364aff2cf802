//! A directory of JSON files with a context, for the tests of this suite.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use koan_backup::prelude::*;
use koan_backup::{
    provider::Provider,
    report::{BackupReport, RestoreReport},
};
use serde::{Deserialize, Serialize};

pub(super) const NAME: &str = "nightly";

/// An entity of the tests and of the processes that they start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
pub(super) struct Book {
    pub(super) id: i64,
    pub(super) title: String,
    #[serde(default)]
    pub(super) pages: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<String>,
}

/// An entity whose directory has the name of its table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity(table = "people", key = "name, born")]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) born: i32,
    pub(super) note: Option<String>,
}

/// A directory of JSON files, and a context for it.
pub(super) struct JsonFixture {
    folder: tempfile::TempDir,
    pub(super) koan: Koan,
}

impl JsonFixture {
    pub(super) async fn lines() -> Self {
        Self::with(|path| JsonFiles::lines(path).expect("a directory")).await
    }

    pub(super) async fn documents() -> Self {
        Self::with(|path| JsonFiles::documents(path).expect("a directory")).await
    }

    async fn with(open: impl Fn(PathBuf) -> JsonFiles) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let koan = context(open(folder.path().join("data")), folder.path()).await;
        Self { folder, koan }
    }

    /// Returns the path of a file in the directory.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("data").join(name)
    }

    /// Writes a file and creates its directories.
    pub(super) fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("created");
        fs::write(path, content).expect("written");
    }

    /// Returns the content of a file as text.
    pub(super) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("text")
    }

    pub(super) fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).expect("removed");
    }

    /// Returns the content of every data file by its path.
    pub(super) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        files_of(&self.folder.path().join("data"))
    }

    pub(super) async fn backup(&self) -> koan_backup::Result<BackupReport> {
        self.koan.backup(NAME).await
    }

    /// Restores the backup with `replace_existing`.
    pub(super) async fn restore(&self) -> RestoreReport {
        self.koan.restore(NAME).replace_existing().await.expect("restored")
    }

    /// Returns the error chain of a backup that must fail.
    pub(super) async fn refusal(&self) -> String {
        self.backup().await.expect_err("the data are broken").chain()
    }
}

/// Builds a context for a provider whose backups are in `folder`.
pub(super) async fn context(provider: impl Provider, folder: &Path) -> Koan {
    Koan::builder()
        .provider(provider)
        .storage(Storage::local(folder.join("backups")).expect("a directory"))
        .build()
        .await
        .expect("a context")
}

/// Returns the contents of the files below a directory by their paths. Hidden files and directories directly
/// in the directory are left out.
pub(super) fn files_of(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("listed") {
            let path = entry.expect("an entry").path();
            let name = path
                .strip_prefix(root)
                .expect("the file is below the root")
                .to_str()
                .expect("UTF-8")
                .to_owned();
            if name.starts_with('.') {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(name, fs::read(&path).expect("read"));
            }
        }
    }
    found
}
