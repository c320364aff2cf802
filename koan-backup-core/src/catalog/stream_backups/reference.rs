//! References to single backups.

use super::StreamBackupHandle;
use crate::foundation::id::BackupId;

/// A reference to a single backup: its handle, or its id.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StreamBackupRef {
    /// The backup with this id.
    Id(BackupId),
    /// The backup with this handle, at the place that the handle contains.
    Handle(Box<StreamBackupHandle>),
}

impl StreamBackupRef {
    /// Returns the id of the backup.
    pub fn id(&self) -> BackupId {
        match self {
            Self::Id(id) => *id,
            Self::Handle(handle) => handle.id,
        }
    }
}

impl From<BackupId> for StreamBackupRef {
    fn from(id: BackupId) -> Self {
        Self::Id(id)
    }
}

impl From<StreamBackupHandle> for StreamBackupRef {
    fn from(handle: StreamBackupHandle) -> Self {
        Self::Handle(Box::new(handle))
    }
}

impl From<&StreamBackupHandle> for StreamBackupRef {
    fn from(handle: &StreamBackupHandle) -> Self {
        handle.clone().into()
    }
}
