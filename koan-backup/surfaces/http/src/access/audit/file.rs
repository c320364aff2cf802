//! The file of the audit log.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use koan_backup_core::{Error, ErrorKind};

use super::entry::AuditEntry;

/// A file of JSON Lines to which entries are appended.
#[derive(Debug)]
pub(super) struct AuditFile {
    path: PathBuf,
    /// Why the last entry was not written. The lock is held while an entry is written.
    problem: Mutex<Option<String>>,
}

impl AuditFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, problem: Mutex::new(None) }
    }

    /// Appends an entry, and waits until it is durable.
    pub(super) fn append(&self, entry: &AuditEntry) -> Result<(), Error> {
        let mut problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        let written =
            serde_json::to_vec(entry).map_err(io::Error::from).and_then(|line| append(&self.path, line));
        let Err(source) = written else {
            *problem = None;
            return Ok(());
        };
        let message = format!("the audit log `{}` cannot be written", self.path.display());
        let error = Error::with_source(ErrorKind::Storage, message, source)
            .with_help("free space on its disk, and check its permissions");
        tracing::error!(target: "koan::backup::access", error = error.chain(), "an entry was not written");
        *problem = Some(error.chain());
        Err(error)
    }

    pub(super) fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Opens the file for appending. A file that is created is readable by its owner only.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn append(path: &Path, mut line: Vec<u8>) -> io::Result<()> {
    let mut file = open(path)?;
    line.push(b'\n');
    if ends_within_line(&mut file)? {
        line.insert(0, b'\n');
    }
    // One call for each line, so that the lines of several processes are not mixed.
    let written = file.write(&line)?;
    if written < line.len() {
        return Err(io::Error::new(io::ErrorKind::StorageFull, "only a part of the entry was written"));
    }
    file.sync_data()
}

/// Returns whether the disk was full within the last line.
fn ends_within_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_after_a_partial_line_begins_a_new_line() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("audit.jsonl");
        std::fs::write(&path, "{\"partial").expect("a file");
        append(&path, b"{}".to_vec()).expect("the entry is written");
        append(&path, b"[]".to_vec()).expect("the entry is written");
        assert_eq!(std::fs::read_to_string(&path).expect("text"), "{\"partial\n{}\n[]\n");
    }

    #[cfg(unix)]
    #[test]
    fn a_new_file_is_readable_by_its_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("audit.jsonl");
        append(&path, b"{}".to_vec()).expect("the entry is written");
        assert_eq!(std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
    }
}
