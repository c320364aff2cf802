//! The durability of files: whether they survive a loss of power.

use object_store::path::Path;

use super::{Storage, StorageKind};
use crate::foundation::error::{Error, Result};

impl Storage {
    /// Returns whether a file whose write failed with `write_error` is durable if it can be read afterwards.
    /// In this case, a file on a disk is not durable, because a file that was not synced can be read from
    /// memory but is lost after a loss of power.
    pub(crate) fn confirms_by_reading(&self, write_error: &Error) -> bool {
        let source = std::error::Error::source(write_error).and_then(|source| source.downcast_ref());
        let is_disk = matches!(source, Some(object_store::Error::Generic { store: "LocalFileSystem", .. }));
        !is_disk && self.is_always_durable()
    }

    /// Returns whether every file that can be read is durable, even if its write returned an error. This does
    /// not apply to directories.
    pub(crate) fn is_always_durable(&self) -> bool {
        !matches!(self.kind, StorageKind::Directory(_))
    }

    /// Removes a file, if it exists. In a directory the removal is durable when this function returns.
    ///
    /// # Errors
    /// The storage fails, or the removal could not be made durable, so that the file may exist again after a
    /// loss of power.
    pub(crate) async fn remove_durably(&self, path: &Path) -> Result<()> {
        match &self.kind {
            StorageKind::Directory(disk) => {
                let removed = disk.remove_durably(path).await;
                removed.map_err(|source| self.failed(path, "removed from", source))
            }
            StorageKind::Cloud { .. } | StorageKind::Memory | StorageKind::Other => self.remove(path).await,
        }
    }

    /// Makes the current file names in a folder durable. Does nothing for a storage that is not a directory.
    ///
    /// # Errors
    /// The file system cannot sync the directory. After a loss of power, removed files may exist again,
    /// and new files may be lost.
    pub(crate) async fn sync_folder(&self, folder: &Path) -> Result<()> {
        match &self.kind {
            StorageKind::Directory(disk) => {
                let synced = disk.sync_folder(folder).await;
                synced.map_err(|source| self.failed(folder, "made durable in", source))
            }
            StorageKind::Cloud { .. } | StorageKind::Memory | StorageKind::Other => Ok(()),
        }
    }
}
