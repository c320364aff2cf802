//! Finds and inspects archives to which no manifest refers.
//!
//! An archive contains its own manifest, so an archive that is not listed in `manifests/` is not garbage.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use object_store::path::Path;
use serde::Serialize;

use crate::archive::{ArchiveObject, ArchiveReader, Manifest, entry, is_archive_name, may_be_archive};
use crate::encryption::{Identities, is_encrypted};
use crate::foundation::error::{ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::storage::Storage;
use crate::storage::archives_prefix;

/// An archive to which no manifest refers, and that has no removal record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UnlistedArchive {
    /// The path of the archive in the storage profile.
    pub archive: String,
    /// The size of the archive.
    pub size_bytes: u64,
    /// The id in the manifest inside the archive; `None` if that manifest was not read.
    pub id: Option<BackupId>,
    /// The state of the archive.
    pub state: UnlistedState,
}

/// The state of an unlisted archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum UnlistedState {
    /// The archive has a directory and contains its manifest. Its content was not verified.
    Complete,
    /// The archive is encrypted as a whole, so its content is unknown without a key.
    Encrypted,
    /// The archive is damaged, but it is not proven to be truncated.
    Damaged {
        /// A description of the damage.
        problem: String,
    },
}

/// A file that may be an archive.
#[derive(Clone, Debug)]
pub(crate) struct ArchiveCandidate {
    pub(crate) path: Path,
    pub(crate) size_bytes: u64,
    pub(crate) modified: Timestamp,
}

impl ArchiveCandidate {
    /// Returns whether the file has the name of an archive. Maintenance removes no other files.
    pub(crate) fn has_archive_name(&self) -> bool {
        self.path.filename().is_some_and(is_archive_name)
    }
}

/// The result of the inspection of a file.
#[derive(Debug)]
pub(crate) enum Inspection {
    /// The file is a complete archive that contains its manifest. It is not verified.
    Complete(Box<CompleteArchive>),
    /// The file is encrypted as a whole, and no key decrypts it.
    Encrypted,
    /// The file is proven to be truncated: it has no end record.
    Incomplete,
    /// The file is damaged, but it is not proven to be truncated.
    Damaged(String),
    /// The file is a ZIP file of another program.
    Foreign,
    /// The file no longer exists.
    Gone,
}

/// A complete archive.
#[derive(Debug)]
pub(crate) struct CompleteArchive {
    pub(crate) manifest: Manifest,
    /// The JSON of the manifest inside the archive.
    pub(crate) inner: serde_json::Value,
}

/// The size of the end record of a ZIP file.
const END_RECORD_BYTES: usize = 22;
/// The number of bytes at the end of a file that are searched for the end record and the last record of the
/// directory.
const TAIL_BYTES: u64 = (64 << 10) + 22;

/// Lists the files of a profile that may be archives.
///
/// # Errors
/// The storage cannot be listed.
pub(crate) async fn candidates(storage: &Storage) -> Result<Vec<ArchiveCandidate>> {
    let folder = archives_prefix();
    let listed = storage.list(&folder).await;
    let listed = listed.map_err(|source| storage.failed(&folder, "listed in", source))?;
    let candidates = listed.into_iter().filter(|file| may_be_archive(&file.path)).map(|file| {
        ArchiveCandidate { size_bytes: file.size_bytes(), modified: file.modified(), path: file.path }
    });
    let mut candidates: Vec<_> = candidates.collect();
    // Stores list files in any order.
    candidates.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(candidates)
}

/// Returns the candidates that are not in `listed`.
pub(crate) fn without_manifest<'c>(
    candidates: &'c [ArchiveCandidate],
    listed: &BTreeSet<&str>,
) -> Vec<&'c ArchiveCandidate> {
    candidates.iter().filter(|file| !listed.contains(file.path.as_ref())).collect()
}

/// Inspects a file: reads its directory and the manifest that it contains. `identities` decrypt archives that
/// are encrypted as a whole.
///
/// # Errors
/// The storage cannot be read. The state of the file is unknown then.
pub(crate) async fn inspect(
    storage: &Storage,
    candidate: &ArchiveCandidate,
    identities: &Arc<Identities>,
) -> Result<Inspection> {
    let path = &candidate.path;
    if storage.size(path).await?.is_none() {
        return Ok(Inspection::Gone);
    }
    let object = ArchiveObject::find(storage, path.as_ref()).await?;
    let start = object.stored(0..object.stored_bytes().min(64)).await?;
    let encrypted = is_encrypted(&start);
    let opened = match encrypted {
        false => object.clone(),
        true => match object.clone().decrypted(identities).await {
            Ok(Some(opened)) => opened,
            Ok(None) => return Ok(Inspection::Encrypted),
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                return Ok(Inspection::Damaged(error.chain()));
            }
            Err(error) => return Err(error),
        },
    };
    match inner_manifest(opened).await {
        Ok(Some(found)) => Ok(Inspection::Complete(Box::new(found))),
        Ok(None) if candidate.has_archive_name() => {
            Ok(Inspection::Damaged("it contains no manifest".to_owned()))
        }
        Ok(None) => Ok(Inspection::Foreign),
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Incompatible) => {
            // An encrypted file whose last bytes are damaged looks like a truncated file, so it is treated as
            // damaged.
            match !encrypted && is_truncated(&object).await? {
                true => Ok(Inspection::Incomplete),
                false if candidate.has_archive_name() => Ok(Inspection::Damaged(error.chain())),
                false => Ok(Inspection::Foreign),
            }
        }
        Err(error) => Err(error),
    }
}

/// Reads the manifest inside an archive, or returns `None` if the ZIP file contains none.
async fn inner_manifest(object: ArchiveObject) -> Result<Option<CompleteArchive>> {
    let reader = ArchiveReader::open(object).await?;
    if !reader.contains(entry::MANIFEST) {
        return Ok(None);
    }
    let inner: serde_json::Value = reader.json(entry::MANIFEST).await?;
    let manifest = serde_json::from_value(inner.clone())
        .map_err(|_| reader.damaged_entry_error(entry::MANIFEST, "it does not follow the format"))?;
    Ok(Some(CompleteArchive { manifest, inner }))
}

/// Returns whether a file is proven to be a truncated archive: it has no end record, and no directory that is
/// followed by enough bytes for an end record. A file whose end record is only damaged is not truncated.
async fn is_truncated(object: &ArchiveObject) -> Result<bool> {
    let bytes = object.stored_bytes();
    let tail = match object.stored(bytes.saturating_sub(TAIL_BYTES)..bytes).await {
        Ok(tail) => tail,
        // The store returned fewer bytes than the size that it reported, which does not prove that the file
        // is truncated.
        Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(false),
        Err(error) => return Err(error),
    };
    if let Some(end) = memchr::memmem::rfind(&tail, b"PK\x05\x06") {
        return Ok(end + END_RECORD_BYTES > tail.len());
    }
    // The manifest is written last, so its record is the last record of the directory.
    let last = memchr::memmem::rfind(&tail, entry::MANIFEST.as_bytes());
    let directory = last.filter(|&name| {
        let header = name.checked_sub(46).and_then(|start| tail.get(start..start + 4));
        header == Some(b"PK\x01\x02")
    });
    let end = directory.map(|name| name + entry::MANIFEST.len() + END_RECORD_BYTES);
    Ok(end.is_none_or(|end| end > tail.len()))
}
