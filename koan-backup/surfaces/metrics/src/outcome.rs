//! The values of the labels `outcome` and `kind`.

use koan_backup_core::archive::BackupStatus;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Completed,
    CompletedWithWarnings,
    Failed,
    Cancelled,
}

impl Outcome {
    pub(crate) const ALL: [Self; 4] =
        [Self::Completed, Self::CompletedWithWarnings, Self::Failed, Self::Cancelled];

    /// Returns the outcome of a status. A status that this version does not know is a failure.
    pub(crate) fn of(status: BackupStatus) -> Self {
        match status {
            BackupStatus::Completed => Self::Completed,
            BackupStatus::CompletedWithWarnings => Self::CompletedWithWarnings,
            BackupStatus::Cancelled => Self::Cancelled,
            _ => Self::Failed,
        }
    }

    pub(crate) fn is_success(self) -> bool {
        matches!(self, Self::Completed | Self::CompletedWithWarnings)
    }

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::CompletedWithWarnings => "completed_with_warnings",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The kind of a running operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OperationKind {
    Backup,
    Restore,
}

impl OperationKind {
    pub(crate) const ALL: [Self; 2] = [Self::Backup, Self::Restore];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Restore => "restore",
        }
    }
}
