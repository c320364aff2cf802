//! The recorded state of the directory of a database, and the error for a directory that cannot be used.

use std::io;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use koan_backup_core::{Error, ErrorKind, storage::MachineState};

/// The recorded state of the directory of a database.
#[derive(Debug, Default)]
pub(super) struct Presence {
    /// The machine state. It is set when a context is built.
    pub(super) state: OnceLock<MachineState>,
    /// Whether the machine state records that the directory is not empty.
    pub(super) is_remembered: AtomicBool,
}

/// Returns the error for a path that cannot be used as a directory of JSON files.
pub(super) fn unusable(path: &Path, source: io::Error) -> Error {
    Error::with_source(
        ErrorKind::Configuration,
        format!("`{}` cannot be used as a directory of JSON files", path.display()),
        source,
    )
    .with_help("use the path of a directory that can be read")
}
