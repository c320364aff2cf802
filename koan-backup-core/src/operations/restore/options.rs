//! The options of a restore.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::declaration::selection::Selection;
use crate::environment::event::Listener;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::SetName;
use crate::foundation::identity::ApplicationIdentity;
use crate::provider::{ConflictMode, RestoreLevel, SessionIntent, SessionOptions};

/// The options of a restore.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RestoreOptions {
    /// The entities and sets that are restored. By default, everything in the archive is restored.
    pub selection: Selection,
    /// The storage profile. `None` is the default profile.
    pub profile: Option<String>,
    /// The application whose backups are searched for the name. `None` is this application.
    pub application: Option<ApplicationIdentity>,
    /// What happens to a record whose key already exists.
    pub conflict: ConflictMode,
    /// Whether existing records that are not in the archive are deleted.
    pub replace_existing: bool,
    /// The set that records are written to. `None` is the set that they were read from.
    pub target_set: Option<SetName>,
    /// Which objects of the database a provider may suspend to be faster.
    pub level: RestoreLevel,
    /// Whether no constraint may be suspended. See [`SessionOptions::keep_constraints`].
    pub keep_constraints: bool,
    /// Whether no index may be dropped. See [`SessionOptions::keep_indexes`].
    pub keep_indexes: bool,
    /// Whether tables are filled without bulk mode. See [`SessionOptions::without_bulk_mode`].
    pub without_bulk_mode: bool,
    /// Whether the restore writes, or only compares every record.
    pub intent: SessionIntent,
    /// Whether missing tables are created.
    pub create_missing: bool,
    /// Whether the completed entities of a backup may be restored if other entities of the backup failed.
    pub allow_partial: bool,
    /// Whether fields of the archive that the type does not have may be lost.
    pub allow_field_loss: bool,
    /// Whether the archive is verified before the first write.
    pub verification: Verification,
    /// The number of records in a batch.
    pub batch_size: usize,
    /// The number of blocks that are decoded at the same time.
    pub max_concurrency: usize,
    /// Cancels the restore, which is then rolled back.
    pub cancel: CancellationToken,
    /// The time limit, if there is one.
    pub timeout: Option<Duration>,
    /// Receives the events of the restore.
    pub listener: Listener,
}

/// Whether an archive is verified before the first write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verification {
    /// Verifies everything that is restored: every byte of the archive if the complete archive is restored,
    /// otherwise its directory, its documents and the restored entries.
    #[default]
    Complete,
    /// Verifies only the directory and the documents before the first write, and the hash of each entry
    /// before the commit. This is meant for archives that were verified recently.
    BeforeCommit,
}

impl Default for RestoreOptions {
    fn default() -> Self {
        Self {
            selection: Selection::default(),
            profile: None,
            application: None,
            conflict: ConflictMode::default(),
            replace_existing: false,
            target_set: None,
            level: RestoreLevel::default(),
            keep_constraints: false,
            keep_indexes: false,
            without_bulk_mode: false,
            intent: SessionIntent::default(),
            create_missing: false,
            allow_partial: false,
            allow_field_loss: false,
            verification: Verification::default(),
            batch_size: 1000,
            max_concurrency: 4,
            cancel: CancellationToken::new(),
            timeout: None,
            listener: Listener::default(),
        }
    }
}

impl RestoreOptions {
    pub(super) fn validate(&self) -> Result<()> {
        let problem = if self.batch_size == 0 {
            Some("batch_size must be at least 1")
        } else if self.max_concurrency == 0 {
            Some("max_concurrency must be at least 1")
        } else {
            None
        };
        problem.map_or(Ok(()), |problem| Err(Error::new(ErrorKind::Configuration, problem)))
    }

    pub(super) fn session(&self) -> SessionOptions {
        SessionOptions {
            conflict: self.conflict,
            replace_existing: self.replace_existing,
            level: self.level,
            keep_constraints: self.keep_constraints,
            keep_indexes: self.keep_indexes,
            without_bulk_mode: self.without_bulk_mode,
            intent: self.intent,
            create_missing: self.create_missing,
        }
    }
}
