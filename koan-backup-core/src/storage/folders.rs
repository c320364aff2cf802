//! The folders of a storage profile.

use object_store::path::Path;

/// The name prefix of the test files that check whether writes to a directory are durable. A process that is
/// killed during the check leaves its test file in the directory.
pub(crate) const PROBE_PREFIX: &str = "koan-probe-";

/// Returns the path prefix of all archives.
pub(crate) fn archives_prefix() -> Path {
    Path::from("archives")
}

/// Returns the path prefix of all manifests.
pub(crate) fn manifests_prefix() -> Path {
    Path::from("manifests")
}

/// The folder of all single backups of event streams.
pub(crate) const STREAMS_FOLDER: &str = "streams";
