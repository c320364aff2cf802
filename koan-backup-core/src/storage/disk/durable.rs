//! Makes directory entries durable.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::foundation::private_files::create_private_directory;

/// A directory that is opened before one of its entries is changed, so that its sync reports every failure to
/// write the changed entry.
#[derive(Debug)]
pub(crate) struct OpenDirectory(Option<File>);

impl OpenDirectory {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        // Directories are opened and synced on Unix only.
        if cfg!(unix) { File::open(path).map(|file| Self(Some(file))) } else { Ok(Self(None)) }
    }

    /// Syncs the directory, so that its entries are durable. A failed sync is never repeated, because a
    /// second sync can succeed although the data was lost (<https://lwn.net/Articles/752063/>).
    pub(crate) fn sync(self) -> io::Result<()> {
        let Some(directory) = self.0 else { return Ok(()) };
        match directory.sync_all() {
            Err(error) if is_unsupported(&error) => sync_file_system(&directory, error),
            synced => synced,
        }
    }
}

/// Creates a directory and its parents, and syncs the parent of each, so that the new directory entries are
/// durable.
pub(super) fn create_directories(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create_directories(parent)?;
    }
    create_directory(path)
}

/// Creates a directory, or accepts an existing one, and syncs its parent. If the sync fails, a directory that
/// was created is removed.
pub(crate) fn create_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().map(OpenDirectory::open).transpose()?;
    let created = match create_private_directory(path) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => false,
        Err(error) => return Err(error),
    };
    let synced = parent.map_or(Ok(()), OpenDirectory::sync);
    if synced.is_err() && created {
        let _ = std::fs::remove_dir(path);
    }
    synced
}

/// Returns whether an error means that the file system does not support the operation. All other errors mean
/// that the operation failed.
pub(super) fn is_unsupported(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        let unsupported = [Errno::INVAL, Errno::NOTSUP, Errno::OPNOTSUPP, Errno::NOSYS];
        if unsupported.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error())) {
            return true;
        }
    }
    error.kind() == io::ErrorKind::Unsupported
}

/// Syncs the complete file system, for file systems that cannot sync a single directory.
#[cfg(target_os = "linux")]
fn sync_file_system(directory: &File, _: io::Error) -> io::Result<()> {
    rustix::fs::syncfs(directory).map_err(io::Error::from)
}

/// Returns the error `unsupported`, because only Linux can sync a file system through one of its files.
#[cfg(not(target_os = "linux"))]
fn sync_file_system(_: &File, unsupported: io::Error) -> io::Result<()> {
    Err(unsupported)
}
