//! A shop whose orders are event streams, with storage in a temporary directory, and its binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use assert_cmd::assert::{Assert, OutputAssertExt as _};
use futures::TryStreamExt as _;
use koan_backup::encryption::KeyPair;
use koan_backup::event_store::{EventStore as _, JsonText, NewEvent};
use koan_backup::{EventFiles, ExpectedVersion, Storage};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::shop::lines;

/// A shop with an event store and storage of its own.
pub(crate) struct Orders(TempDir);

impl Orders {
    /// Creates a shop with these orders, each with two events.
    pub(crate) fn new(ids: &[&str]) -> Self {
        let orders = Self(tempfile::tempdir().expect("a directory"));
        ids.iter().for_each(|id| orders.append(id));
        orders
    }

    /// Returns the binary with these arguments, without a terminal.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.prepared(env!("CARGO_BIN_EXE_orders"), arguments)
    }

    /// Returns the program `koan-backup`, which knows no event types, with the storage of the shop.
    pub(crate) fn program(&self, arguments: &[&str]) -> Command {
        let mut command = self.prepared(env!("CARGO_BIN_EXE_koan-backup-program"), arguments);
        command.arg("--storage").arg(self.root().join("local")).current_dir(self.0.path());
        command
    }

    fn prepared(&self, binary: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary);
        for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "KOAN_ENV", "COLUMNS"] {
            command.env_remove(variable);
        }
        command.args(arguments).stdin(Stdio::null()).env("SHOP_STORAGE", self.root()).env("TZ", "UTC");
        command
    }

    /// Runs the command `stream` with these arguments.
    pub(crate) fn stream(&self, arguments: &[&str]) -> Assert {
        self.command(&[&["stream"], arguments].concat()).assert()
    }

    /// Returns the JSON values on the lines of standard output.
    pub(crate) fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.command(&[&["stream"], arguments, &["--json"]].concat()).output();
        lines(&output.expect("the shop runs").stdout)
    }

    /// Makes a single backup, and returns its id.
    pub(crate) fn backup(&self, arguments: &[&str]) -> String {
        let messages = self.json(&[&["backup", "order"], arguments].concat());
        let backup = messages.iter().find(|message| message["messageType"] == "backup");
        let id = backup.and_then(|backup| backup["id"].as_str());
        id.unwrap_or_else(|| panic!("a backup: {messages:?}")).to_owned()
    }

    /// Returns the single backups that a list with these flags contains, newest first.
    pub(crate) fn listed(&self, flags: &[&str]) -> Vec<Value> {
        let list = self.json(&[&["list"], flags].concat()).remove(0);
        list.as_array().expect("an array").clone()
    }

    /// Returns the ids of the single backups, newest first.
    pub(crate) fn ids(&self) -> Vec<String> {
        let id = |backup: &Value| backup["id"].as_str().expect("an id").to_owned();
        self.listed(&[]).iter().map(id).collect()
    }

    /// Appends two events to an order, which is created if it does not exist.
    pub(crate) fn append(&self, id: &str) {
        let placed = NewEvent::new("Placed", &json!({ "Placed": { "total": 20 } })).expect("an event");
        let paid = NewEvent::new("Paid", &"Paid").expect("an event");
        let events = self.events();
        let append = events.append("order", id, ExpectedVersion::Any, [placed, paid]);
        assert!(in_runtime(append).is_some(), "events were appended");
    }

    /// Adds a snapshot of an order.
    pub(crate) fn add_snapshot(&self, id: &str) {
        let state = JsonText::exact(r#"{"paid":true}"#).expect("JSON");
        in_runtime(self.events().add_snapshot("order", id, "state", state));
    }

    /// Removes everything of an order.
    pub(crate) fn remove(&self, id: &str) {
        in_runtime(self.events().remove("order", id));
    }

    /// Backs up an order encrypted.
    pub(crate) fn back_up_encrypted(&self, id: &str, key: &KeyPair) {
        let mut backup = self.command(&["stream", "backup", "order", id]);
        backup.env("SHOP_ENCRYPT", "1").env("SHOP_RECIPIENT", key.public_key()).assert().code(0);
    }

    /// Returns the events of an order as JSON, or `None` if it does not exist.
    pub(crate) fn order(&self, id: &str) -> Option<Value> {
        let events = self.events();
        in_runtime(async {
            let reader = events.reader().await?;
            let Some(opened) = reader.open("order", id).await? else { return Ok(None) };
            let mut found = Vec::new();
            for stream in &opened.streams {
                let batches = reader.events(&opened, &stream.stream_id).await?;
                found.extend(batches.try_concat().await?);
            }
            Ok(Some(serde_json::to_value(found).expect("JSON")))
        })
    }

    /// Returns the contents of the single backups in the default profile.
    pub(crate) fn contents(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        collect(&self.root().join("local/streams"), &mut found);
        found
            .retain(|file| file.extension().is_some_and(|extension| extension == "gz" || extension == "age"));
        found
    }

    /// Returns the files of the default profile whose names contain a text.
    pub(crate) fn files(&self, text: &str) -> Vec<PathBuf> {
        self.files_of("local", text)
    }

    /// Returns the files of a profile whose names contain a text.
    pub(crate) fn files_of(&self, profile: &str, text: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        collect(&self.root().join(profile), &mut found);
        let has_text =
            |file: &PathBuf| file.file_name().is_some_and(|name| name.to_string_lossy().contains(text));
        found.retain(has_text);
        found
    }

    /// Returns the `.meta` of a single backup in the default profile.
    pub(crate) fn meta(&self, id: &str) -> PathBuf {
        self.files(&format!("{id}.meta")).pop().expect("a `.meta`")
    }

    fn events(&self) -> EventFiles {
        EventFiles::in_storage(Storage::local(self.root().join("events")).expect("a directory"))
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.0.path().join("storage")
    }
}

/// Returns the result of work in a runtime of its own.
fn in_runtime<T>(work: impl Future<Output = koan_backup::Result<T>>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(work).expect("the event store works")
}

/// Adds the files below a directory.
fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("the directory is read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { collect(&path, found) } else { found.push(path) }
    }
}

/// Returns the standard output of a command.
pub(crate) fn output(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
}

/// Returns the error output of a command.
pub(crate) fn errors(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}
