//! What of a storage is sure to be there after a loss of power.

use object_store::path::Path;

use super::{Sort, Storage};
use crate::foundation::error::{Error, Result};

impl Storage {
    /// Whether a file that was read back after its write failed is there to stay. On a disk it is not: what
    /// could not be synced is read from memory, and is gone after a loss of power.
    pub(crate) fn confirms_by_reading(&self, write: &Error) -> bool {
        let source = std::error::Error::source(write).and_then(|source| source.downcast_ref());
        let is_disk = matches!(source, Some(object_store::Error::Generic { store: "LocalFileSystem", .. }));
        !is_disk && self.is_always_durable()
    }

    /// Whether a file that can be read is durable, whoever wrote it and however that write ended. In a
    /// directory it is not.
    pub(crate) fn is_always_durable(&self) -> bool {
        !matches!(self.sort, Sort::Directory(_))
    }

    /// Removes a file, if it is there; in a directory the removal is durable when this returns.
    ///
    /// # Errors
    /// The storage refuses, or the removal could not be made durable: the file may come back after a loss of
    /// power.
    pub(crate) async fn remove_durably(&self, path: &Path) -> Result<()> {
        match &self.sort {
            Sort::Directory(disk) => {
                let removed = disk.remove_durably(path).await;
                removed.map_err(|source| self.failed(path, "removed from", source))
            }
            Sort::Cloud { .. } | Sort::Other => self.remove(path).await,
        }
    }

    /// Makes durable which files there are in a folder now. Only a directory needs that.
    ///
    /// # Errors
    /// The file system cannot do it: after a loss of power other files may be there.
    pub(crate) async fn sync_folder(&self, folder: &Path) -> Result<()> {
        match &self.sort {
            Sort::Directory(disk) => {
                let synced = disk.sync_folder(folder).await;
                synced.map_err(|source| self.failed(folder, "made durable in", source))
            }
            Sort::Cloud { .. } | Sort::Other => Ok(()),
        }
    }
}
