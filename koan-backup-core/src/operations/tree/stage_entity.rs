//! Reads the data files of a tree, and writes their records into a staged archive.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::files::{damaged, open_regular, read_error};
use crate::archive::tree::{DataFileReader, ReadDataFile, TreeSet};
use crate::archive::{ArchiveWriter, CompressedBlock, Compressor, EntryEncryption, NewEntry, WrittenEntry};
use crate::encryption::{DecryptableFile, HEADER_BYTES, Identities};
use crate::foundation::blocking::blocking;
use crate::foundation::digest::RecordSetHash;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::lines::{count_lines, lines};

/// The hashes that the records of a data file must have.
#[derive(Clone, Debug)]
pub(super) struct ExpectedRecords {
    pub(super) content_hash: String,
    pub(super) record_set_hash: RecordSetHash,
}

/// Writes the records of a data file as an entry of an archive, and then compares everything that was read with the
/// description of the file.
///
/// # Errors
/// The file is missing, was changed, or cannot be decrypted. The error contains its path.
pub(super) async fn write_entry(
    writer: &mut ArchiveWriter,
    entry: NewEntry,
    path: PathBuf,
    set: &TreeSet,
    expected: &ExpectedRecords,
    identities: Option<&Arc<Identities>>,
    compressor: &Arc<Compressor>,
) -> Result<WrittenEntry> {
    let encryption = match entry.recipients {
        Some(_) => EntryEncryption::Encrypted,
        None => EntryEncryption::Unencrypted,
    };
    let mut reader = open(&path, set, identities.cloned()).await?;
    let mut entry = writer.records(entry).await?;
    loop {
        let (compressor, opened_path) = (Arc::clone(compressor), path.clone());
        let read = blocking("reads the directory tree", move || {
            let chunk = reader.next_chunk().map_err(|error| with_path(&opened_path, error))?;
            let block = chunk.map(|chunk| compress(chunk, &compressor, encryption)).transpose()?;
            Ok::<_, Error>((reader, block))
        });
        let (rest, block) = read.await??;
        reader = rest;
        match block {
            Some(block) => entry.block(block).await?,
            None => break,
        }
    }
    let written = entry.finish().await?;
    require_same(&path, set, Some(expected), &reader.finish())?;
    Ok(written)
}

/// Reads a data file that was just written, without its key, and compares it with its description.
pub(super) fn verify_unencrypted(path: &Path, set: &TreeSet) -> Result<()> {
    let mut reader = DataFileReader::begin(open_file(path, set)?, None)?;
    while reader.next_chunk().map_err(|error| with_path(path, error))?.is_some() {}
    let expected = match (&set.content_hash, set.record_set_hash) {
        (Some(content_hash), Some(record_set_hash)) => {
            Some(ExpectedRecords { content_hash: content_hash.clone(), record_set_hash })
        }
        _ => None,
    };
    require_same(path, set, expected.as_ref(), &reader.finish())
}

/// Compares the bytes of a data file with its description, without decrypting it.
pub(super) fn verify_bytes(path: &Path, set: &TreeSet) -> Result<()> {
    let mut file = open_file(path, set)?;
    let (mut hasher, mut piece) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        let read = file.read(&mut piece).map_err(|source| read_error(path, source))?;
        if read == 0 {
            break;
        }
        hasher.update(&piece[..read]);
    }
    match crate::foundation::digest::finish(hasher) == set.data_file.sha256 {
        true => Ok(()),
        false => Err(damaged(path, CHANGED)),
    }
}

const CHANGED: &str = "it was changed: its hash differs from the hash in `metadata.json`";

async fn open(path: &Path, set: &TreeSet, identities: Option<Arc<Identities>>) -> Result<DataFileReader> {
    let (path, set) = (path.to_owned(), set.clone());
    blocking("reads the directory tree", move || {
        let file = open_file(&path, &set)?;
        let key = identities.map(|identities| find_key(&path, &file, &set, &identities)).transpose()?;
        DataFileReader::begin(file, key.as_ref()).map_err(|error| with_path(&path, error))
    })
    .await?
}

/// Opens a data file of the expected size.
pub(super) fn open_file(path: &Path, set: &TreeSet) -> Result<File> {
    let file = open_regular(path)?.ok_or_else(|| damaged(path, "it is missing"))?;
    let size = file.metadata().map_err(|source| read_error(path, source))?.len();
    match size == set.data_file.size_bytes {
        true => Ok(file),
        false => {
            let expected = set.data_file.size_bytes;
            Err(damaged(path, &format!("it has {size} bytes, but `metadata.json` states {expected} bytes")))
        }
    }
}

