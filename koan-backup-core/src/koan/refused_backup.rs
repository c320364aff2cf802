//! A backup that its builder refuses, whose end is announced as that of every other backup.

use super::context::Koan;
use crate::foundation::error::Error;
use crate::foundation::id::BackupName;
use crate::operations::backup::{self, BackupOptions};

/// The context, the name and the options of a backup.
pub(super) type ValidBackup = (Koan, BackupName, BackupOptions);

/// A backup that its builder refuses.
#[derive(Debug)]
pub(super) struct RefusedBackup {
    error: Error,
    /// The backup whose end is announced, if its name is valid.
    backup: Option<Box<ValidBackup>>,
}

impl RefusedBackup {
    pub(super) fn new(error: Error, backup: ValidBackup) -> Self {
        Self { error, backup: Some(Box::new(backup)) }
    }

    /// Creates the refusal of a backup whose name is invalid, or that has no context. Its end is not announced.
    pub(super) fn without_name(error: Error) -> Self {
        Self { error, backup: None }
    }

    /// Announces the end of the backup, and returns the error.
    pub(super) fn announce(self) -> Error {
        if let Some((koan, name, options)) = self.backup.as_deref() {
            backup::announce_refusal(&koan.environment, name, options, &self.error);
        }
        self.error
    }
}
