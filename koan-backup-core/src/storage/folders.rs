//! The folders of a storage profile.

use object_store::path::Path;

/// How the name of a file begins with which a directory is tried. A process that is killed meanwhile leaves it there.
pub(crate) const PROBE_PREFIX: &str = "koan-probe-";

/// Returns the path prefix of all archives.
pub(crate) fn archives_prefix() -> Path {
    Path::from("archives")
}

/// Returns the path prefix of all manifests.
pub(crate) fn manifests_prefix() -> Path {
    Path::from("manifests")
}
