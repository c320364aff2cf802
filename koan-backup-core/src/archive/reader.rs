//! The reader of an archive. It trusts no content of an archive before the content is checked.
//!
//! Allocations are bounded by the number of bytes that were read so far, never by a size that the archive
//! declares. Only the ranges that are needed are fetched from the store.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use rawzip::ZipLocator;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;

use super::bounds;
use super::compression::CompressionMethod;
use super::damage::corrupt;
use super::object::{ArchiveObject, RangeReader, ReadFailure};
use crate::encryption::DecryptableFile;
use crate::foundation::blocking::blocking;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::own_thread::OwnThread;

/// The maximum number of entries in an archive.
const MAX_ENTRIES: usize = 1_000_000;

/// An archive whose central directory was read and checked.
#[derive(Debug)]
pub(crate) struct ArchiveReader {
    object: ArchiveObject,
    entries: BTreeMap<String, Entry>,
    /// The encrypted entries whose keys are known.
    pub(super) decryptable_entries: BTreeMap<String, Arc<DecryptableFile>>,
}

/// The location and the declared sizes of one entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) method: CompressionMethod,
    pub(super) crc32: u32,
    pub(super) start: u64,
    pub(super) compressed: u64,
    pub(super) uncompressed: u64,
}

impl ArchiveReader {
    /// Reads and checks the central directory of an archive.
    pub(crate) async fn open(object: ArchiveObject) -> Result<Self> {
        let failure = ReadFailure::default();
        let source =
            RangeReader { object: object.clone(), handle: Handle::current(), failure: Arc::clone(&failure) };
        let name = object.path().to_string();
        let entries =
            OwnThread::start(move || read_directory(source, &name)).join("reads the archive").await?;
        // A failed read must not be reported as a damaged archive.
        match failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(failure) => Err(failure),
            None => Ok(Self { object, entries: entries?, decryptable_entries: BTreeMap::new() }),
        }
    }

    /// Returns the archive in its store.
    pub(crate) fn object(&self) -> &ArchiveObject {
        &self.object
    }

    /// Returns the names of all entries, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Returns the location of an entry.
    ///
    /// # Errors
    /// The entry is missing.
    pub(super) fn entry(&self, name: &str) -> Result<&Entry> {
        self.entries.get(name).ok_or_else(|| self.damaged_entry_error(name, "it is missing"))
    }

    /// Creates the error for the damaged entry `name`. `fault` describes the damage.
    pub(crate) fn damaged_entry_error(&self, name: &str, fault: &str) -> Error {
        corrupt(self.object.path().as_ref(), &format!("entry `{name}`: {fault}"))
    }

    /// Returns whether there is an entry with this name.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// Reads a range of the archive's bytes.
    pub(crate) async fn range(&self, start: u64, length: u64) -> Result<Bytes> {
        self.object.range(start..start.saturating_add(length).min(self.object.size_bytes())).await
    }

    /// Reads the content of a small entry.
    pub(crate) async fn document(&self, name: &str) -> Result<Vec<u8>> {
        let damaged = |fault: &str| corrupt(self.object.path().as_ref(), &format!("entry `{name}` {fault}"));
        let entry = *self.entries.get(name).ok_or_else(|| damaged("is missing"))?;
        if entry.compressed > bounds::MAX_DOCUMENT_BYTES || entry.uncompressed > bounds::MAX_DOCUMENT_BYTES {
            return Err(damaged("is larger than the maximum size of a document"));
        }
        let bytes = self.range(entry.start, entry.compressed).await?;
        let content = blocking("reads the archive", move || unpack(entry, &bytes)).await?;
        content.ok_or_else(|| damaged("does not match its checksum after decompression"))
    }

    /// Reads a small entry as JSON.
    pub(crate) async fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let content = self.document(name).await?;
        if !bounds::document_fits(name, &content, self.entries.len()) {
            return Err(corrupt(
                self.object.path().as_ref(),
                &format!(
                    "entry `{name}` exceeds the maximum size or the maximum number of values of a document"
                ),
            ));
        }
        serde_json::from_slice(&content).map_err(|source| {
            Error::with_source(
                ErrorKind::Corrupt,
                format!(
                    "entry `{name}` of archive `{}` cannot be parsed: it does not have the expected JSON \
                     structure",
                    self.object.path()
                ),
                source,
            )
        })
    }
}

