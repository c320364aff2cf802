//! One check: its subject, its result, and the remedy.

use serde::Serialize;

use crate::foundation::error::Error;

/// The result of one check.
///
/// ```
/// use koan_backup::report::{Check, CheckCode, CheckState, CheckSubject};
///
/// let check = Check::problem(CheckSubject::Storage, CheckCode::StorageFailed, "the disk cannot be written")
///     .with_name("local")
///     .with_remedy("mount it with write permission");
/// assert_eq!(check.state, CheckState::Problem);
/// assert_eq!(check.label(), "storage local");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Check {
    /// What was checked.
    pub subject: CheckSubject,
    /// The name of the provider or storage profile, if the subject has a name.
    pub name: Option<String>,
    /// Whether something must be done.
    pub state: CheckState,
    /// What was found, for programs.
    pub code: CheckCode,
    /// What was found, for people. It contains no secret.
    pub detail: String,
    /// What to do. Every problem has a remedy.
    pub remedy: Option<String>,
}

/// What a check concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum CheckSubject {
    /// The settings and declarations of the application.
    Configuration,
    /// A database.
    Provider,
    /// A storage profile.
    Storage,
    /// Recipients and keys.
    Keys,
    /// The entities, tables and columns that backups cover.
    Coverage,
    /// The ages of the backups and of their verifications.
    Backups,
}

/// Whether something must be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum CheckState {
    /// Everything is as it should be.
    Ok,
    /// Backups work, and something deserves attention.
    Warning,
    /// A backup or a restore would fail, or would not be available when it is needed.
    Problem,
}

/// What a check found. The codes are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum CheckCode {
    /// The check passed.
    Passed,
    /// A setting or a declaration is invalid.
    ConfigurationInvalid,
    /// The database or storage does not exist yet. The first backup, start or restore creates it.
    NotCreated,
    /// There was no response within the time limit.
    NoResponse,
    /// The database cannot be opened or read.
    ProviderFailed,
    /// The records of an entity cannot be read.
    EntityUnreadable,
    /// The database cannot be written, so restores fail.
    ProviderNotWritable,
    /// The storage cannot be opened, read or written.
    StorageFailed,
    /// The storage can be read and not be written.
    StorageReadOnly,
    /// The storage was used before, and is now missing or empty.
    StorageLost,
    /// The storage does not exist, and its path is probably misspelt.
    StorageMisspelt,
    /// The storage does not exist and must not be created.
    StorageRefused,
    /// Two storage profiles have the same location.
    StorageShared,
    /// The probe could not be removed.
    ProbeNotRemoved,
    /// The clock of this machine and that of the store differ.
    ClockDiffers,
    /// The free space is less than twice the size of the newest archive.
    DiskNearlyFull,
    /// Manifests cannot be read.
    ManifestUnreadable,
    /// `.meta` files of single backups of event streams cannot be read.
    StreamBackupUnreadable,
    /// Single backups of event streams are damaged.
    StreamBackupDamaged,
    /// Single backups of event streams have expired, and maintenance does not remove them.
    StreamBackupExpired,
    /// No event type declares the object name of single backups.
    StreamBackupUndeclared,
    /// Something must be encrypted, and there are no usable recipients.
    RecipientsMissing,
    /// A source of keys cannot be read.
    KeysUnavailable,
    /// No key decrypts what is encrypted for the recipients.
    KeysWrong,
    /// An entity, table or column is in no backup.
    Uncovered,
    /// There is no completed backup.
    NoBackup,
    /// The newest backup is older than expected.
    BackupOverdue,
    /// The newest verification is older than expected.
    VerificationOverdue,
}

impl Check {
    /// Returns a check that passed.
    pub fn ok(subject: CheckSubject, detail: impl Into<String>) -> Self {
        Self::new(subject, CheckState::Ok, CheckCode::Passed, detail)
    }

    /// Returns a check that found something that deserves attention.
    pub fn warning(subject: CheckSubject, code: CheckCode, detail: impl Into<String>) -> Self {
        Self::new(subject, CheckState::Warning, code, detail)
    }

    /// Returns a check that found a problem.
    pub fn problem(subject: CheckSubject, code: CheckCode, detail: impl Into<String>) -> Self {
        Self::new(subject, CheckState::Problem, code, detail)
    }

    /// Returns the problem that an error describes, with the remedy of the error, or else with `remedy`.
    pub fn of_error(
        subject: CheckSubject,
        code: CheckCode,
        error: &Error,
        remedy: impl Into<String>,
    ) -> Self {
        let remedy = error.help().map_or_else(|| remedy.into(), str::to_owned);
        Self::problem(subject, code, error.description()).with_remedy(remedy)
    }

    fn new(subject: CheckSubject, state: CheckState, code: CheckCode, detail: impl Into<String>) -> Self {
        Self { subject, name: None, state, code, detail: detail.into(), remedy: None }
    }

    /// Sets the name of the provider or storage profile.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the remedy.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Returns the subject and its name, for example `storage local`.
    pub fn label(&self) -> String {
        let subject = match self.subject {
            CheckSubject::Configuration => "configuration",
            CheckSubject::Provider => "provider",
            CheckSubject::Storage => "storage",
            CheckSubject::Keys => "keys",
            CheckSubject::Coverage => "coverage",
            CheckSubject::Backups => "backups",
        };
        self.name.as_ref().map_or_else(|| subject.to_owned(), |name| format!("{subject} {name}"))
    }
}
