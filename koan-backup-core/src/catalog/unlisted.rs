//! Archives that no manifest names: which files there are, and what each of them is.
//!
//! An archive contains its own manifest, so absence from `manifests/` does not make it garbage.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use object_store::path::Path;
use serde::Serialize;

use crate::archive::{ArchiveObject, ArchiveReader, Manifest, entry, is_archive_name, may_be_archive};
use crate::encryption::{Identities, is_sealed};
use crate::foundation::error::{ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::storage::Storage;
use crate::storage::archives_prefix;

/// An archive that no manifest names, and that is not to be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UnlistedArchive {
    /// Its path in the storage profile.
    pub archive: String,
    /// Its size.
    pub size_bytes: u64,
    /// The backup that its own manifest names; none if that was not read.
    pub id: Option<BackupId>,
    /// What is known of it.
    pub state: UnlistedState,
}

/// What is known of an archive that no manifest names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum UnlistedState {
    /// It has a directory and a manifest of its own. Its content was not verified.
    Complete,
    /// It is encrypted as a whole, so what is in it is not known without a key.
    Encrypted,
    /// It is not incomplete, and is damaged.
    Damaged {
        /// What is wrong.
        problem: String,
    },
}

/// A file that can be an archive.
#[derive(Clone, Debug)]
pub(crate) struct ArchiveCandidate {
    pub(crate) path: Path,
    pub(crate) size_bytes: u64,
    pub(crate) modified: Timestamp,
}

impl ArchiveCandidate {
    /// Whether the file is called as this library calls archives. Maintenance removes no other.
    pub(crate) fn has_archive_name(&self) -> bool {
        self.path.filename().is_some_and(is_archive_name)
    }
}

/// What a file is.
#[derive(Debug)]
pub(crate) enum Inspected {
    /// A complete archive, with its own manifest: not verified.
    Complete(Box<FoundArchive>),
    /// Encrypted as a whole, and no key opens it.
    Encrypted,
    /// Proven to be cut off: it has no end.
    Incomplete,
    /// It has an end, or most of one, and is damaged.
    Damaged(String),
    /// A ZIP of somebody else.
    Foreign,
    /// It has gone.
    Gone,
}

/// A complete archive.
#[derive(Debug)]
pub(crate) struct FoundArchive {
    pub(crate) manifest: Manifest,
    /// Its own manifest as it is in the archive.
    pub(crate) inner: serde_json::Value,
}

/// Bytes of the record that ends a ZIP.
const END_BYTES: usize = 22;
/// Bytes from the end of a file within which its last records are looked for.
const TAIL_BYTES: u64 = (64 << 10) + 22;

/// The files of a profile that can be archives.
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
    // Stores list in any order.
    candidates.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(candidates)
}

/// Those of `candidates` that none of `named` is.
pub(crate) fn unnamed<'c>(
    candidates: &'c [ArchiveCandidate],
    named: &BTreeSet<&str>,
) -> Vec<&'c ArchiveCandidate> {
    candidates.iter().filter(|file| !named.contains(file.path.as_ref())).collect()
}

/// What a file is, by its directory and its own manifest. The keys are for archives that are encrypted as a whole.
///
/// # Errors
/// The storage cannot be read: nothing is known of the file then.
pub(crate) async fn inspect(
    storage: &Storage,
    candidate: &ArchiveCandidate,
    identities: &Arc<Identities>,
) -> Result<Inspected> {
    let path = &candidate.path;
    if storage.size(path).await?.is_none() {
        return Ok(Inspected::Gone);
    }
    let object = ArchiveObject::find(storage, path.as_ref()).await?;
    let start = object.stored(0..object.stored_bytes().min(64)).await?;
    let sealed = is_sealed(&start);
    let opened = match sealed {
        false => object.clone(),
        true => match object.clone().unsealed(identities).await {
            Ok(Some(opened)) => opened,
            Ok(None) => return Ok(Inspected::Encrypted),
            Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(Inspected::Damaged(error.chain())),
            Err(error) => return Err(error),
        },
    };
    match own_manifest(opened).await {
        Ok(Some(found)) => Ok(Inspected::Complete(Box::new(found))),
        Ok(None) if candidate.has_archive_name() => {
            Ok(Inspected::Damaged("it has no manifest of its own".to_owned()))
        }
        Ok(None) => Ok(Inspected::Foreign),
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Incompatible) => {
            // What a key opens and is cut off would also look so if its last bytes were damaged.
            match !sealed && is_cut_off(&object).await? {
                true => Ok(Inspected::Incomplete),
                false if candidate.has_archive_name() => Ok(Inspected::Damaged(error.chain())),
                false => Ok(Inspected::Foreign),
            }
        }
        Err(error) => Err(error),
    }
}

/// The manifest in an archive; none if the ZIP has none.
async fn own_manifest(object: ArchiveObject) -> Result<Option<FoundArchive>> {
    let reader = ArchiveReader::open(object).await?;
    if !reader.contains(entry::MANIFEST) {
        return Ok(None);
    }
    let inner: serde_json::Value = reader.json(entry::MANIFEST).await?;
    let manifest = serde_json::from_value(inner.clone())
        .map_err(|_| reader.broken(entry::MANIFEST, "it is not what the format says"))?;
    Ok(Some(FoundArchive { manifest, inner }))
}

/// Whether a file is proven to be the beginning of an archive: it has no end record, nor is there a directory that reaches as far as
/// one would begin. A file whose end record is merely damaged is not cut off.
async fn is_cut_off(object: &ArchiveObject) -> Result<bool> {
    let bytes = object.stored_bytes();
    let tail = match object.stored(bytes.saturating_sub(TAIL_BYTES)..bytes).await {
        Ok(tail) => tail,
        // The store gives less than it says: that proves nothing.
        Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(false),
        Err(error) => return Err(error),
    };
    if let Some(end) = memchr::memmem::rfind(&tail, b"PK\x05\x06") {
        return Ok(end + END_BYTES > tail.len());
    }
    // The manifest is written last, so its record is the last of the directory.
    let last = memchr::memmem::rfind(&tail, entry::MANIFEST.as_bytes());
    let directory = last.filter(|&name| {
        let header = name.checked_sub(46).and_then(|start| tail.get(start..start + 4));
        header == Some(b"PK\x01\x02")
    });
    let end = directory.map(|name| name + entry::MANIFEST.len() + END_BYTES);
    Ok(end.is_none_or(|end| end > tail.len()))
}
