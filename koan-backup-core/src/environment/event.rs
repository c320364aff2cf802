//! The events of operations, and the listeners that receive them.

mod log;
mod progress;

use std::fmt;
use std::sync::Arc;

use crate::archive::BackupStatus;
use crate::foundation::id::{BackupId, BackupName, SetName};
use crate::provider::SessionIntent;

pub(crate) use log::{OperationLog, operation_listener};

/// One event of a backup, restore, verification, copy or rekey.
///
/// ```
/// use koan_backup::Event;
/// # koan_backup_shop::run(async |koan| {
/// let report = koan
///     .backup("weekly")
///     .on_event(|event| match event {
///         Event::EntityCompleted { entity, records, .. } => println!("{entity}: {records} records"),
///         Event::Progress { percent, .. } => println!("{percent} %"),
///         _ => {}
///     })
///     .await?;
/// # assert!(report.is_complete());
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A backup started.
    BackupStarted {
        /// The id of the backup.
        id: BackupId,
        /// The name of the backup.
        name: BackupName,
        /// How many pairs of entity and set it will read.
        entries: usize,
        /// How many records it will read, if that is known.
        records: Option<u64>,
    },
    /// An entity is about to be read or written.
    EntityStarted {
        /// The entity.
        entity: String,
        /// The set.
        set: SetName,
        /// How many records are expected, if that is known.
        expected: Option<u64>,
    },
    /// A batch of rows was read.
    BatchRead {
        /// The entity.
        entity: String,
        /// The set.
        set: SetName,
        /// The number of records of this entity and set so far.
        records: u64,
    },
    /// A block of lines was written to the archive.
    BlockWritten {
        /// The entity.
        entity: String,
        /// The set.
        set: SetName,
        /// The number of records of this entity and set so far.
        records: u64,
        /// The number of bytes of their lines so far.
        bytes: u64,
    },
    /// An entity is about to be verified.
    VerificationStarted {
        /// The entity.
        entity: String,
        /// The set.
        set: SetName,
        /// The number of records in its entry.
        records: u64,
    },
    /// A block was verified.
    BlockVerified {
        /// The entity.
        entity: String,
        /// The set.
        set: SetName,
        /// The number of records of this entity and set so far.
        records: u64,
    },
    /// A part of an archive was copied into another storage profile. The copy is verified afterwards.
    ArchiveCopied {
        /// The id of the backup.
        id: BackupId,
        /// The number of bytes so far.
        bytes: u64,
        /// The number of bytes of the archive.
        total: u64,
    },
    /// A batch of records was written to the database and is not committed yet.
    BatchRestored {
        /// The entity.
        entity: String,
        /// The set.
        set: SetName,
        /// The number of records of this entity and set so far.
        records: u64,
    },
    /// All records of an entity were written; a restore is not committed yet.
    EntityCompleted {
        /// The entity.
        entity: String,
        /// The set.
        set: SetName,
        /// The number of its records.
        records: u64,
        /// The number of bytes of their lines.
        bytes: u64,
    },
    /// An entity failed.
    EntityFailed {
        /// The entity.
        entity: String,
        /// The set.
        set: SetName,
        /// The error as text.
        error: String,
    },
    /// A restore started.
    RestoreStarted {
        /// The id of the backup.
        id: BackupId,
        /// Whether the restore writes, or only compares every record.
        intent: SessionIntent,
    },
    /// A restore is planned and can start; nothing has been verified or written yet.
    RestorePrepared {
        /// The id of the backup.
        id: BackupId,
        /// How many pairs of entity and set it will write.
        entries: usize,
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
    /// An operation has advanced. The percentage never decreases and covers all phases; it is 100 only once a
    /// backup is published or a restore is committed.
    Progress {
        /// The id of the backup.
        id: BackupId,
        /// The percentage, from 1 to 100.
        percent: u8,
    },
    /// A restore ended: committed, or rolled back after an error.
    RestoreFinished {
        /// The id of the backup.
        id: BackupId,
        /// The error as text, if the restore failed.
        error: Option<String>,
    },
    /// A backup ended.
    BackupFinished {
        /// The id of the backup.
        id: BackupId,
        /// The status of the backup.
        status: BackupStatus,
    },
}

/// A callback that receives events. It is called on the threads that do the work and must return quickly.
///
/// ```
/// use koan_backup::{Event, Listener};
///
/// let listener = Listener::new(|event: &Event| println!("{event:?}"));
/// # let _ = listener;
/// ```
#[derive(Clone, Default)]
pub struct Listener(Option<Arc<Callback>>);

type Callback = dyn Fn(&Event) + Send + Sync;

impl Listener {
    /// Creates a listener that calls `listen` with every event.
    pub fn new(listen: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listen)))
    }

    /// Returns whether there is a callback.
    pub(crate) fn is_listening(&self) -> bool {
        self.0.is_some()
    }

    /// Emits the event that `event` creates. A panic of the callback is logged and does not end the
    /// operation.
    pub(crate) fn emit(&self, event: impl FnOnce() -> Event) {
        if let Some(listen) = &self.0 {
            let event = event();
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| listen(&event)));
            if outcome.is_err() {
                tracing::warn!(target: "koan::backup", "an event listener panicked");
            }
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_listening() { "Listener(some)" } else { "Listener(none)" })
    }
}
