//! The storage and the event stores of the tests, and the context of the application.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::TryStreamExt as _;
use koan_backup::event_store::{JsonText, NewEvent, StreamEvent, StreamSnapshot, conformance};
use koan_backup::prelude::*;
use koan_backup::provider::{Provider, SessionOptions};
use koan_backup::{CqrsEs, EventFiles, MemoryEvents};
use koan_backup_tests::cqrs_es_tables;
use koan_backup_tests::hand_clock::HandClock;
use koan_backup_tests::postgres::Server;
use koan_backup_tests::stores::{Azurite, Moto};
use rusqlite::Connection;
use tempfile::TempDir;

pub(crate) const OBJECT: &str = "order";

/// A kind of storage.
pub(crate) enum TestStorage {
    Memory,
    Directory(TempDir),
    Moto(Moto),
    Azurite(Azurite),
}

impl TestStorage {
    pub(crate) fn directory() -> Self {
        Self::Directory(tempfile::tempdir().expect("a directory"))
    }

    /// Opens an empty storage. Different names are different storage.
    pub(crate) fn open(&self, name: &str) -> Storage {
        match self {
            Self::Memory => Storage::memory(),
            Self::Directory(folder) => Storage::local(folder.path().join(name)).expect("a directory"),
            Self::Moto(server) => server.storage(name).open().expect("a bucket"),
            Self::Azurite(server) => server.storage(name).open().expect("a container"),
        }
    }
}

/// An event store.
#[derive(Clone)]
pub(crate) enum TestEvents {
    Memory(MemoryEvents),
    Files(EventFiles),
    Postgres(String),
    Sqlite(PathBuf),
}

impl TestEvents {
    pub(crate) fn memory() -> Self {
        Self::Memory(MemoryEvents::new())
    }

    pub(crate) fn files(storage: Storage) -> Self {
        Self::Files(EventFiles::in_storage(storage))
    }

    /// Creates an event store in a new database of a server.
    pub(crate) fn postgres(server: &Server, database: &str) -> Self {
        Self::postgres_with(server, database, cqrs_es_tables::POSTGRES)
    }

    /// Creates an event store with these tables in a new database of a server.
    pub(crate) fn postgres_with(server: &Server, database: &str, tables: &str) -> Self {
        server.psql("postgres", &format!("CREATE DATABASE {database}"));
        server.psql(database, tables);
        Self::Postgres(server.address_of("postgres", database))
    }

    /// Creates an event store in a new database in a directory.
    pub(crate) fn sqlite(folder: &Path, database: &str) -> Self {
        let path = folder.join(database);
        let database = Connection::open(&path).expect("a database");
        database.execute_batch(cqrs_es_tables::SQLITE).expect("tables");
        Self::Sqlite(path)
    }

    fn sqlite_tables(path: &Path) -> Sqlite {
        Sqlite::open(path).expect("opened").event_store(CqrsEs::tables())
    }

    fn tables(address: &str) -> Postgres {
        Postgres::connect(address).expect("an address").event_store(CqrsEs::tables())
    }

    fn provider(&self) -> Arc<dyn Provider> {
        match self {
            Self::Memory(store) => conformance::provider_of(store.clone()),
            Self::Files(store) => conformance::provider_of(store.clone()),
            Self::Postgres(address) => Arc::new(Self::tables(address)),
            Self::Sqlite(path) => Arc::new(Self::sqlite_tables(path)),
        }
    }

    /// Adds events to an aggregate, from this version on.
    pub(crate) async fn append(&self, id: &str, versions: std::ops::Range<u64>) {
        let events = versions.map(|version| event(id, version, 1)).collect();
        self.append_all(events).await;
    }

    /// Adds these events.
    pub(crate) async fn append_all(&self, events: Vec<StreamEvent>) {
        let mut session = self.provider().begin_restore(&SessionOptions::default()).await.expect("a session");
        session.events().expect("an event store").append(OBJECT, events).await.expect("appended");
        session.commit().await.expect("committed");
    }

    /// Adds a snapshot of an aggregate at a version.
    pub(crate) async fn add_snapshot(&self, id: &str, version: u64) {
        let snapshot = StreamSnapshot {
            object_id: id.to_owned(),
            stream_id: id.to_owned(),
            version,
            number: Some(1),
            name: None,
            timestamp: None,
            payload: JsonText::exact("{ \"paid\" : true }").expect("JSON"),
        };
        let mut session = self.provider().begin_restore(&SessionOptions::default()).await.expect("a session");
        let writer = session.events().expect("an event store");
        writer.add_snapshots(OBJECT, vec![snapshot]).await.expect("added");
        session.commit().await.expect("committed");
    }

    /// Returns all events and snapshots.
    pub(crate) async fn content(&self) -> Content {
        let snapshot = self.provider().snapshot().await.expect("a snapshot");
        let reader = snapshot.events().expect("an event store");
        let events = reader.all_events(OBJECT).await.expect("read").try_concat().await.expect("events");
        let snapshots = reader.all_snapshots(OBJECT).await.expect("read").try_concat().await;
        Content { events, snapshots: snapshots.expect("snapshots") }
    }
}

/// The content of an event store.
#[derive(Debug, PartialEq)]
pub(crate) struct Content {
    pub(crate) events: Vec<StreamEvent>,
    pub(crate) snapshots: Vec<StreamSnapshot>,
}

/// Returns an event with a text of this length that cannot be compressed well.
pub(crate) fn event(id: &str, version: u64, text_length: usize) -> StreamEvent {
    let mut generator = fastrand::Rng::with_seed(version);
    let text: String = (0..text_length).map(|_| generator.alphanumeric()).collect();
    let payload = JsonText::exact(format!("{{ \"text\" :\n \"{text}\"}}")).expect("JSON");
    NewEvent::with_payload("Placed", payload)
        .schema_version("1.0")
        .metadata(&["operator"])
        .expect("metadata")
        .into_stream_event(id, id, version)
}

/// Builds contexts, each with a state directory of its own.
pub(crate) struct Machine {
    folder: TempDir,
    contexts: Cell<u32>,
    pub(crate) clock: HandClock,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        Self { folder, contexts: Cell::new(0), clock: HandClock::at("2026-12-01T03:00:00Z") }
    }

    pub(crate) async fn koan(&self, events: &TestEvents, storage: &Storage) -> Koan {
        self.contexts.set(self.contexts.get() + 1);
        let builder = Koan::builder()
            .only_registered()
            .register_raw(OBJECT)
            .clock(self.clock.clone())
            .state_directory(self.folder.path().join(self.contexts.get().to_string()))
            .storage(storage.clone());
        let builder = match events {
            TestEvents::Memory(store) => builder.event_store(store.clone()),
            TestEvents::Files(store) => builder.event_store(store.clone()),
            TestEvents::Postgres(address) => builder.provider(TestEvents::tables(address)),
            TestEvents::Sqlite(path) => builder.provider(TestEvents::sqlite_tables(path)),
        };
        builder.build().await.expect("a context")
    }
}
