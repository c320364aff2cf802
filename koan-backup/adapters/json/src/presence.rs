//! What is known about the directory of a database, and the error for one that cannot be used.

use std::io;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use koan_backup_core::{Error, ErrorKind, storage::MachineState};

/// What is known about the directory after a context was built.
#[derive(Debug, Default)]
pub(super) struct Presence {
    pub(super) state: OnceLock<MachineState>,
    /// Whether it was recorded that the directory was not empty.
    pub(super) is_remembered: AtomicBool,
}

/// Returns the error for a path that cannot be used as a directory of JSON files.
pub(super) fn unusable(path: &Path, source: io::Error) -> Error {
    Error::with_source(
        ErrorKind::Configuration,
        format!(
            "`{}` cannot be used as a directory of JSON files; name a directory that can be read",
            path.display()
        ),
        source,
    )
}
