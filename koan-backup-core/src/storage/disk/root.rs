//! The root directory of a storage, and temporary files in it.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use object_store::Result;

use super::blocking::failed;
use super::durable::{OpenDirectory, create_directory};
use super::names::{CreationMethods, Existing};
use crate::foundation::private_files::create_private_file;

/// The root directory of a storage.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    /// The identity of the directory, which changes if its disk is unmounted.
    identity: Mutex<DirectoryIdentity>,
    /// The file name and content of the profile mark.
    mark: Mutex<Option<(String, Vec<u8>)>>,
    creation_methods: CreationMethods,
    /// Directories whose names this process has made durable.
    durable: Mutex<HashSet<PathBuf>>,
}

/// The device and file number of a directory, if the system has such numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DirectoryIdentity(u64, u64);

impl DirectoryIdentity {
    #[cfg(unix)]
    fn of(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = fs::metadata(path)?;
        if !metadata.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory));
        }
        Ok(Self(metadata.dev(), metadata.ino()))
    }

    #[cfg(not(unix))]
    fn of(path: &Path) -> io::Result<Self> {
        fs::read_dir(path).map(|_| Self(0, 0))
    }
}

impl Root {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            identity: Mutex::new(DirectoryIdentity::of(path)?),
            mark: Mutex::new(None),
            creation_methods: CreationMethods::default(),
            durable: Mutex::default(),
        })
    }

    pub(super) fn remember_mark(&self, file: &str, content: Vec<u8>) {
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner) = Some((file.to_owned(), content));
    }

    /// Refuses a directory that is gone, or that was replaced by one without the same mark.
    pub(super) fn require_present(&self) -> Result<()> {
        let gone = |what: &str, source: io::Error| {
            let text = format!(
                "the storage directory `{}` {what}; nothing is read from it or written to it: mount its \
                 disk, or put the directory back",
                self.path.display()
            );
            let source = io::Error::new(source.kind(), format!("{text} ({source})"));
            object_store::Error::Generic { store: "directory", source: Box::new(source) }
        };
        let now = DirectoryIdentity::of(&self.path).map_err(|source| gone("is gone", source))?;
        let mut identity = self.identity.lock().unwrap_or_else(PoisonError::into_inner);
        if *identity == now {
            return Ok(());
        }
        let mark = self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((file, content)) = &*mark {
            let there = fs::read(self.path.join(file)).map_err(|source| {
                gone("differs from the one that was opened, and has no profile mark", source)
            })?;
            if there != *content {
                let other = io::Error::other("its mark differs");
                return Err(gone("differs from the one that was opened", other));
            }
        }
        *identity = now;
        // The file system that is mounted now may be another one.
        self.durable.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }

    /// Creates a temporary file in the directory of its target.
    pub(super) fn stage(&self, target: &Path) -> Result<StagedFile> {
        if let Some(parent) = target.parent() {
            self.create_below(parent).map_err(|source| failed("creating the directory", parent, source))?;
        }
        for number in 1u64.. {
            let mut path = target.as_os_str().to_owned();
            path.push(format!("#{number}"));
            let path = PathBuf::from(path);
            match create_private_file(&path) {
                Ok(file) => return Ok(StagedFile { path, file: Some(file), exists: true }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(failed("creating", &path, source)),
            }
        }
        Err(failed("creating", target, io::Error::other("there is no free temporary name")))
    }

    /// Removes a file, if it exists, and makes the removal durable.
    pub(super) fn remove(&self, target: &Path) -> Result<()> {
        let directory = target.parent().unwrap_or(&self.path);
        let opened = match OpenDirectory::open(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(|source| failed("opening", directory, source))?,
        };
        match fs::remove_file(target) {
            // The process that removed it may not have made the removal durable.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.sync_folder(directory),
            removed => removed.map_err(|source| failed("removing", target, source))?,
        }
        opened.sync().map_err(|source| failed("syncing the directory", directory, source))
    }

    /// Makes the current names in a directory durable. A file is created in it first, so that the directory
    /// is written again.
    pub(super) fn sync_folder(&self, directory: &Path) -> Result<()> {
        let opened = match OpenDirectory::open(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(|source| failed("opening", directory, source))?,
        };
        let staged = self.stage(&directory.join(format!("{}.json", uuid::Uuid::now_v7())))?;
        let synced = opened.sync();
        drop(staged);
        synced.map_err(|source| failed("syncing the directory", directory, source))
    }

    /// Creates a directory below the root, if it does not exist, and makes its name durable.
    fn create_below(&self, directory: &Path) -> io::Result<()> {
        let is_durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner).contains(directory)
            && directory.is_dir();
        if is_durable || !directory.starts_with(&self.path) || directory == self.path {
            return Ok(());
        }
        if let Some(parent) = directory.parent() {
            self.create_below(parent)?;
        }
        create_directory(directory)?;
        self.durable.lock().unwrap_or_else(PoisonError::into_inner).insert(directory.to_owned());
        Ok(())
    }
}

/// A file with a temporary name. It is removed when it is dropped.
#[derive(Debug)]
pub(super) struct StagedFile {
    pub(super) path: PathBuf,
    file: Option<File>,
    exists: bool,
}

impl StagedFile {
    pub(super) fn write_at_end(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(file) = &mut self.file else {
            return Err(failed("writing", &self.path, io::Error::other("the upload has ended")));
        };
        file.write_all(bytes).map_err(|source| failed("writing", &self.path, source))
    }

    /// Makes the content durable, renames the file to its target, and makes the name durable. If a step
    /// fails, a file that replaced no other is removed again, and nothing is synced a second time.
    pub(super) fn publish(mut self, root: &Root, target: &Path, existing: Existing) -> Result<()> {
        self.close()?;
        self.rename(root, target, existing)
    }

    /// Makes the content durable. Nothing can be written afterwards.
    pub(super) fn close(&mut self) -> Result<()> {
        let Some(file) = self.file.take() else {
            return Err(failed("writing", &self.path, io::Error::other("the upload has ended")));
        };
        file.sync_all().map_err(|source| failed("syncing", &self.path, source))
    }

    /// Renames the [closed](Self::close) file to its target, and makes the name durable.
    pub(super) fn rename(mut self, root: &Root, target: &Path, existing: Existing) -> Result<()> {
        let directory = target.parent().unwrap_or(&root.path);
        let opened = OpenDirectory::open(directory).map_err(|source| failed("opening", directory, source))?;
        let is_new = existing == Existing::Refused || fs::symlink_metadata(target).is_err();
        match existing {
            Existing::Refused => {
                root.creation_methods
                    .create(&self.path, target)
                    .map_err(|source| failed("creating", target, source))?;
            }
            Existing::Replaced => {
                fs::rename(&self.path, target).map_err(|source| failed("replacing", target, source))?;
            }
        }
        self.exists = false;
        opened.sync().map_err(|source| {
            if is_new {
                let _ = fs::remove_file(target);
            }
            failed("syncing the directory", directory, source)
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
