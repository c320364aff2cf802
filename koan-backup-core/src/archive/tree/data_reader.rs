//! The reader of a data file. It trusts nothing in the file before the hash of all bytes was compared.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::array_text::{ArrayFault, ArrayReader};
use super::set_metadata::FileRecord;
use crate::encryption::DecryptableFile;
use crate::foundation::digest::{self, RecordSetHash};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::lines::lines;

/// The number of bytes of records that one call returns at least, except at the end of the file.
const CHUNK_BYTES: usize = 1 << 20;
/// The number of bytes that are read at once.
const PIECE_BYTES: usize = 64 << 10;

/// Reads the records of a data file in chunks of complete lines. Its functions block.
pub(crate) struct DataFileReader {
    input: Box<dyn Read + Send>,
    hashed: Arc<Mutex<Hashed>>,
    array: ArrayReader,
    content: Sha256,
    record_set_hash: RecordSetHash,
    item_count: u64,
    lines_bytes: u64,
}

/// The bytes of the file that were read so far.
#[derive(Default)]
struct Hashed {
    hasher: Sha256,
    length: u64,
}

/// What was read from a data file up to its end.
#[derive(Debug)]
pub(crate) struct ReadDataFile {
    pub(crate) file: FileRecord,
    pub(crate) content_hash: String,
    pub(crate) record_set_hash: RecordSetHash,
    pub(crate) item_count: u64,
    pub(crate) lines_bytes: u64,
}

impl DataFileReader {
    /// Begins to read a file, and decrypts it if its key is given.
    ///
    /// # Errors
    /// The header of the encrypted file has changed since its key was found.
    pub(crate) fn begin(file: File, key: Option<&DecryptableFile>) -> Result<Self> {
        let hashed = Arc::new(Mutex::new(Hashed::default()));
        let file = BufReader::with_capacity(PIECE_BYTES, HashingReader { file, hashed: Arc::clone(&hashed) });
        let input: Box<dyn Read + Send> = match key {
            None => Box::new(file),
            Some(key) => Box::new(key.reader(file).ok_or_else(|| fault("its header was changed"))?),
        };
        Ok(Self {
            input,
            hashed,
            array: ArrayReader::default(),
            content: Sha256::new(),
            record_set_hash: RecordSetHash::default(),
            item_count: 0,
            lines_bytes: 0,
        })
    }

    /// Returns the next records as complete lines, or `None` at the end of the file.
    ///
    /// # Errors
    /// The file cannot be read or decrypted, or is not an array of records.
    pub(crate) fn next_chunk(&mut self) -> Result<Option<Vec<u8>>> {
        let (mut piece, mut records) = (vec![0; PIECE_BYTES], Vec::new());
        while records.len() < CHUNK_BYTES {
            let read = match self.input.read(&mut piece) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(read_error(error)),
            };
            if read == 0 {
                self.array.finish().map_err(array_error)?;
                break;
            }
            self.array.read(&piece[..read], &mut records).map_err(array_error)?;
        }
        if records.is_empty() {
            return Ok(None);
        }
        self.content.update(&records);
        self.lines_bytes += u64::try_from(records.len()).unwrap_or(u64::MAX);
        for line in lines(&records) {
            self.record_set_hash.add(line);
            self.item_count += 1;
        }
        Ok(Some(records))
    }

    /// Returns the hashes and counts of the file, whose end must have been reached.
    pub(crate) fn finish(self) -> ReadDataFile {
        let hashed = std::mem::take(&mut *self.hashed.lock().unwrap_or_else(PoisonError::into_inner));
        ReadDataFile {
            file: FileRecord { size_bytes: hashed.length, sha256: digest::finish(hashed.hasher) },
            content_hash: digest::finish(self.content),
            record_set_hash: self.record_set_hash,
            item_count: self.item_count,
            lines_bytes: self.lines_bytes,
        }
    }
}

/// A file whose bytes are hashed and counted while they are read.
struct HashingReader {
    file: File,
    hashed: Arc<Mutex<Hashed>>,
}

impl Read for HashingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        let mut hashed = self.hashed.lock().unwrap_or_else(PoisonError::into_inner);
        hashed.hasher.update(&buffer[..read]);
        hashed.length += u64::try_from(read).unwrap_or(u64::MAX);
        Ok(read)
    }
}

/// Returns the error of a failed read. The decryption reports damage as invalid data or an early end.
fn read_error(source: io::Error) -> Error {
    let kind = match source.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => ErrorKind::Corrupt,
        _ => ErrorKind::Storage,
    };
    Error::with_source(kind, "it could not be read or decrypted", source)
}

fn array_error(source: ArrayFault) -> Error {
    fault(source)
}

fn fault(fault: impl ToString) -> Error {
    Error::new(ErrorKind::Corrupt, fault.to_string())
}
