//! The source of the current time and of ids. Tests can replace it, so that they need not wait.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::{NoContext, Uuid};

use crate::foundation::id::BackupId;

/// A source of the current time.
///
/// Implementers must return UTC instants; they need not be monotonic.
///
/// ```
/// use jiff::Timestamp;
/// use koan_backup::Clock;
///
/// /// A clock that stands still, for tests.
/// #[derive(Debug)]
/// struct Fixed(Timestamp);
///
/// impl Clock for Fixed {
///     fn now(&self) -> Timestamp {
///         self.0
///     }
///
///     fn follows_system(&self) -> bool {
///         false
///     }
/// }
/// ```
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Returns the current instant.
    fn now(&self) -> Timestamp;

    /// Returns whether this clock follows the clock of the operating system. If it does, it is compared with
    /// the times of files on a disk before a prune removes a backup. A clock that tests set manually returns
    /// `false`.
    fn follows_system(&self) -> bool {
        true
    }
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Returns a new id with the current time of the clock.
pub(crate) fn new_backup_id(clock: &Arc<dyn Clock>) -> BackupId {
    backup_id_at(clock.now())
}

/// Returns a new id with this time.
pub(crate) fn backup_id_at(now: Timestamp) -> BackupId {
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or_default();
    BackupId::from_uuid(Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, nanos)))
}
