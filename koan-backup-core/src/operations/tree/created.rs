//! The files and directories that an operation has created, which are removed if the operation does not complete.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::foundation::blocking::blocking;
use crate::foundation::owner_lock::create_locked;
use crate::foundation::private_files::{create_private_directory, create_private_file};

/// The files and directories that an operation has created. Clones refer to the same paths.
///
/// After [`undo`](CreatedGuard::undo), nothing can be created any more, so that work on a blocking thread that
/// continues after a cancellation leaves no file.
#[derive(Clone, Debug, Default)]
pub(crate) struct CreatedPaths(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    paths: Vec<PathBuf>,
    is_ended: bool,
}

/// Removes the created paths when it is dropped, unless they are kept.
#[derive(Debug)]
pub(crate) struct CreatedGuard(CreatedPaths);

impl CreatedPaths {
    /// Returns a guard that removes the paths when it is dropped.
    pub(crate) fn guard(&self) -> CreatedGuard {
        CreatedGuard(self.clone())
    }

    /// Creates a file that only its owner can read. It must not exist.
    pub(crate) fn file(&self, path: &Path) -> io::Result<File> {
        self.create(path, || create_private_file(path))
    }

    /// Creates and locks a lock file. The error has the kind [`io::ErrorKind::WouldBlock`] if another process has
    /// locked the new file first; the file belongs to that process then.
    pub(crate) fn locked_file(&self, path: &Path) -> io::Result<File> {
        self.create(path, || create_locked(path)?.ok_or_else(|| io::Error::from(io::ErrorKind::WouldBlock)))
    }

    /// Creates a directory that only its owner can read. It must not exist, and its parent must exist.
    pub(crate) fn directory(&self, path: &Path) -> io::Result<()> {
        self.create(path, || create_private_directory(path))
    }

    /// Creates a directory, or accepts an existing one, which is not removed later.
    pub(crate) fn directory_if_missing(&self, path: &Path) -> io::Result<()> {
        match self.directory(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            created => created,
        }
    }

    fn create<T>(&self, path: &Path, create: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_ended {
            return Err(io::Error::other("the operation has ended"));
        }
        let created = create()?;
        state.paths.push(path.to_owned());
        Ok(created)
    }

    /// Removes everything that was created, the newest first. Returns the paths that could not be removed.
    fn remove_all(&self) -> Vec<PathBuf> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_ended = true;
        let mut left = Vec::new();
        while let Some(path) = state.paths.pop() {
            let is_directory = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir());
            let removed = if is_directory { fs::remove_dir(&path) } else { fs::remove_file(&path) };
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => left.push(path),
                _ => {}
            }
        }
        left
    }

    fn keep(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_ended = true;
        state.paths.clear();
    }
}

impl CreatedGuard {
    /// Keeps what was created.
    pub(crate) fn keep(self) {
        self.0.keep();
    }

    /// Removes what was created, on a blocking thread.
    pub(crate) async fn undo(self) {
        let paths = self.0.clone();
        if let Ok(left) = blocking("removes files", move || paths.remove_all()).await {
            log(&left);
        }
    }
}

impl Drop for CreatedGuard {
    fn drop(&mut self) {
        log(&self.0.remove_all());
    }
}

fn log(left: &[PathBuf]) {
    for path in left {
        tracing::warn!(
            target: "koan::backup", path = %path.display(),
            "a file or directory of an operation that did not complete was not removed; remove it"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_created_is_removed_and_nothing_can_be_created_afterwards() {
        let folder = tempfile::tempdir().expect("a folder is created");
        let (created, directory) = (CreatedPaths::default(), folder.path().join("a"));
        fs::write(folder.path().join("person"), "").expect("the file is written");
        let guard = created.guard();
        created.directory(&directory).expect("the directory is created");
        created.file(&directory.join("b")).expect("the file is created");
        drop(guard);
        created.file(&folder.path().join("c")).expect_err("the operation has ended");
        let left: Vec<_> = fs::read_dir(folder.path()).expect("the folder is listed").collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }
}
