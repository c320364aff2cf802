//! The faults of a single backup.

use crate::foundation::error::{Error, ErrorKind};
use crate::foundation::id::BackupId;

/// A fault in the content of a single backup. It contains no content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StreamFault {
    #[error("its content does not have the form of a single backup: {0}")]
    Form(&'static str),
    #[error("its content ends early")]
    Truncated,
    #[error("its content continues after its end")]
    AfterEnd,
    #[error("a line of its content has more than {0} bytes, which is the maximum")]
    LineLength(usize),
    #[error("version {expected} of an event was expected, but the next event has version {found}: {}", order(*.expected, *.found))]
    Version { expected: u64, found: u64 },
    #[error("it states {stated} events of a stream, but contains {found}")]
    EventCount { stated: u64, found: u64 },
    #[error("it states the version {version:?} of a stream together with {events} events")]
    StatedVersion { version: Option<u64>, events: u64 },
    #[error("a stream occurs more than once")]
    DuplicateStream,
    #[error("it has more than {0} terminated streams, which is the maximum")]
    TooManyStreams(usize),
    #[error("a snapshot does not belong to a stream of the backup, or not to one of its versions")]
    SnapshotStream,
    #[error("its snapshots are not in the order of their versions, or one occurs more than once")]
    SnapshotOrder,
    #[error("it contains {0}, which it states as not included")]
    NotIncluded(&'static str),
    #[error("its document belongs to another aggregate")]
    Document,
    #[error("{0} cannot be read")]
    Unreadable(&'static str),
}

/// Returns what two versions that do not follow each other mean.
fn order(expected: u64, found: u64) -> &'static str {
    if found > expected {
        "a gap"
    } else if found.checked_add(1) == Some(expected) {
        "a duplicate"
    } else {
        "a wrong order"
    }
}

impl StreamFault {
    /// Returns the fault as an error, without the backup.
    pub(super) fn error(self) -> Error {
        Error::new(ErrorKind::Corrupt, self.to_string())
    }
}

/// Adds the single backup to the error of its content.
pub(crate) fn damaged(id: BackupId, fault: Error) -> Error {
    match fault.kind() {
        ErrorKind::Corrupt => fault
            .context(format!("single backup {id} is damaged"))
            .with_help("use another backup of the stream"),
        ErrorKind::Record => fault
            .context(format!("single backup {id} does not fit its event type"))
            .with_help("use the version of the application that made the backup"),
        ErrorKind::Incompatible => fault.context(format!("single backup {id} cannot be read")),
        _ => fault,
    }
}
