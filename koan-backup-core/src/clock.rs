//! Time and ids from one injectable source, so that tests need not sleep.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::{NoContext, Uuid};

use crate::id::BackupId;

/// Where the current time comes from.
///
/// Implementers must return UTC instants; they need not be monotonic.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The current instant.
    fn now(&self) -> Timestamp;

    /// Whether it should agree with the clock of the operating system, as one does that is not moved by hand. It then is compared
    /// with the times of files on a disk before a retention removes anything. A clock for tests says no.
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

/// A new id whose time part is the clock's.
pub(crate) fn new_backup_id(clock: &Arc<dyn Clock>) -> BackupId {
    backup_id_at(clock.now())
}

/// A new id with this time part.
pub(crate) fn backup_id_at(now: Timestamp) -> BackupId {
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or_default();
    BackupId::from_uuid(Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, nanos)))
}
