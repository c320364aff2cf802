//! The database.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use koan_backup_core::SetName;
use koan_backup_core::entity::Record;
use koan_backup_core::provider::keyed::RecordKey;

/// Records by entity and set.
pub(crate) type Tables = BTreeMap<(String, SetName), Arc<Table>>;
/// Records in the order of their keys.
pub(crate) type Table = BTreeMap<RecordKey, Record>;

/// A database in memory. Its clones are the same database; it is gone with the last of them.
///
/// It is read in one piece: a snapshot is what was there at one moment. Sessions follow one another: a second waits until the
/// first was committed, rolled back or dropped, for ten seconds at most. Keys that are decimals with a fraction are in the order of
/// their text.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    pub(crate) tables: Arc<Mutex<Arc<Tables>>>,
    pub(crate) writing: Arc<tokio::sync::Mutex<()>>,
}

impl Memory {
    /// An empty database.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is there now.
    pub(crate) fn now(&self) -> Arc<Tables> {
        Arc::clone(&self.lock())
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Arc<Tables>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
