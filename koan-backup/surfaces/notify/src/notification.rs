//! What a notification says.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use koan_backup_core::archive::Manifest;
use koan_backup_core::{BackupId, Error, ErrorKind};
use serde::Serialize;
use uuid::Uuid;

/// The version of the JSON form of a notification.
const VERSION: u32 = 1;

/// The kind of a notification, by which a target selects what it receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum NotificationKind {
    /// A backup started.
    Start,
    /// A backup was completed without warnings.
    Success,
    /// A backup was completed with warnings, or a verification could not be completed.
    Warning,
    /// A backup failed, or a verification found a fault.
    Failure,
    /// A backup was completed after the previous backup of its series had failed.
    Recovery,
}

impl NotificationKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Start, Self::Success, Self::Warning, Self::Failure, Self::Recovery];

    /// Returns the name of the kind, as in a configuration and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Success => "success",
            Self::Warning => "warning",
            Self::Failure => "failure",
            Self::Recovery => "recovery",
        }
    }
}

impl fmt::Display for NotificationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for NotificationKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| {
            let text = format!("no notification has the kind `{}`", name.escape_debug());
            let help = "the kinds are `start`, `success`, `warning`, `failure` and `recovery`";
            Error::new(ErrorKind::Configuration, text).with_help(help)
        })
    }
}

/// The operation of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum NotifiedOperation {
    /// A backup.
    Backup,
    /// A verification.
    Verification,
}

impl NotifiedOperation {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Verification => "verification",
        }
    }
}

/// A notification, which is the body of a webhook in JSON.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Notification {
    version: u32,
    /// The id of this notification, which is the same in every attempt.
    pub(crate) id: Uuid,
    /// Under which of its kinds the target receives the notification.
    pub(crate) kind: NotificationKind,
    pub(crate) operation: NotifiedOperation,
    pub(crate) application: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) series: String,
    pub(crate) name: String,
    pub(crate) backup_id: Option<BackupId>,
    /// Whether the previous backup of the series had failed, and this one was completed.
    pub(crate) is_recovery: bool,
    /// Why the operation failed.
    pub(crate) error: Option<String>,
    pub(crate) at: Timestamp,
    pub(crate) duration_ms: Option<u64>,
    /// The number of records in the backup.
    records: Option<u64>,
    /// The size of the archive.
    archive_bytes: Option<u64>,
    /// The number of warnings of the backup.
    warnings: usize,
    /// Under which kinds a target can receive the notification, the most important first.
    #[serde(skip)]
    pub(crate) kinds: Vec<NotificationKind>,
}

impl Notification {
    /// Creates a notification of a backup.
    pub(crate) fn new(kinds: Vec<NotificationKind>, series: String, name: String) -> Self {
        Self {
            version: VERSION,
            id: Uuid::new_v4(),
            kind: kinds.first().copied().unwrap_or(NotificationKind::Success),
            operation: NotifiedOperation::Backup,
            application: None,
            environment: None,
            series,
            name,
            backup_id: None,
            is_recovery: kinds.contains(&NotificationKind::Recovery),
            error: None,
            at: Timestamp::now(),
            duration_ms: None,
            records: None,
            archive_bytes: None,
            warnings: 0,
            kinds,
        }
    }

    pub(crate) fn set_duration(&mut self, duration: Duration) {
        self.duration_ms = u64::try_from(duration.as_millis()).ok();
    }

    /// Sets the amounts of a backup. The texts of its warnings are not set, because they may be encrypted in the
    /// archive.
    pub(crate) fn set_content(&mut self, manifest: &Manifest) {
        let records = manifest.entities.iter().map(|entity| entity.item_count);
        self.records = Some(records.fold(0, u64::saturating_add));
        self.archive_bytes = manifest.archive.as_ref().map(|archive| archive.size_bytes);
        self.warnings = manifest.warnings.len();
    }

    /// Returns the notification under the most important kind that a target selects, or `None` if it selects none.
    pub(crate) fn selected_by(&self, selected: &[NotificationKind]) -> Option<Self> {
        let kind = self.kinds.iter().find(|kind| selected.contains(kind))?;
        Some(Self { kind: *kind, ..self.clone() })
    }

    /// Returns the application and its environment, such as `shop/production`.
    fn origin(&self) -> Option<String> {
        Some(format!("{}/{}", self.application.as_deref()?, self.environment.as_deref()?))
    }

    /// Returns a description in one line.
    pub(crate) fn headline(&self) -> String {
        let what = format!("{} `{}`", self.operation.as_str(), self.name);
        let outcome = match self.kind {
            NotificationKind::Failure if self.operation == NotifiedOperation::Verification => "found a fault",
            NotificationKind::Warning if self.operation == NotifiedOperation::Verification => {
                "was not completed"
            }
            NotificationKind::Start => "started",
            NotificationKind::Success => "completed",
            NotificationKind::Warning if self.is_recovery => "completed with warnings after a failure",
            NotificationKind::Warning => "completed with warnings",
            NotificationKind::Failure => "failed",
            NotificationKind::Recovery => "completed after a failure",
        };
        match self.origin() {
            Some(origin) => format!("{origin}: {what} {outcome}"),
            None => format!("{what} {outcome}"),
        }
    }

    /// Returns the details for people, one in a line.
    pub(crate) fn details(&self) -> String {
        let mut lines = vec![self.headline(), String::new()];
        let mut add = |label: &str, value: Option<String>| {
            lines.extend(value.map(|value| format!("{label}: {value}")));
        };
        add("Series", Some(self.series.clone()));
        add("Backup", self.backup_id.map(|id| id.to_string()));
        add("Time", Some(self.at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()));
        let duration = self.duration_ms.map(Duration::from_millis);
        add("Duration", duration.map(|duration| format!("{:.1} s", duration.as_secs_f64())));
        add("Records", self.records.map(|records| records.to_string()));
        add("Archive", self.archive_bytes.map(|bytes| format!("{bytes} bytes")));
        let warnings = (self.warnings > 0).then(|| format!("{}; `show` prints them", self.warnings));
        add("Warnings", warnings);
        add("Error", self.error.clone());
        lines.push(String::new());
        lines.join("\n")
    }
}
