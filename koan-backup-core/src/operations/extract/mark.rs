//! The mark of a directory into which an extraction writes. It contains the paths that the extraction creates, so that
//! the next extraction into the directory removes what a killed process has left. The functions block.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};

use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::owner_lock::{OwnerLock, lock_existing};
use crate::operations::tree::{CreatedPaths, write_error};
use crate::storage::OpenDirectory;

/// The name of the mark. A directory with this file is not complete.
pub(super) const MARK_FILE: &str = "koan-backup-incomplete";
/// The first line of a mark.
const HEADER: &str = "koan-backup extraction\n";

/// The mark of a running extraction. The operating system releases its lock when the process ends.
#[derive(Debug)]
pub(super) struct ExtractionMark {
    file: File,
    path: PathBuf,
}

impl ExtractionMark {
    /// Marks an empty directory.
    ///
    /// # Errors
    /// Another extraction has begun to write into the directory, or it cannot be written.
    pub(super) fn create(directory: &Path, created: &CreatedPaths) -> Result<Self> {
        let path = directory.join(MARK_FILE);
        let is_busy = |error: &io::Error| {
            [io::ErrorKind::AlreadyExists, io::ErrorKind::WouldBlock].contains(&error.kind())
        };
        let file = match created.locked_file(&path) {
            Err(error) if is_busy(&error) => return Err(busy(directory)),
            file => file.map_err(|source| write_error(&path, source))?,
        };
        let mark = Self { file, path };
        mark.write(HEADER)?;
        Ok(mark)
    }

    /// Records a path that is created next, relative to the directory.
    pub(super) fn record(&self, path: &Path) -> Result<()> {
        let text = path.to_str().map(|path| serde_json::Value::from(path).to_string());
        let text = text.ok_or_else(|| Error::new(ErrorKind::Internal, "the name of an entry is not text"))?;
        self.write(&format!("{text}\n"))
    }

    fn write(&self, text: &str) -> Result<()> {
        let mut file = &self.file;
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_data());
        written.map_err(|source| write_error(&self.path, source))
    }

    /// Removes the mark of a directory that is complete.
    pub(super) fn remove(&self, directory: &Path) -> Result<()> {
        let failed = |source| write_error(&self.path, source);
        sync(directory).map_err(failed)?;
        let opened = OpenDirectory::open(directory).map_err(failed)?;
        fs::remove_file(&self.path).and_then(|()| opened.sync()).map_err(failed)
    }
}

/// Makes the names in a directory and in its directories durable.
fn sync(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync(&entry.path())?;
        }
    }
    OpenDirectory::open(directory)?.sync()
}

/// Removes what a killed extraction has left in a directory. Files that it did not write are kept.
///
/// # Errors
/// Another extraction is writing into the directory, or it cannot be read.
pub(super) fn remove_interrupted(directory: &Path) -> Result<()> {
    let path = directory.join(MARK_FILE);
    let failed = |source| write_error(&path, source);
    let file = match lock_existing(&path) {
        Ok(OwnerLock::Missing) => return Ok(()),
        Ok(OwnerLock::Held) => return Err(busy(directory)),
        Ok(OwnerLock::Abandoned(file)) => file,
        // A directory or link with this name is not a mark, and a file contains none.
        Err(error) if [io::ErrorKind::InvalidInput, io::ErrorKind::NotADirectory].contains(&error.kind()) => {
            return Ok(());
        }
        Err(source) => return Err(failed(source)),
    };
    let content = io::read_to_string(&file).map_err(failed)?;
    // A process may have been killed before it had written the first line.
    let Some(lines) = content.strip_prefix(HEADER).or_else(|| HEADER.starts_with(&content).then_some(""))
    else {
        return Ok(());
    };
    let paths = lines.lines().filter_map(|line| serde_json::from_str::<PathBuf>(line).ok());
    for created in paths.collect::<Vec<_>>().iter().rev() {
        remove_created(directory, created).map_err(failed)?;
    }
    tracing::info!(
        target: "koan::backup", path = %directory.display(), "what an interrupted extraction has left is removed"
    );
    fs::remove_file(&path).map_err(failed)
}

/// Removes a file, or a directory that is empty. Symbolic links are neither followed nor removed.
fn remove_created(directory: &Path, created: &Path) -> io::Result<()> {
    let is_plain = created.components().all(|component| matches!(component, Component::Normal(_)));
    let mut path = directory.to_owned();
    for component in created.components().filter(|_| is_plain) {
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => path.push(component),
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    let removed = match fs::symlink_metadata(&path) {
        _ if !is_plain || path == directory => Ok(()),
        Ok(found) if found.is_file() => fs::remove_file(&path),
        Ok(found) if found.is_dir() => match fs::remove_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            removed => removed,
        },
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn busy(directory: &Path) -> Error {
    let text = format!("another extraction is writing into the directory `{}`", directory.display());
    Error::new(ErrorKind::Busy, text).with_help("try again when it has ended, or specify another directory")
}
