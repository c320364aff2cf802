//! The audit log: who changed what, when, from where, and with which outcome.

pub(crate) mod entry;
mod file;
pub(crate) mod object;
pub(crate) mod path;
pub(crate) mod request;

use std::path::PathBuf;
use std::sync::Arc;

use koan_backup_core::{Error, ErrorKind};

use self::entry::AuditEntry;
use self::file::AuditFile;

/// The log of all changes: who, what, when, from where, and with which outcome.
///
/// Each request that changes something has two entries: one before it begins, and one with its outcome. Entries are
/// emitted as events of `tracing` with the target `koan::backup::audit`, and are appended to a file if there is one.
/// An entry contains no token, no query string and no body of a request.
///
/// A change is refused with 503 if its first entry cannot be written into the file. If the entry with the outcome of
/// a change cannot be written, the change has happened: its result is returned, the error is logged, and the health
/// of the server reports it until an entry is written again.
///
/// ```
/// use koan_backup_http::AuditLog;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("audit.jsonl");
/// let log = AuditLog::file(path)?;
/// # let _ = log;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct AuditLog {
    file: Option<Arc<AuditFile>>,
}

impl AuditLog {
    /// Creates a log without a file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a log that appends its entries to a file, one JSON object on each line.
    ///
    /// A new file is readable by its owner only. The file is opened for each entry, so that it can be renamed and
    /// compressed by other programs. Several processes can append to the same file.
    ///
    /// # Errors
    /// The file cannot be created or written.
    pub fn file(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let failed = |source| {
            let message = format!("the audit log `{}` cannot be written", path.display());
            Error::with_source(ErrorKind::Configuration, message, source)
                .with_help("check that its directory exists and that the server may write there")
        };
        let is_file = file::open(&path).and_then(|file| file.metadata()).map_err(failed)?.is_file();
        if !is_file {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!("the audit log `{}` is not a file", path.display()),
            ));
        }
        Ok(Self { file: Some(Arc::new(AuditFile::new(path))) })
    }

    /// Writes an entry. The entry is written as well if the returned future is dropped.
    ///
    /// # Errors
    /// The entry cannot be written into the file.
    pub(crate) fn write(&self, entry: AuditEntry) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        entry.emit();
        let written = self.file.clone().map(|file| tokio::task::spawn_blocking(move || file.append(&entry)));
        async move {
            match written {
                None => Ok(()),
                Some(written) => written.await.unwrap_or_else(|error| {
                    Err(Error::with_source(
                        ErrorKind::Internal,
                        "the entry of the audit log was not written",
                        error,
                    ))
                }),
            }
        }
    }

    /// Returns why the file cannot be written at present, or `None`.
    pub(crate) fn problem(&self) -> Option<String> {
        self.file.as_ref()?.problem()
    }
}
