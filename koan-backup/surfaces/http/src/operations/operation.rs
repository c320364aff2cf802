//! The record of an operation.

use jiff::Timestamp;
use koan_backup_core::BackupId;
use serde::{Deserialize, Serialize};

use super::identifier::{OperationId, OwnerId};
use super::progress::Progress;

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum OperationKind {
    /// Makes a backup.
    Backup,
    /// Restores a backup.
    Restore,
    /// Compares a backup with the database, and writes nothing.
    DryRun,
    /// Determines whether a restore would succeed.
    Viability,
    /// Verifies a backup.
    Verify,
    /// Copies a backup into another storage profile.
    Copy,
    /// Rewrites an archive for other recipients.
    Rekey,
    /// Compares two backups.
    Diff,
    /// Examines and publishes unlisted archives.
    Recover,
    /// Runs maintenance.
    Maintenance,
    /// Applies a retention plan.
    Retention,
    /// Makes a single backup of an event stream.
    StreamBackup,
    /// Makes single backups of many event streams.
    StreamBackups,
    /// Restores a single backup.
    StreamRestore,
    /// Restores a clone of a single backup.
    StreamClone,
    /// Verifies a single backup.
    StreamVerify,
    /// Removes expired single backups.
    StreamCleanup,
}

impl OperationKind {
    /// All kinds.
    #[cfg(any(feature = "sqlite", test))]
    pub(crate) const ALL: [Self; 17] = [
        Self::Backup,
        Self::Restore,
        Self::DryRun,
        Self::Viability,
        Self::Verify,
        Self::Copy,
        Self::Rekey,
        Self::Diff,
        Self::Recover,
        Self::Maintenance,
        Self::Retention,
        Self::StreamBackup,
        Self::StreamBackups,
        Self::StreamRestore,
        Self::StreamClone,
        Self::StreamVerify,
        Self::StreamCleanup,
    ];

    /// Returns the name, as in JSON.
    #[cfg(any(feature = "sqlite", test))]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::DryRun => "dryRun",
            Self::Viability => "viability",
            Self::Verify => "verify",
            Self::Copy => "copy",
            Self::Rekey => "rekey",
            Self::Diff => "diff",
            Self::Recover => "recover",
            Self::Maintenance => "maintenance",
            Self::Retention => "retention",
            Self::StreamBackup => "streamBackup",
            Self::StreamBackups => "streamBackups",
            Self::StreamRestore => "streamRestore",
            Self::StreamClone => "streamClone",
            Self::StreamVerify => "streamVerify",
            Self::StreamCleanup => "streamCleanup",
        }
    }

    /// Returns whether the work changes the storage step by step. If it is cancelled, earlier steps have taken effect, so
    /// that its end is not recorded as `cancelled`.
    pub(crate) fn works_in_steps(self) -> bool {
        match self {
            Self::Backup | Self::Restore | Self::DryRun | Self::Viability | Self::Verify | Self::Diff => {
                false
            }
            Self::StreamBackup | Self::StreamRestore | Self::StreamClone | Self::StreamVerify => false,
            Self::Copy | Self::Rekey | Self::Recover | Self::Maintenance | Self::Retention => true,
            Self::StreamBackups | Self::StreamCleanup => true,
        }
    }

    /// Returns whether the work is on single backups of event streams.
    pub(crate) fn is_of_streams(self) -> bool {
        matches!(
            self,
            Self::StreamBackup
                | Self::StreamBackups
                | Self::StreamRestore
                | Self::StreamClone
                | Self::StreamVerify
                | Self::StreamCleanup
        )
    }

    /// Returns the kind with a name.
    #[cfg(any(feature = "sqlite", test))]
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// The state of an operation. The states from `Completed` on are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum OperationStatus {
    /// The operation is recorded and waits for its turn.
    Queued,
    /// The work runs.
    Running,
    /// A cancellation was requested, and the work has not stopped yet.
    Cancelling,
    /// The work succeeded.
    Completed,
    /// The work succeeded, and its result contains warnings.
    CompletedWithWarnings,
    /// The work failed.
    Failed,
    /// The work has stopped after a cancellation, and nothing was published or committed.
    Cancelled,
    /// The process that owned the operation lost its lease, so it is not known how the work ended.
    Interrupted,
}

