//! A shop whose storage fails on request.

use std::sync::Arc;
use std::time::Duration;

use koan_backup::prelude::*;
use koan_backup::report::{Check, CheckCode, Diagnosis};
use koan_backup::{KoanBuilder, SetName};
use koan_backup_tests::faulty_store::FaultyStore;
use koan_backup_tests::hand_clock::HandClock;
use koan_backup_tests::scripted::Scripted;
use koan_backup_tests::state_directory::state_directory;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
pub(super) struct Invoice {
    id: i64,
}

/// A limit that a machine that is busy does not exceed.
pub(super) const LONG: Duration = Duration::from_secs(300);
/// A limit for work that never ends.
pub(super) const SHORT: Duration = Duration::from_secs(1);

/// A store in memory that fails on request, and what it contains.
pub(super) struct Store {
    pub(super) faults: FaultyStore,
    pub(super) files: Arc<InMemory>,
}

impl Store {
    pub(super) fn new() -> Self {
        let files = Arc::new(InMemory::new());
        Self { faults: FaultyStore::over(Arc::clone(&files) as _), files }
    }

    /// Returns the names of the files beside the folders.
    pub(super) async fn files_beside_folders(&self) -> Vec<String> {
        let listed = self.files.list_with_delimiter(None).await.expect("the files are listed");
        listed.objects.iter().map(|file| file.location.to_string()).collect()
    }

    /// Writes a file.
    pub(super) async fn write(&self, path: &str) {
        self.files.put(&Path::from(path), "left behind".into()).await.expect("the file is written");
    }
}

/// Returns a builder with one invoice and this store.
pub(super) fn builder(store: &Store) -> KoanBuilder {
    Koan::builder().state_directory(state_directory()).provider(database()).storage(store.faults.storage())
}

/// Returns a database with one invoice.
pub(super) fn database() -> Scripted {
    let database = Scripted::default();
    database.put(&SetName::root(), &Invoice { id: 1 });
    database
}

/// Builds a context whose clock the test sets.
pub(super) async fn koan(store: &Store) -> (Koan, HandClock) {
    let clock = HandClock::at(&jiff::Timestamp::now().to_string());
    let koan = builder(store).clock(clock.clone()).build().await.expect("a context");
    (koan, clock)
}

/// Returns the problems with this code.
pub(super) fn with_code(diagnosis: &Diagnosis, code: CheckCode) -> Vec<&Check> {
    diagnosis.problems().filter(|problem| problem.code == code).collect()
}
