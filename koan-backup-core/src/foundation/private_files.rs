//! Files and directories that only their owner can read, independently of the umask. The adapter of JSON
//! files uses them as well.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

/// How an existing file is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExistingFile {
    /// The call fails with [`io::ErrorKind::AlreadyExists`].
    Refused,
    /// The file is opened, and its content is retained.
    Kept,
    /// The file is opened, and its content is removed.
    Emptied,
}

/// Opens a file for reading and writing, and creates it if it does not exist. Only the owner can read a file
/// that is created.
///
/// # Errors
/// The file system returns an error.
pub fn open_private_file(path: &Path, existing: ExistingFile) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    match existing {
        ExistingFile::Refused => options.create_new(true),
        ExistingFile::Kept => options.create(true).truncate(false),
        ExistingFile::Emptied => options.create(true).truncate(true),
    };
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // A strict umask would remove permissions of the owner.
        if file.metadata()?.permissions().mode() & 0o600 != 0o600 {
            file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        }
    }
    Ok(file)
}

/// Creates a file that only its owner can read. The file must not exist.
pub(crate) fn create_private_file(path: &Path) -> io::Result<File> {
    open_private_file(path, ExistingFile::Refused)
}

/// Creates a directory and its parents, which only their owner can read. Existing directories are not
/// changed.
///
/// # Errors
/// The file system returns an error.
pub fn create_private_directories(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create_private_directories(parent)?;
    }
    match create_private_directory(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        created => created,
    }
}

/// Creates one directory that only its owner can read. Its parent must exist.
///
/// # Errors
/// The directory exists, or the file system returns another error.
pub fn create_private_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // A strict umask would remove permissions of the owner.
        if std::fs::metadata(path)?.permissions().mode() & 0o700 != 0o700 {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
        }
    }
    Ok(())
}
