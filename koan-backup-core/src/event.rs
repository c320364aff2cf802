//! What happens while work goes on. Terminals, HTTP and logs listen.

mod log;
mod progress;

use std::fmt;
use std::sync::Arc;

use crate::archive::BackupStatus;
use crate::id::{BackupId, BackupName, SetName};
use crate::provider::SessionIntent;

pub(crate) use log::{OperationLog, operation_listener};

/// One thing that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A backup began.
    BackupStarted {
        /// Its id.
        id: BackupId,
        /// Its name.
        name: BackupName,
        /// How many entities and sets it will read.
        parts: usize,
        /// How many records it will read, where that is known.
        records: Option<u64>,
    },
    /// An entity is about to be read, written or verified.
    EntityStarted {
        /// The entity.
        entity: String,
        /// The set.
        set: SetName,
        /// How many records are expected, where that is known.
        expected: Option<u64>,
    },
    /// A batch of rows was read.
    BatchRead {
        /// The entity.
        entity: String,
        /// The set.
        set: SetName,
        /// Records of this entity and set so far.
        records: u64,
    },
    /// Lines were written to the archive.
    BlockWritten {
        /// The entity.
        entity: String,
        /// The set.
        set: SetName,
        /// Records of this entity and set so far.
        records: u64,
        /// Bytes of their lines so far.
        bytes: u64,
    },
    /// A block was verified.
    BlockVerified {
        /// The entity.
        entity: String,
        /// The set.
        set: SetName,
        /// Records of this entity and set so far.
        records: u64,
    },
    /// A batch of records was written to the database, not yet committed.
    BatchRestored {
        /// The entity.
        entity: String,
        /// The set.
        set: SetName,
        /// Records of this entity and set so far.
        records: u64,
    },
    /// All records of an entity were written; a restore is not committed yet.
    EntityCompleted {
        /// The entity.
        entity: String,
        /// The set.
        set: SetName,
        /// Its records.
        records: u64,
        /// Bytes of their lines.
        bytes: u64,
    },
    /// An entity failed.
    EntityFailed {
        /// The entity.
        entity: String,
        /// The set.
        set: SetName,
        /// Why.
        error: String,
    },
    /// A restore began.
    RestoreStarted {
        /// The backup.
        id: BackupId,
        /// Whether it writes.
        intent: SessionIntent,
    },
    /// A restore has been planned and can work; nothing has been verified or written yet.
    RestorePrepared {
        /// The backup.
        id: BackupId,
        /// How many entities and sets it will write.
        parts: usize,
        /// How many records it will write.
        records: u64,
    },
    /// The target of an entity is ready for its records.
    EntityPrepared {
        /// The entity.
        entity: String,
        /// The set.
        set: SetName,
    },
    /// An operation has advanced. The percentage never decreases and covers all phases; it is 100 only once a backup is published
    /// or a restore is committed.
    Progress {
        /// The backup.
        id: BackupId,
        /// 1 to 100.
        percent: u8,
    },
    /// A restore ended: committed, or, with an error, undone.
    RestoreFinished {
        /// The backup.
        id: BackupId,
        /// Why it failed.
        error: Option<String>,
    },
    /// A backup ended, and how.
    BackupFinished {
        /// Its id.
        id: BackupId,
        /// How it ended.
        status: BackupStatus,
    },
}

/// Who is told. Called on the threads that do the work: it must return at once.
#[derive(Clone, Default)]
pub struct Listener(Option<Arc<Listen>>);

type Listen = dyn Fn(&Event) + Send + Sync;

impl Listener {
    /// Calls `listen` with every event.
    pub fn new(listen: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listen)))
    }

    /// Whether anybody listens.
    pub(crate) fn is_listening(&self) -> bool {
        self.0.is_some()
    }

    /// Tells what happened. A listener that panics does not end the work.
    pub(crate) fn tell(&self, event: impl FnOnce() -> Event) {
        if let Some(listen) = &self.0 {
            let event = event();
            let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| listen(&event)));
            if told.is_err() {
                tracing::warn!(target: "koan::backup", "a progress listener panicked");
            }
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_listening() { "Listener(some)" } else { "Listener(none)" })
    }
}
