//! States, which a symbol, a colour and a word show together.

use koan_backup_core::archive::BackupStatus;
use koan_backup_core::catalog::CatalogEntry;
use maud::{Markup, html};

use crate::operations::{OperationKind, OperationStatus};

/// How good a state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// It is as expected.
    Ok,
    /// It goes on.
    Running,
    /// A person should look at it.
    Attention,
    /// Something is wrong.
    Problem,
}

impl Level {
    fn class(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Running => "running",
            Self::Attention => "attention",
            Self::Problem => "problem",
        }
    }

    fn symbol(self) -> &'static str {
        match self {
            Self::Ok => "●",
            Self::Running => "◌",
            Self::Attention => "▲",
            Self::Problem => "■",
        }
    }

    /// Returns the level's symbol.
    pub(super) fn mark(self) -> Markup {
        html! { span class={ "mark " (self.class()) } aria-hidden="true" { (self.symbol()) } }
    }

    /// Returns a text with the level's symbol.
    pub(super) fn says(self, text: &str) -> Markup {
        html! { span.state { (self.mark()) " " (text) } }
    }
}

/// Returns the state of a backup.
pub(super) fn of_backup(entry: &CatalogEntry) -> (Level, &'static str) {
    if entry.damage().is_some() {
        return (Level::Problem, "damaged");
    }
    match entry.manifest().status {
        BackupStatus::Completed if entry.is_healthy() => (Level::Ok, "complete"),
        BackupStatus::Completed | BackupStatus::CompletedWithWarnings => {
            (Level::Attention, "complete, with warnings")
        }
        BackupStatus::Cancelled => (Level::Attention, "cancelled"),
        _ => (Level::Problem, "failed"),
    }
}

/// Returns the state of an operation.
pub(super) fn of_operation(status: OperationStatus) -> (Level, &'static str) {
    match status {
        OperationStatus::Queued => (Level::Running, "waits for its turn"),
        OperationStatus::Running => (Level::Running, "runs"),
        OperationStatus::Cancelling => (Level::Running, "is being cancelled"),
        OperationStatus::Completed => (Level::Ok, "completed"),
        OperationStatus::CompletedWithWarnings => (Level::Attention, "completed, with warnings"),
        OperationStatus::Failed => (Level::Problem, "failed"),
        OperationStatus::Cancelled => (Level::Attention, "cancelled"),
        OperationStatus::Interrupted => (Level::Problem, "interrupted"),
    }
}

/// Returns what an operation does, as a noun.
pub(super) fn operation_name(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Backup => "Backup",
        OperationKind::Restore => "Restore",
        OperationKind::DryRun => "Comparison with the database",
        OperationKind::Viability => "Check of a restore",
        OperationKind::Verify => "Verification",
        OperationKind::Copy => "Copy",
        OperationKind::Rekey => "Change of the keys",
        OperationKind::Diff => "Comparison of backups",
        OperationKind::Recover => "Recovery",
        OperationKind::Maintenance => "Maintenance",
        OperationKind::Retention => "Removal of old backups",
        OperationKind::StreamBackup => "Single backup",
        OperationKind::StreamBackups => "Single backups",
        OperationKind::StreamRestore => "Restore of a single backup",
        OperationKind::StreamClone => "Clone of a single backup",
        OperationKind::StreamVerify => "Verification of a single backup",
        OperationKind::StreamCleanup => "Removal of expired single backups",
    }
}
