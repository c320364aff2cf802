//! Reading and writing of small files of a tree. The functions block.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use crate::archive::tree::FileRecord;
use crate::foundation::digest::sha256;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::private_files::{ExistingFile, open_private_file};
use crate::storage::OpenDirectory;

/// Writes a file that was created, and makes its content durable.
pub(super) fn write_new(mut file: File, path: &Path, content: &[u8]) -> Result<FileRecord> {
    file.write_all(content).and_then(|()| file.sync_all()).map_err(|source| write_error(path, source))?;
    Ok(record(content))
}

/// Replaces a file atomically and durably: the content is written under a temporary name, synced, and renamed.
pub(super) fn replace(path: &Path, temporary: &Path, content: &[u8]) -> Result<()> {
    let written = || -> io::Result<()> {
        let mut file = open_private_file(temporary, ExistingFile::Emptied)?;
        file.write_all(content)?;
        file.sync_all()?;
        let directory = OpenDirectory::open(path.parent().unwrap_or(path))?;
        fs::rename(temporary, path)?;
        directory.sync()
    };
    written().map_err(|source| {
        let _ = fs::remove_file(temporary);
        write_error(path, source)
    })
}

/// Makes the names in a directory durable.
pub(super) fn sync_directory(path: &Path) -> Result<()> {
    OpenDirectory::open(path).and_then(OpenDirectory::sync).map_err(|source| write_error(path, source))
}

/// Opens a regular file. A symbolic link is refused, because it could refer to a file outside of the tree.
/// Returns `None` if the file does not exist.
pub(super) fn open_regular(path: &Path) -> Result<Option<File>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => {
            File::open(path).map(Some).map_err(|source| read_error(path, source))
        }
        Ok(_) => Err(damaged(path, "it is not a regular file, for example a symbolic link or a directory")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(read_error(path, source)),
    }
}

/// Reads a regular file of at most `limit` bytes, or returns `None` if it does not exist.
pub(super) fn read_small(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let Some(file) = open_regular(path)? else { return Ok(None) };
    let mut content = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut content)
        .map_err(|source| read_error(path, source))?;
    match u64::try_from(content.len()).is_ok_and(|length| length <= limit) {
        true => Ok(Some(content)),
        false => Err(damaged(path, &format!("it is larger than {limit} bytes"))),
    }
}

/// Reads a file whose size and hash are known.
pub(super) fn read_verified(path: &Path, expected: &FileRecord) -> Result<Vec<u8>> {
    let content = read_small(path, expected.size_bytes)?;
    let content = content.ok_or_else(|| damaged(path, "it is missing"))?;
    match record(&content) == *expected {
        true => Ok(content),
        false => Err(damaged(path, "it was changed or truncated: its size or hash differs from its record")),
    }
}

fn record(content: &[u8]) -> FileRecord {
    FileRecord { size_bytes: u64::try_from(content.len()).unwrap_or(u64::MAX), sha256: sha256(content) }
}

/// Returns the error of a file that is not what was written.
pub(super) fn damaged(path: &Path, fault: &str) -> Error {
    let text = format!("file `{}` of the directory tree cannot be used: {fault}", path.display());
    Error::new(ErrorKind::Corrupt, text).with_help("put the original file back, or use another backup")
}

pub(crate) fn write_error(path: &Path, source: io::Error) -> Error {
    Error::with_source(ErrorKind::Storage, format!("`{}` could not be written", path.display()), source)
}

pub(super) fn read_error(path: &Path, source: io::Error) -> Error {
    Error::with_source(ErrorKind::Storage, format!("`{}` could not be read", path.display()), source)
}