/// Decompresses a document. Returns `None` if its data, length or checksum is not correct.
fn unpack(entry: Entry, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let limit = entry.uncompressed.checked_add(1)?;
    match entry.method {
        CompressionMethod::Deflate => {
            flate2::read::DeflateDecoder::new(bytes).take(limit).read_to_end(&mut content).ok()?;
        }
        CompressionMethod::Stored => content.extend_from_slice(bytes),
        CompressionMethod::Zstd => return None,
    }
    let is_intact =
        u64::try_from(content.len()) == Ok(entry.uncompressed) && crc32fast::hash(&content) == entry.crc32;
    is_intact.then_some(content)
}

/// Reads the central directory of the archive `file`, and checks that its entries have safe, unique names and
/// do not overlap.
fn read_directory(source: RangeReader, file: &str) -> Result<BTreeMap<String, Entry>> {
    let mut buffer = vec![0u8; rawzip::RECOMMENDED_BUFFER_SIZE];
    let size = source.object.size_bytes();
    let zip = ZipLocator::new()
        .locate_in_reader(source, &mut buffer, size)
        .map_err(|(_, source)| unreadable(file, source))?;
    if zip.end_offset() != size {
        return Err(corrupt(file, "there are bytes after its end"));
    }
    let mut found = Vec::new();
    let mut directory = zip.entries(&mut buffer);
    while let Some(record) = directory.next_entry().map_err(|source| unreadable(file, source))? {
        if found.len() == MAX_ENTRIES {
            return Err(corrupt(file, "it has more entries than the maximum of 1 000 000"));
        }
        let name = checked_name(record.file_path().as_ref()).ok_or_else(|| {
            corrupt(
                file,
                "an entry has an unsafe path, which could be extracted outside of the target folder",
            )
        })?;
        let method = CompressionMethod::from_zip(record.compression_method())
            .ok_or_else(|| corrupt(file, &format!("entry `{name}` is compressed with an unknown method")))?;
        let location = (record.local_header_offset(), record.wayfinder());
        let sizes = (record.crc32(), record.compressed_size_hint(), record.uncompressed_size_hint());
        found.push((name, method, location, sizes));
    }
    if u64::try_from(found.len()) != Ok(zip.entries_hint()) {
        let (declared, count) = (zip.entries_hint(), found.len());
        return Err(corrupt(
            file,
            &format!("its central directory declares {declared} entries, but contains {count}"),
        ));
    }
    let mut spans = Vec::with_capacity(found.len());
    let mut entries = BTreeMap::new();
    for (name, method, (header, wayfinder), (crc32, compressed, uncompressed)) in found {
        let local = zip.get_entry(wayfinder).map_err(|source| unreadable(file, source))?;
        let (start, end) = local.compressed_data_range();
        spans.push((header, end));
        let entry = Entry { method, crc32, start, compressed, uncompressed };
        if entries.insert(name.clone(), entry).is_some() {
            return Err(corrupt(file, &format!("it has two entries `{name}`")));
        }
    }
    spans.sort_unstable();
    let directory_start = zip.directory_offset();
    let overlap = spans.windows(2).any(|pair| pair[0].1 > pair[1].0);
    if overlap || spans.iter().any(|&(start, end)| start > end || end > directory_start) {
        return Err(corrupt(file, "its entries overlap"));
    }
    Ok(entries)
}

/// Returns the name of an entry if the name is UTF-8 and a safe relative path, so that the entry cannot be
/// extracted outside of the target folder.
fn checked_name(bytes: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(bytes).ok()?;
    let safe = !name.is_empty()
        && !name.contains(['\\', '\0', ':'])
        && name.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    safe.then(|| name.to_owned())
}

/// Creates the error for an archive whose central directory cannot be parsed.
fn unreadable(file: &str, source: rawzip::Error) -> Error {
    Error::with_source(
        ErrorKind::Corrupt,
        format!(
            "archive `{file}` is damaged: its central directory cannot be read; restore from another backup"
        ),
        source,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_entry_names_are_refused() {
        for name in ["../a", "/a", "a//b", "a/../b", "a\\b", "c:/a", "", "a/", "./a"] {
            assert!(checked_name(name.as_bytes()).is_none(), "{name}");
        }
        assert!(checked_name(b"entities/AuditLog#archive.jsonl").is_some());
        assert!(checked_name(b"entities/\xff.jsonl").is_none());
    }
}
