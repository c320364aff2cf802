//! A state directory for tests, separate from that of the machine.

use std::path::Path;
use std::sync::OnceLock;

/// Returns a state directory for this process. Test stores use the same addresses in each run with different
/// content, so a run must not remember the profiles of an earlier run.
///
/// # Panics
/// The directory cannot be created.
pub fn state_directory() -> &'static Path {
    static DIRECTORY: OnceLock<tempfile::TempDir> = OnceLock::new();
    DIRECTORY.get_or_init(|| tempfile::tempdir().expect("a directory")).path()
}