/// Finds the key of an encrypted data file. The description of the entity was decrypted, so a missing key means that
/// the file was replaced.
fn find_key(path: &Path, file: &File, set: &TreeSet, identities: &Identities) -> Result<DecryptableFile> {
    let mut start = Vec::new();
    let mut reader: &File = file;
    reader
        .take(HEADER_BYTES)
        .read_to_end(&mut start)
        .and_then(|_| reader.rewind())
        .map_err(|source| read_error(path, source))?;
    let found = DecryptableFile::find(&start, set.data_file.size_bytes, identities);
    found
        .map_err(|error| with_path(path, error))?
        .ok_or_else(|| damaged(path, "the key that decrypts `metadata.json.age` does not decrypt it"))
}

fn compress(chunk: Vec<u8>, compressor: &Compressor, encryption: EntryEncryption) -> Result<CompressedBlock> {
    let mut set_hash = RecordSetHash::default();
    lines(&chunk).for_each(|line| set_hash.add(line));
    Ok(CompressedBlock {
        compressed: compressor.compress_block(&chunk, encryption)?,
        records: count_lines(&chunk),
        crc32: crc32fast::hash(&chunk),
        set_hash,
        raw: chunk.into(),
    })
}

fn require_same(
    path: &Path,
    set: &TreeSet,
    expected: Option<&ExpectedRecords>,
    read: &ReadDataFile,
) -> Result<()> {
    if read.file != set.data_file {
        return Err(damaged(path, CHANGED));
    }
    let has_counts = read.item_count == set.item_count && read.lines_bytes == set.lines_bytes;
    let has_hashes = expected.is_none_or(|expected| {
        read.content_hash == expected.content_hash && read.record_set_hash == expected.record_set_hash
    });
    match has_counts && has_hashes {
        true => Ok(()),
        false => Err(damaged(path, "the counts or hashes of its records differ from its description")),
    }
}

fn with_path(path: &Path, error: Error) -> Error {
    match error.kind() {
        ErrorKind::Corrupt => {
            let text = format!("file `{}` of the directory tree cannot be used", path.display());
            Error::with_source(ErrorKind::Corrupt, text, error)
                .with_help("put the original file back, or use another backup")
        }
        _ => error.context(format!("`{}` could not be read", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::tree::DataFileWriter;
    use crate::encryption::EphemeralKey;
    use crate::foundation::id::SetName;

    #[test]
    fn a_file_that_differs_from_what_was_written_is_found_with_and_without_a_key() {
        let folder = tempfile::tempdir().expect("a folder is created");
        let key = EphemeralKey::generate().expect("a key is generated");
        for recipients in [None, Some(key.recipients())] {
            let path = folder.path().join(if recipients.is_some() { "data.json.age" } else { "data.json" });
            let file = File::create_new(&path).expect("the file is created");
            let mut writer = DataFileWriter::begin(file, recipients).expect("the file is begun");
            writer.write(b"{\"a\":1}\n{\"a\":2}\n").expect("the records are written");
            let written = writer.finish().expect("the file is written");
            let is_encrypted = recipients.is_some();
            let set = TreeSet {
                set: SetName::root(),
                file: "data.json".to_owned(),
                data_file: written.file,
                item_count: written.item_count,
                lines_bytes: written.lines_bytes,
                content_hash: (!is_encrypted).then_some(written.content_hash),
                record_set_hash: (!is_encrypted).then_some(written.record_set_hash),
                physical: None,
                duration_ms: 0,
            };
            let verify = if is_encrypted { verify_bytes } else { verify_unencrypted };
            verify(&path, &set).expect("the file is as it was written");
            let content = std::fs::read(&path).expect("the file is read");
            let mut changed = content.clone();
            changed[content.len() - 5] ^= 1;
            for damaged in [&changed[..], &content[..content.len() - 1]] {
                std::fs::write(&path, damaged).expect("the file is damaged");
                let error = verify(&path, &set).expect_err("the file was damaged");
                assert_eq!(error.kind(), ErrorKind::Corrupt);
                assert!(error.to_string().contains("data.json"), "{error}");
            }
        }
    }
}
