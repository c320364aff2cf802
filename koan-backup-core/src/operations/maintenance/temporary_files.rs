//! Removes temporary files of writes that were never completed from a directory. Their names, for example
//! `….zip#1`, have the form that the crate `object_store` uses.

use std::collections::BTreeSet;
use std::fs::DirEntry;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use object_store::path::Path as ObjectPath;
use uuid::Uuid;

use crate::archive::is_archive_name;
use crate::archive::stream_file::{is_removal_path, is_stream_content, meta_id};
use crate::environment::lease::ConfirmedLease;
use crate::storage::{PROBE_PREFIX, SHARED_FOLDER};

/// The folders of a storage that contain files of this library.
const FOLDERS: [&str; 11] = [
    "archives",
    "manifests",
    "leases",
    "pins",
    "removals",
    "acknowledgements",
    "verifications",
    "damage",
    "maintenance",
    "uploads",
    SHARED_FOLDER,
];

/// For each temporary file that was to be removed: its path, and its size or the error.
type RemovalResults = Vec<(String, io::Result<u64>)>;

/// The temporary files of a directory.
pub(super) struct TemporaryFiles {
    pub(super) directory: PathBuf,
    /// The folders in which the contents of single backups are.
    pub(super) content_folders: BTreeSet<String>,
    /// Archives that are being written. Their temporary files are kept, independent of their age.
    pub(super) in_use: Vec<String>,
    /// How old a temporary file must be before it is removed.
    pub(super) min_age: Duration,
    /// The lease that must be held while files are removed.
    pub(super) held: ConfirmedLease,
}

impl TemporaryFiles {
    /// Removes the old temporary files. If a file cannot be removed, the remaining files are still removed.
    ///
    /// # Errors
    /// A folder cannot be read, or the lease has expired.
    pub(super) fn remove(&self, now: SystemTime) -> io::Result<RemovalResults> {
        let mut removed = Vec::new();
        for folder in FOLDERS {
            self.remove_below(&self.directory.join(folder), folder, now, &mut removed)?;
        }
        for folder in &self.content_folders {
            self.remove_below(&self.directory.join(folder), folder, now, &mut removed)?;
        }
        self.remove_probes(now, &mut removed)?;
        Ok(removed)
    }

    /// Removes the probe files of killed processes. A probe file is in the directory itself and tests whether
    /// the directory is durable.
    fn remove_probes(&self, now: SystemTime, removed: &mut RemovalResults) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.directory)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if is_probe(&name)
                && entry.file_type()?.is_file()
                && let Some(bytes) = self.remove_old(&entry, now).transpose()
            {
                removed.push((name, bytes));
            }
        }
        Ok(())
    }

    fn remove_below(
        &self,
        directory: &Path,
        path: &str,
        now: SystemTime,
        removed: &mut RemovalResults,
    ) -> io::Result<()> {
        let entries = match std::fs::read_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = format!("{path}/{name}");
            if entry.file_type()?.is_dir() {
                self.remove_below(&entry.path(), &path, now, removed)?;
            } else if let Some(bytes) = self.remove_file(&entry, &path, now).transpose() {
                removed.push((path, bytes));
            }
        }
        Ok(())
    }

    /// Removes a file if it is an old temporary file, and returns its size.
    fn remove_file(&self, entry: &DirEntry, path: &str, now: SystemTime) -> io::Result<Option<u64>> {
        let Some(target) = final_path(path) else { return Ok(None) };
        if self.in_use.iter().any(|file| file == target) {
            return Ok(None);
        }
        self.remove_old(entry, now)
    }

    /// Removes a file if it is old enough, and returns its size.
    fn remove_old(&self, entry: &DirEntry, now: SystemTime) -> io::Result<Option<u64>> {
        let meta = match entry.metadata() {
            // The file was completed and renamed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            meta => meta?,
        };
        let is_old = now.duration_since(meta.modified()?).is_ok_and(|passed| passed > self.min_age);
        if !is_old {
            return Ok(None);
        }
        if self.held.time_left().is_zero() {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the lease expired, so the file was not removed; the next run removes it",
            ));
        }
        std::fs::remove_file(entry.path())?;
        Ok(Some(meta.len()))
    }
}

/// Returns the final path of the file, if `path` is the path of a temporary file of this library.
fn final_path(path: &str) -> Option<&str> {
    let (target, number) = path.rsplit_once('#')?;
    let (folder, name) = target.rsplit_once('/')?;
    let has_known_name = match (folder, name.strip_suffix(".json")) {
        // The file of a backup, or a file that a sync of the folder creates and that a killed process left
        // behind.
        (_, Some(id)) if Uuid::try_parse(id).is_ok() => true,
        _ if is_of_streams(target) => true,
        ("archives", _) => is_archive_name(name),
        ("maintenance", Some(_)) => true,
        _ if folder.split('/').next() == Some(SHARED_FOLDER) => true,
        ("removals", Some(archive)) => is_archive_name(archive),
        (_, Some(generation)) => is_decimal(generation, 10),
        (_, None) => false,
    };
    (has_known_name && is_decimal(number, number.len())).then_some(target)
}

/// Returns whether a path is that of a file of a single backup.
fn is_of_streams(path: &str) -> bool {
    let is_beside = |path: &ObjectPath| meta_id(path).is_some() || is_removal_path(path);
    is_stream_content(path) || ObjectPath::parse(path).is_ok_and(|path| is_beside(&path))
}

/// Returns whether a file has the name of a probe file, or of the temporary file of a probe file.
pub(super) fn is_probe(name: &str) -> bool {
    let (file_name, is_numbered) = match name.split_once('#') {
        Some((file_name, number)) => (file_name, is_decimal(number, number.len())),
        None => (name, true),
    };
    let id = file_name.strip_prefix(PROBE_PREFIX).unwrap_or_default();
    is_numbered && Uuid::try_parse(id).is_ok_and(|uuid| uuid.hyphenated().to_string() == id)
}

fn is_decimal(text: &str, length: usize) -> bool {
    !text.is_empty() && text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())
}
