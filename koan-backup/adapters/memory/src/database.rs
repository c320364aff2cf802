//! The in-memory database.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use koan_backup_core::SetName;
use koan_backup_core::entity::Record;
use koan_backup_core::provider::keyed::RecordKey;

/// The tables by entity and set.
pub(crate) type Tables = BTreeMap<(String, SetName), Arc<Table>>;
/// The records of a table in the order of their keys.
pub(crate) type Table = BTreeMap<RecordKey, Record>;

/// A database in memory. All clones of a database share its content, which is dropped with the last clone.
///
/// A snapshot contains the records of one point in time. Only one session can write at a time: another
/// session waits for at most ten seconds until the first session is committed, rolled back or dropped. Keys
/// that are decimals with a fraction are ordered by their text.
///
/// ```
/// use koan_backup::Memory;
/// use koan_backup::prelude::*;
/// # use koan_backup_shop::{User, key_pair};
/// # koan_backup_shop::run(async |_| {
///
/// let database = Memory::new();
/// let koan = Koan::builder()
///     .provider(database.clone())
///     .storage(Storage::memory())
/// #   .encrypt_to(Recipients::keys([key_pair().0])?)
///     .build()
///     .await?;
/// koan.data::<User>().upsert_many([User { id: 1, name: "Ada".to_owned() }]).await?;
/// let backup = koan.backup("nightly").await?;
/// assert_eq!(backup.item_count(), 1);
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug, Default)]
pub struct Memory {
    pub(crate) tables: Arc<Mutex<Arc<Tables>>>,
    /// The lock of the session that writes.
    pub(crate) write_lock: Arc<tokio::sync::Mutex<()>>,
}

impl Memory {
    /// Creates an empty database.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the current content.
    pub(crate) fn current(&self) -> Arc<Tables> {
        Arc::clone(&self.lock())
    }

    /// Locks the content for a short access.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Arc<Tables>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
