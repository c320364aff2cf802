//! What to restore, and how.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::declaration::selection::Selection;
use crate::environment::event::Listener;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::SetName;
use crate::foundation::identity::ApplicationIdentity;
use crate::provider::{ConflictMode, RestoreLevel, SessionIntent, SessionOptions};

/// How a restore is done.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RestoreOptions {
    /// What is restored: everything in the archive, unless narrowed.
    pub selection: Selection,
    /// The storage profile; the default one if none is named.
    pub profile: Option<String>,
    /// The application that made it, if a backup is looked up by name among those of another one.
    pub application: Option<ApplicationIdentity>,
    /// What happens to a record whose key exists already.
    pub conflict: ConflictMode,
    /// Whether records that are not in the archive go.
    pub replace_existing: bool,
    /// The set records go to, instead of the one they were in.
    pub target_set: Option<SetName>,
    /// How far a provider may go to be fast.
    pub level: RestoreLevel,
    /// Whether every record is compared and nothing is written.
    pub intent: SessionIntent,
    /// Whether missing tables are made.
    pub create_missing: bool,
    /// Whether a backup that failed in part may be restored: the entities that completed.
    pub allow_partial: bool,
    /// Whether fields of the archive that the type does not have may be lost.
    pub allow_field_loss: bool,
    /// Whether the archive is verified before the first write.
    pub verification: Verification,
    /// Records written at once.
    pub batch_size: usize,
    /// Blocks decoded at once.
    pub max_concurrency: usize,
    /// Cancels the restore: it is undone.
    pub cancel: CancellationToken,
    /// How long it may take; without a limit if none is given.
    pub timeout: Option<Duration>,
    /// Is told what happens.
    pub listener: Listener,
}

/// Whether an archive is verified before the first write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verification {
    /// All that is restored. Where that is everything, every byte of the archive; else its directory, its documents and the entries
    /// of these entities, and the rest is not read.
    #[default]
    Whole,
    /// Only its directory and documents before the first write, and each entity's hash before the commit. For archives
    /// that were verified just now.
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
            intent: self.intent,
            create_missing: self.create_missing,
        }
    }
}