impl OperationStatus {
    /// All states.
    #[cfg(any(feature = "sqlite", test))]
    pub(crate) const ALL: [Self; 8] = [
        Self::Queued,
        Self::Running,
        Self::Cancelling,
        Self::Completed,
        Self::CompletedWithWarnings,
        Self::Failed,
        Self::Cancelled,
        Self::Interrupted,
    ];
    /// The states of operations that have not ended.
    pub(crate) const UNFINISHED: [Self; 3] = [Self::Queued, Self::Running, Self::Cancelling];

    /// The states of operations that have ended.
    pub(crate) const FINISHED: [Self; 5] =
        [Self::Completed, Self::CompletedWithWarnings, Self::Failed, Self::Cancelled, Self::Interrupted];

    /// Returns the name, as in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Cancelling => "cancelling",
            Self::Completed => "completed",
            Self::CompletedWithWarnings => "completedWithWarnings",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }

    /// Returns the state with a name.
    #[cfg(any(feature = "sqlite", test))]
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Returns whether the work succeeded, with or without warnings.
    pub(crate) fn has_succeeded(self) -> bool {
        matches!(self, Self::Completed | Self::CompletedWithWarnings)
    }

    /// Returns whether the state is final.
    pub(crate) fn is_final(self) -> bool {
        !Self::UNFINISHED.contains(&self)
    }
}

/// Who started an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Initiator {
    /// The name of the principal.
    pub(crate) name: String,
    /// The role that the principal had.
    pub(crate) role: String,
}

/// The request to cancel an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cancellation {
    /// When the cancellation was requested.
    pub(crate) requested_at: Timestamp,
    /// The principal that requested it, or [`Cancellation::SHUTDOWN`].
    pub(crate) requested_by: String,
}

impl Cancellation {
    /// The requester of a cancellation because the server stops.
    pub(crate) const SHUTDOWN: &'static str = "server shutdown";
}

/// The process that runs an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Owner {
    /// The id of the owner.
    pub(crate) id: OwnerId,
    /// The number of the process in its operating system, for people.
    pub(crate) process: u32,
}

/// The record of an operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Operation {
    /// The id.
    pub(crate) id: OperationId,
    /// What the operation does.
    pub(crate) kind: OperationKind,
    /// The state.
    pub(crate) status: OperationStatus,
    /// The name of the backup.
    pub(crate) backup_name: Option<String>,
    /// The id of the backup that the operation reads. The id of a new backup is part of the progress.
    pub(crate) backup_id: Option<BackupId>,
    /// The storage profile of the backup that the operation makes or reads, if it was selected.
    #[serde(default)]
    pub(crate) storage_profile: Option<String>,
    /// The names of the providers that the operation uses.
    pub(crate) providers: Vec<String>,
    /// Who started the operation.
    pub(crate) started_by: Initiator,
    /// Why the operation was started.
    pub(crate) reason: Option<String>,
    /// When the operation was recorded.
    pub(crate) created_at: Timestamp,
    /// When the work started.
    pub(crate) started_at: Option<Timestamp>,
    /// When the end of the operation was recorded.
    pub(crate) completed_at: Option<Timestamp>,
    /// The request to cancel the operation.
    pub(crate) cancellation: Option<Cancellation>,
    /// How far the work is.
    pub(crate) progress: Progress,
    /// The problem document of the error.
    pub(crate) error: Option<serde_json::Value>,
    /// The result of the work. Lists do not contain it.
    pub(crate) result: Option<serde_json::Value>,
    /// The process that runs the operation.
    pub(crate) owner: Owner,
    /// The number of the last event.
    pub(crate) sequence: u64,
}

impl Operation {
    /// Returns the text of the error.
    pub(crate) fn error_message(&self) -> Option<&str> {
        self.error.as_ref()?.get("detail")?.as_str()
    }
}
