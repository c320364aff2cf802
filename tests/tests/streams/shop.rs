//! An event store in memory with orders, and a context that makes single backups of them.

use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;
use futures::TryStreamExt as _;
use koan_backup::event_store::{EventReader, EventStore, OpenedStreams, StreamSnapshot};
use koan_backup::prelude::*;
use koan_backup::streams::StreamBackupHandle;
use koan_backup::testing::HandClock;
use koan_backup::{KoanBuilder, MemoryEvents};
pub(super) use koan_backup_tests::order_events::{event, json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

#[derive(Serialize, Deserialize, EventStream)]
#[event_stream(object = "order")]
#[entity_backup]
pub(super) enum OrderEvent {
    Placed { total: u64 },
    Paid,
    Shipped { to: String },
}

#[derive(Serialize, Deserialize, EventStream)]
#[event_stream(object = "patient")]
#[entity_backup(encrypt)]
pub(super) enum PatientEvent {
    Admitted { name: String },
}

/// The id of an order with everything: a terminated stream with a snapshot, and a continued one with chunks and a snapshot.
pub(super) const FULL: &str = "order-17";
/// The id of an order with one stream whose text is not compact.
pub(super) const PLAIN: &str = "Order 2/b";
/// An id and a text that must not be stored unencrypted.
pub(super) const SECRET_ID: &str = "patient-4711";
pub(super) const SECRET: &str = "Confidential name";

/// An event store, a storage profile in a directory, a clock and a key pair.
pub(super) struct Shop {
    pub(super) events: MemoryEvents,
    pub(super) directory: TempDir,
    pub(super) clock: HandClock,
    identity: Identity,
}

impl Shop {
    pub(super) fn new() -> Self {
        let events = MemoryEvents::new();
        let placed = |total: u64| event("Placed", &format!(r#"{{"Placed":{{"total":{total}}}}}"#));
        events.append("order", FULL, [placed(1), event("Paid", r#""Paid""#)]).expect("appended");
        events.add_snapshot("order", FULL, "state", json(r#"{ "paid" : true }"#)).expect("a snapshot");
        events.terminate("order", FULL, "moved").expect("terminated");
        events.continue_as("order", FULL, "continued").expect("continued");
        let shipped = (0..5).map(|number| event("Shipped", &format!(r#"{{"Shipped":{{"to":"{number}"}}}}"#)));
        events.append("order", FULL, shipped).expect("appended");
        events.add_snapshot("order", FULL, "state", json("{\"paid\":true}")).expect("a snapshot");
        events.divide("order", FULL, 2).expect("chunks");
        let spaced = event("Placed", "{ \"Placed\" :\n {\"total\": 20}}");
        events.append("order", PLAIN, [placed(2), spaced]).expect("appended");
        let admitted = format!(r#"{{"Admitted":{{"name":"{SECRET}"}}}}"#);
        events.append("patient", SECRET_ID, [event("Admitted", &admitted)]).expect("appended");
        let directory = tempfile::tempdir().expect("a directory");
        Self {
            events,
            directory,
            clock: HandClock::at("2026-07-01T12:00:00Z"),
            identity: Identity::generate(),
        }
    }

    pub(super) fn storage(&self) -> Storage {
        Storage::local(self.root()).expect("the storage is opened")
    }

    pub(super) fn root(&self) -> PathBuf {
        self.directory.path().join("backups")
    }

    /// Returns the builder of a context without storage profiles, keys and event store.
    pub(super) fn builder(&self) -> KoanBuilder {
        let recipients = Recipients::key(self.identity.to_public().to_string()).expect("a key");
        Koan::builder()
            .only_registered()
            .register_stream::<OrderEvent>()
            .register_stream::<PatientEvent>()
            .register_raw("legacy")
            .state_directory(self.directory.path().join("state"))
            .clock(self.clock.clone())
            .encrypt_to(recipients)
    }

    pub(super) fn keys(&self) -> Keys {
        Keys::text(self.identity.to_string().expose_secret().to_owned())
    }

    pub(super) async fn koan(&self) -> Koan {
        self.koan_for(&self.events).await
    }

    /// Returns a context with another event store, which has the same storage and keys.
    pub(super) async fn koan_for(&self, events: &MemoryEvents) -> Koan {
        self.koan_with(events, self.storage()).await
    }

    pub(super) async fn koan_with(&self, events: &MemoryEvents, storage: Storage) -> Koan {
        let builder = self.builder().storage(storage).keys(self.keys()).event_store(events.clone());
        builder.build().await.expect("a context")
    }

    /// Replaces the content of a backup, and the size and hash in the only `.meta`.
    pub(super) fn forge(&self, handle: &StreamBackupHandle, content: &[u8]) {
        std::fs::write(self.root().join(&handle.location), content).expect("written");
        let hash: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        self.alter_meta(|meta| {
            meta["sizeBytes"] = content.len().into();
            meta["sha256"] = format!("sha256:{hash}").into();
        });
    }

    /// Alters the only `.meta`.
    pub(super) fn alter_meta(&self, alter: impl FnOnce(&mut Value)) {
        let path = &self.files(".meta")[0];
        let mut meta: Value = serde_json::from_slice(&std::fs::read(path).expect("read")).expect("JSON");
        alter(&mut meta);
        std::fs::write(path, serde_json::to_vec(&meta).expect("JSON")).expect("written");
    }

    /// Decrypts the content of a backup.
    pub(super) fn decrypt(&self, content: &[u8]) -> Vec<u8> {
        age::decrypt(&self.identity, content).expect("the content is for this key")
    }

    /// Encrypts a content as backups are.
    pub(super) fn encrypt(&self, content: &[u8]) -> Vec<u8> {
        age::encrypt(&self.identity.to_public(), content).expect("encrypted")
    }

    /// Returns the files below the storage profile whose path contains a text.
    pub(super) fn files(&self, text: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        collect(&self.root(), &mut found);
        found.retain(|path| {
            path.strip_prefix(self.root()).is_ok_and(|path| path.to_string_lossy().contains(text))
        });
        found.sort();
        found
    }
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() { collect(&path, found) } else { found.push(path) }
    }
}

/// Everything that a store contains of one aggregate.
#[derive(Debug, PartialEq)]
pub(super) struct Content {
    pub(super) opened: Option<OpenedStreams>,
    pub(super) events: Vec<koan_backup::event_store::StreamEvent>,
    pub(super) snapshots: Vec<StreamSnapshot>,
}

/// Reads everything of an aggregate.
pub(super) async fn content(store: &MemoryEvents, object: &str, id: &str) -> Content {
    let reader = store.reader().await.expect("the store is read");
    let opened = reader.open(object, id).await.expect("the aggregate is opened");
    let (mut events, mut snapshots): (_, Vec<StreamSnapshot>) = (Vec::new(), Vec::new());
    if let Some(opened) = &opened {
        for stream in &opened.streams {
            events.extend(all(reader.as_ref(), opened, &stream.stream_id).await);
        }
        // A snapshot without its event is read only among all snapshots.
        let batches = reader.all_snapshots(object).await.expect("the snapshots are read");
        snapshots = batches.try_concat().await.expect("the snapshots are read");
        snapshots.retain(|snapshot| snapshot.object_id == id);
    }
    Content { opened, events, snapshots }
}

async fn all(
    reader: &dyn EventReader,
    opened: &OpenedStreams,
    stream: &str,
) -> Vec<koan_backup::event_store::StreamEvent> {
    let batches = reader.events(opened, stream).await.expect("the events are read");
    batches.try_concat().await.expect("the events are read")
}
