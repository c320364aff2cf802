//! A folder with configuration files, and an application.

use std::path::PathBuf;

use koan_backup::{Entity, Koan, KoanBuilder};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::{Configuration, ConfigurationSources, Problem};

/// A record of the application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
pub(super) struct Item {
    pub(super) id: i64,
    pub(super) name: String,
}

/// A record that is encrypted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup(encrypt)]
pub(super) struct Card {
    pub(super) id: i64,
    pub(super) number: String,
}

/// A temporary folder.
pub(super) struct Folder(TempDir);

impl Folder {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// Returns a path in the folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, in which `{folder}` is replaced by the path of this folder.
    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, self.expand(text)).expect("the file is written");
        path
    }

    /// Replaces `{folder}` by the path of this folder.
    pub(super) fn expand(&self, text: &str) -> String {
        text.replace("{folder}", &self.0.path().display().to_string())
    }

    /// Writes `koan.toml`, and returns it as a source, without environment variables.
    pub(super) fn toml(&self, text: &str) -> ConfigurationSources {
        ConfigurationSources::new().file(self.write("koan.toml", text))
    }

    /// Loads `koan.toml` with this text.
    pub(super) fn load(&self, text: &str) -> Configuration {
        self.toml(text).load().unwrap_or_else(|error| panic!("`{text}` is a valid configuration: {error}"))
    }

    /// Returns the problems of `koan.toml` with this text, with file names without folders.
    pub(super) fn problems(&self, text: &str) -> Vec<String> {
        self.texts(&self.toml(text).check())
    }

    /// Formats problems, with file names without folders.
    pub(super) fn texts(&self, problems: &[Problem]) -> Vec<String> {
        let folder = format!("{}/", self.0.path().display());
        problems.iter().map(|problem| problem.to_string().replace(&folder, "")).collect()
    }

    /// Creates an SQLite database with the table of [`Item`].
    pub(super) fn database(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        let database = rusqlite::Connection::open(&path).expect("the database is created");
        database
            .execute_batch(
                "create table Item (id integer primary key, name text not null);
                 insert into Item values (1, 'one'), (2, 'two'), (3, 'three');",
            )
            .expect("the table is created");
        path
    }
}

/// Returns a builder with only the entity [`Item`].
pub(super) fn builder() -> KoanBuilder {
    Koan::builder().only_registered().register::<Item>()
}

/// Builds a context from a configuration. Its state directory is in the folder.
pub(super) async fn koan(folder: &Folder, text: &str) -> koan_backup::Result<Koan> {
    let configuration = folder.toml(text).load()?;
    let builder = builder().state_directory(folder.path("state"));
    configuration.apply(builder)?.build().await
}
