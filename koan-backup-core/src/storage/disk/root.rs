//! The root directory of a storage, and the temporary files in it.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use object_store::Result;

use super::blocking::file_error;
use super::durable::{OpenDirectory, create_directory};
use super::names::{CreationMethods, ExistingTarget};
use crate::foundation::bounded_file::read_bounded;
use crate::foundation::private_files::create_private_file;

/// The maximum size of the profile mark.
const MAX_MARK_BYTES: u64 = 64 << 10;

/// The root directory of a storage.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    /// The identity of the directory, which changes if its disk is unmounted.
    identity: Mutex<DirectoryIdentity>,
    /// The file name and content of the profile mark.
    mark: Mutex<Option<(String, Vec<u8>)>>,
    creation_methods: CreationMethods,
    /// The directories whose entries in their parents this process has made durable.
    durable_directories: Mutex<HashSet<PathBuf>>,
}

/// The device number and inode number of a directory. Both are 0 on a system without inode numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DirectoryIdentity(u64, u64);

impl DirectoryIdentity {
    #[cfg(unix)]
    fn read(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = fs::metadata(path)?;
        if !metadata.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory));
        }
        Ok(Self(metadata.dev(), metadata.ino()))
    }

    #[cfg(not(unix))]
    fn read(path: &Path) -> io::Result<Self> {
        fs::read_dir(path).map(|_| Self(0, 0))
    }
}

impl Root {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            identity: Mutex::new(DirectoryIdentity::read(path)?),
            mark: Mutex::new(None),
            creation_methods: CreationMethods::default(),
            durable_directories: Mutex::default(),
        })
    }

    pub(super) fn remember_mark(&self, file: &str, content: Vec<u8>) {
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner) = Some((file.to_owned(), content));
    }

    /// Returns an error if the directory no longer exists, or if it was replaced by a directory that does not
    /// have the same profile mark.
    pub(super) fn require_present(&self) -> Result<()> {
        let directory_error = |fault: &str, source: io::Error| {
            let text = format!(
                "the storage directory `{}` {fault}; no file is read from it or written to it: mount its \
                 disk, or restore the directory",
                self.path.display()
            );
            let source = io::Error::new(source.kind(), format!("{text} ({source})"));
            object_store::Error::Generic { store: "directory", source: Box::new(source) }
        };
        let current = DirectoryIdentity::read(&self.path)
            .map_err(|source| directory_error("no longer exists", source))?;
        let mut identity = self.identity.lock().unwrap_or_else(PoisonError::into_inner);
        if *identity == current {
            return Ok(());
        }
        let mark = self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((file, content)) = &*mark {
            let current_content = read_bounded(&self.path.join(file), MAX_MARK_BYTES).map_err(|source| {
                directory_error("is not the directory that was opened, and it has no profile mark", source)
            })?;
            if current_content != *content {
                let source = io::Error::other("its profile mark differs");
                return Err(directory_error("is not the directory that was opened", source));
            }
        }
        *identity = current;
        // A different file system may be mounted, on which no directory entry is known to be durable.
        self.durable_directories.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }

    /// Creates a temporary file in the directory of its target.
    pub(super) fn stage(&self, target: &Path) -> Result<StagedFile> {
        if let Some(parent) = target.parent() {
            self.create_below(parent)
                .map_err(|source| file_error("creating the directory", parent, source))?;
        }
        for number in 1u64.. {
            let mut path = target.as_os_str().to_owned();
            path.push(format!("#{number}"));
            let path = PathBuf::from(path);
            match create_private_file(&path) {
                Ok(file) => return Ok(StagedFile { path, file: Some(file), exists: true }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(file_error("creating", &path, source)),
            }
        }
        Err(file_error("creating", target, io::Error::other("all temporary names exist already")))
    }

    /// Removes a file, if it exists, and makes the removal durable.
    pub(super) fn remove(&self, target: &Path) -> Result<()> {
        let directory = target.parent().unwrap_or(&self.path);
        let opened = match OpenDirectory::open(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(|source| file_error("opening", directory, source))?,
        };
        match fs::remove_file(target) {
            // Another process may have removed the file without making the removal durable.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.sync_folder(directory),
            removed => removed.map_err(|source| file_error("removing", target, source))?,
        }
        opened.sync().map_err(|source| file_error("syncing the directory", directory, source))
    }

    /// Makes the current names in a directory durable. A temporary file is created in the directory first, so
    /// that the sync has a change to write.
    pub(super) fn sync_folder(&self, directory: &Path) -> Result<()> {
        let opened = match OpenDirectory::open(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(|source| file_error("opening", directory, source))?,
        };
        let staged = self.stage(&directory.join(format!("{}.json", uuid::Uuid::now_v7())))?;
        let synced = opened.sync();
        drop(staged);
        synced.map_err(|source| file_error("syncing the directory", directory, source))
    }

    /// Creates a directory below the root, if it does not exist, and makes its directory entry durable.
    fn create_below(&self, directory: &Path) -> io::Result<()> {
        let is_durable =
            self.durable_directories.lock().unwrap_or_else(PoisonError::into_inner).contains(directory)
                && directory.is_dir();
        if is_durable || !directory.starts_with(&self.path) || directory == self.path {
            return Ok(());
        }
        if let Some(parent) = directory.parent() {
            self.create_below(parent)?;
        }
        create_directory(directory)?;
        self.durable_directories.lock().unwrap_or_else(PoisonError::into_inner).insert(directory.to_owned());
        Ok(())
    }
}

