//! A provider with three customers and storage in a directory, for the tests of this suite.

use std::path::{Path, PathBuf};

use koan_backup::prelude::*;
use koan_backup::{KoanBuilder, SetName};
use koan_backup_tests::scripted::Scripted;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
pub(crate) struct Customer {
    pub(crate) id: i64,
    pub(crate) name: String,
}

/// Returns a builder for a context with three customers and a state directory `state`.
pub(crate) fn builder(folder: &Path) -> KoanBuilder {
    let database = Scripted::default();
    for (id, name) in [(1, "Ada"), (2, "Björk"), (3, "Chloé")] {
        database.put(&SetName::root(), &Customer { id, name: name.to_owned() });
    }
    Koan::builder().state_directory(folder.join("state")).provider(database)
}

/// Returns the storage in the directory `backups`.
pub(crate) fn local(folder: &Path) -> Storage {
    Storage::local(folder.join("backups")).expect("a directory")
}

/// Builds a context with the storage in the directory `backups`.
pub(crate) async fn koan(folder: &Path) -> Result<Koan, Error> {
    builder(folder).storage(local(folder)).build().await
}

/// Returns the paths of all files below a directory, sorted, without leases.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("listed").path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.retain(|path| !path.to_string_lossy().contains("/leases/"));
    found.sort();
    found
}

/// Returns the folder that the parent process passed, if a test started this process.
pub(crate) fn child_folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// The environment variable with the folder of a test that runs in a child process.
pub(crate) const FOLDER: &str = "KOAN_TEST_DISK_FOLDER";

/// Runs a test in a child process with additional environment variables, and requires that it passes.
pub(crate) fn run_in_child_process(test: &str, folder: &Path, variables: &[(&str, &str)]) {
    let output = koan_backup_tests::test_process::run_test(test, |command| {
        command.env(FOLDER, folder).envs(variables.iter().copied());
    });
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
}
