//! The events of operations, and the listeners that receive them.

mod log;
mod progress;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::archive::{BackupStatus, Manifest};
use crate::foundation::error::ErrorKind;
use crate::foundation::id::{BackupId, BackupName, SetName};
use crate::foundation::series::SeriesName;
use crate::provider::SessionIntent;

pub(crate) use log::{OperationLog, operation_listener};

/// One event of a backup, restore, verification, comparison, copy or rekey, or of a single backup or its restore.
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
        /// The series of the backup.
        series: SeriesName,
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
    /// An entity of two backups is about to be compared.
    ComparisonStarted {
        /// The entity.
        entity: String,
        /// The set.
        set: SetName,
        /// The number of its records in both backups.
        records: u64,
    },
    /// A block of one of two backups was compared.
    BlockCompared {
        /// The entity.
        entity: String,
        /// The set.
        set: SetName,
        /// The number of records of this entity and set so far, of both backups.
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
        /// The name of the backup.
        name: BackupName,
        /// The series of the backup.
        series: SeriesName,
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
    /// A verification ended that was started for its own sake: by [`Koan::verify`](crate::Koan::verify), by
    /// maintenance, or after a backup. The verification within a restore, copy or rekey does not emit it.
    VerificationFinished {
        /// The id of the backup.
        id: BackupId,
        /// The name of the backup.
        name: BackupName,
        /// The series of the backup.
        series: SeriesName,
        /// Whether the whole backup was to be verified, and not a sample or some of its entities.
        is_complete: bool,
        /// The outcome of the verification.
        outcome: VerificationOutcome,
    },
    /// A restore ended: committed, or rolled back after an error. Every restore that is awaited emits this event
    /// exactly once, also if it is refused before it starts, and if its future is dropped.
    RestoreFinished {
        /// The id of the backup, if the backup was found.
        id: Option<BackupId>,
        /// The name of the backup, if it is known.
        name: Option<BackupName>,
        /// The series of the backup, if the backup was found.
        series: Option<SeriesName>,
        /// Whether the restore was to write, or only to compare every record.
        intent: SessionIntent,
        /// The error as text, if the restore failed.
        error: Option<String>,
        /// How long the restore took.
        duration: Duration,
    },
    /// A backup ended. Every backup with a valid name that is awaited emits this event exactly once, also if it is
    /// refused before it starts, and if its future is dropped.
    BackupFinished {
        /// The id of the backup, if it received one before it ended.
        id: Option<BackupId>,
        /// The name of the backup.
        name: BackupName,
        /// The series of the backup.
        series: SeriesName,
        /// The status of the backup.
        status: BackupStatus,
        /// The error as text, if the operation failed.
        error: Option<String>,
        /// The manifest, if the backup was published with an archive or in a directory tree. In a directory tree, it
        /// has no archive.
        manifest: Option<Arc<Manifest>>,
        /// How long the backup took.
        duration: Duration,
    },
    /// A single backup of an event stream ended. Every single backup that was begun emits this event exactly once, also
    /// if its future is dropped.
    StreamBackupFinished {
        /// The id of the backup, if it was made.
        id: Option<BackupId>,
        /// The object name.
        object: String,
        /// The kind of the error, if the backup failed. The text may contain what is encrypted.
        error: Option<ErrorKind>,
        /// How long the backup took.
        duration: Duration,
    },
    /// The restore of a single backup ended: committed, or rolled back after an error. Every restore that was begun emits
    /// this event exactly once, also if its future is dropped.
    StreamRestoreFinished {
        /// The id of the backup.
        id: BackupId,
        /// The object name, if it is known.
        object: Option<String>,
        /// The kind of the error, if the restore failed. The text may contain what is encrypted.
        error: Option<ErrorKind>,
        /// How long the restore took.
        duration: Duration,
    },
}

/// The outcome of a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerificationOutcome {
    /// Everything that was verified is intact.
    Valid,
    /// The backup is damaged.
    Damaged {
        /// The first problem.
        problem: String,
    },
    /// The verification could not be completed, so the state of the backup is unknown.
    Unknown {
        /// The error as text.
        error: String,
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

    /// Returns a listener that passes every event to each of these listeners, in their order.
    pub(crate) fn combined<'a>(listeners: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut listening: Vec<_> =
            listeners.into_iter().filter(|listener| listener.is_listening()).cloned().collect();
        match listening.len() {
            0 | 1 => listening.pop().unwrap_or_default(),
            _ => Self::new(move |event| listening.iter().for_each(|listener| listener.receive(event))),
        }
    }

    /// Emits the event that `event` creates.
    pub(crate) fn emit(&self, event: impl FnOnce() -> Event) {
        if self.is_listening() {
            self.receive(&event());
        }
    }

    /// Passes an event to the callback. A panic of the callback is logged and does not end the operation.
    fn receive(&self, event: &Event) {
        if let Some(listen) = &self.0 {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| listen(event)));
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