/// A file with a temporary name. When this value is dropped, the file is removed, unless it was renamed to
/// its target.
#[derive(Debug)]
pub(super) struct StagedFile {
    pub(super) path: PathBuf,
    file: Option<File>,
    exists: bool,
}

impl StagedFile {
    pub(super) fn write_at_end(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(file) = &mut self.file else {
            return Err(file_error("writing", &self.path, io::Error::other("the upload has ended")));
        };
        file.write_all(bytes).map_err(|source| file_error("writing", &self.path, source))
    }

    /// Makes the content durable, renames the file to its target, and makes the directory entry durable. If a
    /// step fails, the file is removed, unless it has already replaced an existing file. A failed sync is not
    /// retried.
    pub(super) fn publish(mut self, root: &Root, target: &Path, existing: ExistingTarget) -> Result<()> {
        self.close()?;
        self.rename(root, target, existing)
    }

    /// Makes the content durable and closes the file. A later write returns an error.
    pub(super) fn close(&mut self) -> Result<()> {
        let Some(file) = self.file.take() else {
            return Err(file_error("writing", &self.path, io::Error::other("the upload has ended")));
        };
        file.sync_all().map_err(|source| file_error("syncing", &self.path, source))
    }

    /// Renames the [closed](Self::close) file to its target, and makes the directory entry durable.
    pub(super) fn rename(mut self, root: &Root, target: &Path, existing: ExistingTarget) -> Result<()> {
        let directory = target.parent().unwrap_or(&root.path);
        let opened =
            OpenDirectory::open(directory).map_err(|source| file_error("opening", directory, source))?;
        let is_new = existing == ExistingTarget::Refused || fs::symlink_metadata(target).is_err();
        match existing {
            ExistingTarget::Refused => {
                root.creation_methods
                    .create(&self.path, target)
                    .map_err(|source| file_error("creating", target, source))?;
            }
            ExistingTarget::Replaced => {
                fs::rename(&self.path, target).map_err(|source| file_error("replacing", target, source))?;
            }
        }
        self.exists = false;
        opened.sync().map_err(|source| {
            if is_new {
                let _ = fs::remove_file(target);
            }
            file_error("syncing the directory", directory, source)
        })
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if self.exists {
            let _ = fs::remove_file(&self.path);
        }
    }
}
