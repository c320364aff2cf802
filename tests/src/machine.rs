//! What a machine remembers, apart from the machine that runs the tests.

use std::path::Path;
use std::sync::OnceLock;

/// A state directory of this process alone. Stores on free ports come again under the same address with other content, so their
/// profiles must not be remembered from one run to the next.
///
/// # Panics
/// No directory can be made.
pub fn state_directory() -> &'static Path {
    static DIRECTORY: OnceLock<tempfile::TempDir> = OnceLock::new();
    DIRECTORY.get_or_init(|| tempfile::tempdir().expect("a directory")).path()
}
