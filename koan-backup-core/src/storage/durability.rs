//! The durability of files: whether they survive a loss of power.

use object_store::path::Path;

use super::{Storage, StorageKind};
use crate::foundation::error::{Error, Result};

impl Storage {
    /// Returns whether a file is durable if it can be read after its write failed. On a disk it is not,
    /// because a file that was not synced is read from memory and is lost after a loss of power.
    pub(crate) fn confirms_by_reading(&self, write: &Error) -> bool {
        let source = std::error::Error::source(write).and_then(|source| source.downcast_ref());
        let is_disk = matches!(source, Some(object_store::Error::Generic { store: "LocalFileSystem", .. }));
        !is_disk && self.is_always_durable()
    }

    /// Returns whether every file that can be read is durable, however its write ended. In a directory this
    /// is not so.
    pub(crate) fn is_always_durable(&self) -> bool {
        !matches!(self.kind, StorageKind::Directory(_))
    }

    /// Removes a file, if it exists. In a directory the removal is durable when this returns.
    ///
    /// # Errors
    /// The storage fails, or the removal could not be made durable; the file may come back after a loss of
    /// power then.
    pub(crate) async fn remove_durably(&self, path: &Path) -> Result<()> {
        match &self.kind {
            StorageKind::Directory(disk) => {
                let removed = disk.remove_durably(path).await;
                removed.map_err(|source| self.failed(path, "removed from", source))
            }
            StorageKind::Cloud { .. } | StorageKind::Other => self.remove(path).await,
        }
    }

    /// Makes the current file names in a folder durable. Only a directory needs this.
    ///
    /// # Errors
    /// The file system cannot do it. After a loss of power, other files may exist.
    pub(crate) async fn sync_folder(&self, folder: &Path) -> Result<()> {
        match &self.kind {
            StorageKind::Directory(disk) => {
                let synced = disk.sync_folder(folder).await;
                synced.map_err(|source| self.failed(folder, "made durable in", source))
            }
            StorageKind::Cloud { .. } | StorageKind::Other => Ok(()),
        }
    }
}
