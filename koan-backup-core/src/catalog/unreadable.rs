//! Manifests that cannot be read.

use std::error::Error as _;
use std::io;

use object_store::path::Path;
use serde::Serialize;

use crate::archive::manifest_id;
use crate::foundation::error::{Error, ErrorKind};
use crate::foundation::id::BackupId;
use crate::storage::{Storage, is_refusal};

/// A manifest that cannot be read: it is damaged, was written by a newer version, or the store refuses to
/// return it. Its backup is never treated as absent, so its archive is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UnreadableManifest {
    /// The id of the backup, according to the file name.
    pub id: BackupId,
    /// The path of the manifest in its storage profile.
    pub path: String,
    /// Why the manifest cannot be read.
    pub problem: String,
    /// Whether the file was read but its content is not a manifest, so that it can be replaced.
    #[serde(skip)]
    pub(crate) is_damaged: bool,
}

impl UnreadableManifest {
    /// Creates the description of the manifest that could not be read because of `error`, or returns `None`
    /// if the error concerns the whole storage and not only this file.
    pub(crate) fn from_error(storage: &Storage, path: &Path, error: &Error) -> Option<Self> {
        let id = manifest_id(path)?;
        concerns_one_file(storage, error).then(|| Self {
            id,
            path: path.to_string(),
            problem: error.chain(),
            is_damaged: error.kind() == ErrorKind::Corrupt,
        })
    }

    pub(crate) fn log(&self, storage: &Storage) {
        tracing::warn!(
            target: "koan::backup",
            storage = %storage.location(),
            manifest = %self.path,
            problem = %self.problem,
            "a manifest cannot be read"
        );
    }
}

/// Returns whether an error concerns only the file that was read, and not the whole storage. Examples: the
/// file is damaged or of a newer version, the store refuses to return it (cold storage, missing permission),
/// it is not a regular file, or its disk sectors are bad. If no manifest at all can be read, the caller must
/// still fail.
///
/// A lack of file handles or memory, or a network file system that is not available (`ESTALE`), concerns more
/// than one file. The caller must fail then, because an older backup must not be used as if it were the
/// newest.
pub(crate) fn concerns_one_file(storage: &Storage, error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Corrupt | ErrorKind::Incompatible => true,
        ErrorKind::Storage => {
            let source = error.source().and_then(|source| source.downcast_ref::<object_store::Error>());
            match os_error(error) {
                Some(cause) => is_single_file_kind(cause.kind()) || is_single_file_os_error(cause),
                None => storage.directory().is_some() || source.is_some_and(is_refusal),
            }
        }
        _ => false,
    }
}

/// Returns the operating system error that caused an error, if there is one.
fn os_error(error: &Error) -> Option<&io::Error> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(found) = cause.downcast_ref::<io::Error>() {
            return Some(found);
        }
        source = cause.source();
    }
    None
}

/// Returns whether an operating system error concerns only the file that was accessed.
fn is_single_file_kind(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{InvalidFilename, IsADirectory, NotADirectory, NotFound, PermissionDenied};
    matches!(kind, PermissionDenied | IsADirectory | NotADirectory | InvalidFilename | NotFound)
}

/// The codes of operating system errors that concern one file and have no [`io::ErrorKind`] of their own: a
/// read error of the disk (`EIO`, on Windows `ERROR_CRC`), a missing device (`ENXIO`, `ENODEV`), and a loop
/// of symbolic links (`ELOOP`).
#[cfg(target_os = "linux")]
const SINGLE_FILE_OS_ERRORS: &[i32] = &[5, 6, 19, 40];
#[cfg(all(unix, not(target_os = "linux")))]
const SINGLE_FILE_OS_ERRORS: &[i32] = &[5, 6, 19, 62];
#[cfg(windows)]
const SINGLE_FILE_OS_ERRORS: &[i32] = &[23];

fn is_single_file_os_error(cause: &io::Error) -> bool {
    cause.raw_os_error().is_some_and(|code| SINGLE_FILE_OS_ERRORS.contains(&code))
}
