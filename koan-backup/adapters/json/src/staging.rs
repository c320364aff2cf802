//! The directory into which a restore writes before its commit.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use koan_backup_core::{Error, ErrorKind, Result};

use super::directory::Directory;
use super::durability::sync_directory;
use super::failure::failed;
use super::journal::STAGING_PREFIX;
use koan_backup_core::private_files::{ExistingFile, create_private_directory, open_private_file};

/// A directory on the same file system as the data. Dropping this value removes the directory.
#[derive(Debug)]
pub(super) struct Staging {
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// The open directory. It was opened before any file was written, so that its sync reports every write
    /// error since then.
    opened: File,
    /// The number of created files.
    files: u64,
    is_kept: bool,
}

impl Staging {
    /// Creates a staging directory, and removes those of earlier sessions. The caller must hold the writer
    /// lock.
    pub(super) fn create(directory: &Directory) -> Result<Self> {
        let hidden = directory.hidden();
        let listed = fs::read_dir(&hidden).map_err(|error| failed("listing", &hidden, error))?;
        for entry in listed {
            let entry = entry.map_err(|error| failed("listing", &hidden, error))?;
            if entry.file_name().to_string_lossy().starts_with(STAGING_PREFIX) {
                fs::remove_dir_all(entry.path()).map_err(|error| failed("removing", &entry.path(), error))?;
            }
        }
        let name = format!("{STAGING_PREFIX}{}", uuid::Uuid::now_v7().simple());
        let path = hidden.join(&name);
        create_private_directory(&path).map_err(|error| failed("creating", &path, error))?;
        let opened = File::open(&path).map_err(|error| failed("opening", &path, error))?;
        Ok(Self { name, path, opened, files: 0, is_kept: false })
    }

    /// Creates a file for reading and writing. Returns its name and the file.
    pub(super) fn create_file(&mut self) -> Result<(String, File)> {
        let name = self.files.to_string();
        self.files += 1;
        let path = self.path.join(&name);
        let file = open_private_file(&path, ExistingFile::Refused);
        Ok((name, file.map_err(|error| failed("creating", &path, error))?))
    }

    /// Makes all files durable with one sync.
    pub(super) fn sync(&self) -> Result<()> {
        sync_files(&self.opened, &self.path).map_err(|error| failed("syncing", &self.path, error))?;
        sync_directory(&self.path)
    }

    /// Prevents the removal of the directory when this value is dropped. The caller or the journal removes
    /// it.
    pub(super) fn keep(&mut self) {
        self.is_kept = true;
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.is_kept {
            // If this fails, the next session removes the directory.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Makes all files of the directory durable by one sync of the whole file system, because syncing a hundred
/// thousand documents one by one takes minutes.
#[cfg(target_os = "linux")]
fn sync_files(opened: &File, _: &std::path::Path) -> io::Result<()> {
    rustix::fs::syncfs(opened).map_err(io::Error::from)
}

#[cfg(not(target_os = "linux"))]
fn sync_files(_: &File, directory: &std::path::Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        File::options().write(true).open(entry?.path())?.sync_all()?;
    }
    Ok(())
}

/// Creates the hidden directory if it does not exist.
pub(super) fn create_hidden_directory(directory: &Directory) -> Result<()> {
    let hidden = directory.hidden();
    directory.refuse_links(&hidden)?;
    match create_private_directory(&hidden) {
        Ok(()) => sync_directory(&directory.root).inspect_err(|_| {
            // If the directory remained, a later process would assume that its directory entry is durable.
            let _ = fs::remove_dir(&hidden);
        }),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(Error::with_source(
            ErrorKind::Provider,
            format!("`{}` cannot be written; check its permissions", directory.root.display()),
            source,
        )),
    }
}
