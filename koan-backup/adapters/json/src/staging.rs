//! Where a restore writes before it counts.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use koan_backup_core::{Error, ErrorKind, Result};

use super::directory::Directory;
use super::failure::failed;
use super::journal::sync_directory;
use koan_backup_core::private_files::{ExistingFile, create_private_directory, private_file};

pub(super) const PREFIX: &str = "restore-";

/// A directory beside the data, on the same file system. It is removed when it is dropped.
#[derive(Debug)]
pub(super) struct Staging {
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// Opened before anything was written, so that its sync reports every failure to write since then.
    opened: File,
    files: u64,
    kept: bool,
}

impl Staging {
    /// A new one. Those of sessions that died are removed; the caller holds the lock of writers.
    pub(super) fn make(directory: &Directory) -> Result<Self> {
        let hidden = directory.hidden();
        let listed = fs::read_dir(&hidden).map_err(|error| failed("listing", &hidden, error))?;
        for left in listed {
            let left = left.map_err(|error| failed("listing", &hidden, error))?;
            if left.file_name().to_string_lossy().starts_with(PREFIX) {
                fs::remove_dir_all(left.path()).map_err(|error| failed("removing", &left.path(), error))?;
            }
        }
        let name = format!("{PREFIX}{}", uuid::Uuid::now_v7().simple());
        let path = hidden.join(&name);
        create_private_directory(&path).map_err(|error| failed("making", &path, error))?;
        let opened = File::open(&path).map_err(|error| failed("opening", &path, error))?;
        Ok(Self { name, path, opened, files: 0, kept: false })
    }

    /// A new file: its name and itself, readable as well.
    pub(super) fn file(&mut self) -> Result<(String, File)> {
        let name = self.files.to_string();
        self.files += 1;
        let path = self.path.join(&name);
        let file = private_file(&path, ExistingFile::Refused);
        Ok((name, file.map_err(|error| failed("making", &path, error))?))
    }

    /// Makes durable what was written, whose files were not synced one by one.
    pub(super) fn sync(&self) -> Result<()> {
        sync_all_of(&self.opened, &self.path).map_err(|error| failed("syncing", &self.path, error))?;
        sync_directory(&self.path)
    }

    /// Leaves it to the journal that names it.
    pub(super) fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.kept {
            // The next session removes what stays.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// One call for the whole file system: syncing a hundred thousand documents one by one takes minutes.
#[cfg(target_os = "linux")]
fn sync_all_of(opened: &File, _: &std::path::Path) -> io::Result<()> {
    rustix::fs::syncfs(opened).map_err(io::Error::from)
}

#[cfg(not(target_os = "linux"))]
fn sync_all_of(_: &File, directory: &std::path::Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        File::options().write(true).open(entry?.path())?.sync_all()?;
    }
    Ok(())
}

/// The hidden directory, made if there is none.
pub(super) fn make_hidden(directory: &Directory) -> Result<()> {
    let hidden = directory.hidden();
    directory.refuse_links(&hidden)?;
    match create_private_directory(&hidden) {
        Ok(()) => sync_directory(&directory.root).inspect_err(|_| {
            // Whoever finds it would take its name for durable.
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
