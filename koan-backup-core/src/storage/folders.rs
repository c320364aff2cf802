//! The folders of a storage profile.

use object_store::path::Path;

/// Returns the path prefix of all archives.
pub(crate) fn archives_prefix() -> Path {
    Path::from("archives")
}

/// Returns the path prefix of all manifests.
pub(crate) fn manifests_prefix() -> Path {
    Path::from("manifests")
}
