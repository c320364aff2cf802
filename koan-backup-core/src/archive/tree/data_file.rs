//! The writer of a data file.

use std::fs::File;
use std::io::{self, Write};

use age::stream::StreamWriter;
use sha2::{Digest, Sha256};

use super::array_text::ArrayWriter;
use super::set_metadata::FileRecord;
use crate::encryption::Recipients;
use crate::foundation::digest::{self, RecordSetHash};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::lines::lines;

/// Writes the records of one set as a JSON array, encrypted if there are recipients. Its functions block.
pub(crate) struct DataFileWriter {
    output: Output,
    array: ArrayWriter,
    /// The text of the records of one block.
    text: Vec<u8>,
    content: Sha256,
    record_set_hash: RecordSetHash,
    item_count: u64,
    lines_bytes: u64,
}

enum Output {
    Unencrypted(HashingFile),
    Encrypted(StreamWriter<HashingFile>),
}

/// A data file that was written and is durable.
#[derive(Debug)]
pub(crate) struct WrittenDataFile {
    pub(crate) file: FileRecord,
    pub(crate) content_hash: String,
    pub(crate) record_set_hash: RecordSetHash,
    pub(crate) item_count: u64,
    pub(crate) lines_bytes: u64,
}

impl DataFileWriter {
    /// Begins an array in an empty file.
    pub(crate) fn begin(file: File, recipients: Option<&Recipients>) -> Result<Self> {
        let file = HashingFile { file, hasher: Sha256::new(), length: 0 };
        let output = match recipients {
            None => Output::Unencrypted(file),
            Some(recipients) => Output::Encrypted(recipients.encrypt_to(file)?),
        };
        let mut writer = Self {
            output,
            array: ArrayWriter::default(),
            text: Vec::new(),
            content: Sha256::new(),
            record_set_hash: RecordSetHash::default(),
            item_count: 0,
            lines_bytes: 0,
        };
        writer.output.write_all(ArrayWriter::start()).map_err(write_error)?;
        Ok(writer)
    }

    /// Writes complete lines of records.
    pub(crate) fn write(&mut self, block: &[u8]) -> Result<()> {
        self.content.update(block);
        self.lines_bytes += u64::try_from(block.len()).unwrap_or(u64::MAX);
        for line in lines(block) {
            self.record_set_hash.add(line);
            self.item_count += 1;
        }
        self.text.clear();
        self.array.write(block, &mut self.text);
        self.output.write_all(&self.text).map_err(write_error)
    }

    /// Ends the array, and makes the file durable.
    pub(crate) fn finish(mut self) -> Result<WrittenDataFile> {
        self.output.write_all(ArrayWriter::end()).map_err(write_error)?;
        let file = match self.output {
            Output::Unencrypted(file) => file,
            Output::Encrypted(writer) => writer.finish().map_err(write_error)?,
        };
        file.file.sync_all().map_err(write_error)?;
        Ok(WrittenDataFile {
            file: FileRecord { size_bytes: file.length, sha256: digest::finish(file.hasher) },
            content_hash: digest::finish(self.content),
            record_set_hash: self.record_set_hash,
            item_count: self.item_count,
            lines_bytes: self.lines_bytes,
        })
    }
}

impl Output {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Unencrypted(file) => file.write_all(bytes),
            Self::Encrypted(writer) => writer.write_all(bytes),
        }
    }
}

/// A file whose bytes are hashed and counted while they are written.
struct HashingFile {
    file: File,
    hasher: Sha256,
    length: u64,
}

impl Write for HashingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.length += u64::try_from(written).unwrap_or(u64::MAX);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn write_error(source: io::Error) -> Error {
    Error::with_source(ErrorKind::Storage, "the file could not be written", source)
}
