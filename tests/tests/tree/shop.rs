//! A SQLite database with customers, and with cards that must be encrypted.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;
use koan_backup::prelude::*;
use koan_backup::{KoanBuilder, report::DirectoryBackupReport};
use koan_backup_tests::state_directory::state_directory;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity(table = "customers")]
#[entity_backup]
pub(super) struct Customer {
    pub(super) id: i64,
    pub(super) name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity(table = "cards", key = "number")]
#[entity_backup(encrypt)]
pub(super) struct Card {
    pub(super) number: String,
    pub(super) owner: String,
}

/// The text of a card that must not be on the disk unencrypted.
pub(super) const SECRET: &str = "Confidential owner";

/// A database, a storage profile, and a directory for trees.
pub(super) struct Shop {
    folder: PathBuf,
    /// Removes the folder. `None` in a process that opened the folder of another process.
    _owner: Option<tempfile::TempDir>,
    pub(super) identity: Identity,
}

impl Shop {
    pub(super) fn new(customers: usize) -> Self {
        let owner = tempfile::tempdir().expect("a folder");
        let opened = Self::opened(owner.path().to_owned());
        let shop = Self { _owner: Some(owner), ..opened };
        shop.sql(&format!(
            "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
             CREATE TABLE cards (number TEXT PRIMARY KEY NOT NULL, owner TEXT NOT NULL);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {customers})
             INSERT INTO customers SELECT i, printf('Customer %d %s', i, hex(randomblob(40))) FROM n;
             INSERT INTO cards VALUES ('1111', '{SECRET} 1'), ('2222', '{SECRET} 2');"
        ));
        shop
    }

    /// Opens the shop of another process.
    pub(super) fn opened(folder: PathBuf) -> Self {
        Self { folder, _owner: None, identity: Identity::generate() }
    }

    /// Returns the folder of the shop.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Returns the root of the tree.
    pub(super) fn tree(&self) -> PathBuf {
        self.path("tree")
    }

    pub(super) fn sql(&self, sql: &str) {
        Connection::open(self.path("shop.db")).expect("a database").execute_batch(sql).expect(sql);
    }

    /// Returns every row of a table as text, with the storage class of each column.
    pub(super) fn rows(&self, table: &str) -> Vec<String> {
        let connection = Connection::open(self.path("shop.db")).expect("a database");
        let columns = if table == "cards" { ["number", "owner"] } else { ["id", "name"] };
        let literals =
            columns.map(|column| format!("typeof({column}) || quote({column})")).join(" || ' ' || ");
        let query = format!("SELECT {literals} FROM {table} ORDER BY 1");
        let mut statement = connection.prepare(&query).expect("a statement");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        rows.map(|row| row.expect("a row")).collect()
    }

    pub(super) fn recipients(&self) -> Recipients {
        Recipients::key(self.identity.to_public().to_string()).expect("a recipient")
    }

    pub(super) fn keys(&self) -> Keys {
        Keys::text(self.identity.to_string().expose_secret())
    }

    /// Returns a builder with the database and the storage profile, without recipients and keys.
    pub(super) fn builder(&self) -> KoanBuilder {
        Koan::builder()
            .only_registered()
            .register::<Customer>()
            .register::<Card>()
            .provider(Sqlite::open(self.path("shop.db")).expect("a database"))
            .storage(Storage::local(self.path("backups")).expect("a folder"))
            .state_directory(state_directory())
            .application("shop")
            .environment("test")
    }

    /// Returns a context with recipients and keys.
    pub(super) async fn koan(&self) -> Koan {
        self.builder().encrypt_to(self.recipients()).keys(self.keys()).build().await.expect("a context")
    }

    /// Returns a context with recipients and without keys.
    pub(super) async fn koan_without_keys(&self) -> Koan {
        self.builder().encrypt_to(self.recipients()).build().await.expect("a context")
    }

    /// Writes a backup into the tree.
    pub(super) async fn backup(&self, koan: &Koan) -> DirectoryBackupReport {
        koan.backup("fixtures").to_directory(self.tree()).await.expect("a backup")
    }

    /// Returns the registry of the tree.
    pub(super) fn registry(&self) -> Value {
        json(&self.tree().join("manifest.json"))
    }

    /// Returns the directory of an entity in the newest backup.
    pub(super) fn directory(&self, entity: &str) -> PathBuf {
        let registry = self.registry();
        let backup = registry["backups"].as_array().and_then(|backups| backups.last()).expect("a backup");
        let entities = backup["entities"].as_array().expect("entities");
        let found = entities.iter().find(|found| found["entity"] == entity).expect("the entity");
        self.tree().join(found["directory"].as_str().expect("a path"))
    }

    /// Returns the names of the entries of the root that no complete tree contains.
    pub(super) fn leftovers(&self) -> Vec<String> {
        let known = ["manifest.json", ".lock", "tree.shop.Customer", "tree.shop.Card"];
        let mut names = names(&self.tree());
        names.retain(|name| !known.contains(&name.as_str()));
        names
    }
}

pub(super) fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

/// Returns the names of the files and directories in a directory, sorted.
pub(super) fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect();
    names.sort();
    names
}

/// Returns the content of all files below a directory, by their relative paths. Symbolic links are not followed.
pub(super) fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(next) = pending.pop() {
        for name in names(&next) {
            let path = next.join(name);
            let kind = fs::symlink_metadata(&path).expect("an entry").file_type();
            if kind.is_dir() {
                pending.push(path);
            } else if kind.is_file() {
                let relative = path.strip_prefix(directory).expect("below the directory");
                files.insert(relative.display().to_string(), fs::read(&path).expect("a file"));
            }
        }
    }
    files
}

/// Returns whether bytes contain a text.
pub(super) fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
