//! The writer of an archive, which writes entry by entry on a separate thread.

use std::io::Write;

use jiff::Timestamp;
use rawzip::time::UtcDateTime;
use rawzip::{DataDescriptorOutput, ZipArchiveWriter};
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot};

use super::blocks::Block;
use super::compression::{Coding, CompressionMethod, EntryEncryption};
use super::upload::{ArchiveSink, FinishedUpload, UploadWriter};
use crate::encryption::Recipients;
use crate::foundation::buffers::Buffer;
use crate::foundation::digest::RecordSetHash;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::own_thread::OwnThread;

/// The maximum number of blocks that wait for the writer.
const MAX_WAITING_BLOCKS: usize = 2;

/// A compressed block that is to be written into the archive.
#[derive(Debug)]
pub(crate) struct CompressedBlock {
    pub(crate) raw: Buffer,
    pub(crate) compressed: Buffer,
    pub(crate) records: u64,
    pub(crate) crc32: u32,
    pub(crate) set_hash: RecordSetHash,
}

/// An entry of records that was written.
#[derive(Clone, Debug)]
pub(crate) struct WrittenEntry {
    pub(crate) item_count: u64,
    pub(crate) size_bytes: u64,
    pub(crate) compressed_bytes: u64,
    pub(crate) content_hash: String,
    pub(crate) record_set_hash: RecordSetHash,
    pub(crate) blocks: Vec<Block>,
    /// The encrypted bytes in the archive, if the entry is encrypted.
    pub(crate) encrypted: Option<EncryptedBytes>,
}

/// The hash and length of an encrypted entry.
#[derive(Clone, Debug)]
pub(crate) struct EncryptedBytes {
    pub(crate) hash: String,
    pub(crate) length: u64,
}

/// An entry of records that is to be written.
#[derive(Debug)]
pub(crate) struct NewEntry {
    pub(crate) path: String,
    pub(crate) method: CompressionMethod,
    /// The recipients, if the entry is encrypted.
    pub(crate) recipients: Option<Recipients>,
}

enum Command {
    Records { entry: NewEntry, blocks: mpsc::Receiver<BlockMessage>, written: oneshot::Sender<WrittenEntry> },
    Document { path: String, content: Vec<u8>, written: oneshot::Sender<()> },
    Finish,
}

/// A message to the writer of an entry. If the channel closes without `End`, the task that reads the records
/// has failed.
enum BlockMessage {
    Block(CompressedBlock),
    End,
}

/// The handle of the thread that writes an archive.
#[derive(Debug)]
pub(crate) struct ArchiveWriter {
    commands: mpsc::Sender<Command>,
    finished: OwnThread<Result<FinishedUpload>>,
}

/// The handle of one entry of records that the thread is writing.
#[derive(Debug)]
pub(crate) struct EntityEntry {
    blocks: mpsc::Sender<BlockMessage>,
    written: oneshot::Receiver<WrittenEntry>,
}

impl ArchiveWriter {
    /// Starts the writing thread. If this handle is dropped before [`finish`](Self::finish), the thread ends
    /// and leaves the upload incomplete.
    ///
    /// `recipients` are the recipients of an archive that is encrypted as a whole.
    pub(super) fn start(sink: UploadWriter, recipients: Option<Recipients>, modified: Timestamp) -> Self {
        let (commands, receiver) = mpsc::channel(1);
        let finished = OwnThread::start(move || {
            write_archive(ArchiveSink::new(sink, recipients.as_ref())?, modified, receiver)
        });
        Self { commands, finished }
    }

    /// Starts an entry of records.
    pub(crate) async fn records(&mut self, entry: NewEntry) -> Result<EntityEntry> {
        let (blocks, receiver) = mpsc::channel(MAX_WAITING_BLOCKS);
        let (sender, written) = oneshot::channel();
        self.send(Command::Records { entry, blocks: receiver, written: sender }).await?;
        Ok(EntityEntry { blocks, written })
    }

    /// Writes a document.
    pub(crate) async fn document(&mut self, path: &str, content: Vec<u8>) -> Result<()> {
        let (sender, written) = oneshot::channel();
        self.send(Command::Document { path: path.to_owned(), content, written: sender }).await?;
        written.await.map_err(|_| stopped_error())
    }

    /// Writes the central directory and sends the last part of the upload.
    pub(crate) async fn finish(self) -> Result<FinishedUpload> {
        // If the writing thread has stopped early, `join` returns the reason.
        let _ = self.commands.send(Command::Finish).await;
        drop(self.commands);
        self.finished.join("writes the archive").await?
    }

    async fn send(&mut self, command: Command) -> Result<()> {
        self.commands.send(command).await.map_err(|_| stopped_error())
    }
}

impl EntityEntry {
    /// Sends the next block.
    pub(crate) async fn block(&mut self, block: CompressedBlock) -> Result<()> {
        self.blocks.send(BlockMessage::Block(block)).await.map_err(|_| stopped_error())
    }

    /// Ends the entry and returns its sizes, hashes and blocks.
    pub(crate) async fn finish(self) -> Result<WrittenEntry> {
        self.blocks.send(BlockMessage::End).await.map_err(|_| stopped_error())?;
        self.written.await.map_err(|_| stopped_error())
    }
}

/// Creates the error for a writing thread that has stopped. [`ArchiveWriter::finish`] or the upload returns
/// the reason.
fn stopped_error() -> Error {
    Error::new(ErrorKind::Storage, "the thread that writes the archive has stopped")
}

fn write_archive(
    sink: ArchiveSink,
    modified: Timestamp,
    mut commands: mpsc::Receiver<Command>,
) -> Result<FinishedUpload> {
    let modified = UtcDateTime::from_unix(modified.as_second());
    let mut zip = ZipArchiveWriter::new(sink);
    while let Some(command) = commands.blocking_recv() {
        match command {
            Command::Records { entry, blocks, written } => {
                let entry = write_records(&mut zip, &entry, modified, blocks)?;
                // There is no receiver if the backup was cancelled or has failed.
                let _ = written.send(entry);
            }
            Command::Document { path, content, written } => {
                write_document(&mut zip, &path, modified, &content)
                    .map_err(|error| zip_failed(&path, error))?;
                let _ = written.send(());
            }
            Command::Finish => {
                let sink = zip.finish().map_err(|error| zip_failed("the central directory", error))?;
                return sink.finish().map_err(|source| {
                    Error::with_source(
                        ErrorKind::Storage,
                        "the end of the archive could not be written",
                        source,
                    )
                });
            }
        }
    }
    Err(Error::cancelled())
}

fn write_records(
    zip: &mut ZipArchiveWriter<ArchiveSink>,
    new: &NewEntry,
    modified: UtcDateTime,
    messages: mpsc::Receiver<BlockMessage>,
) -> Result<WrittenEntry> {
    let path = new.path.as_str();
    // Encrypted data cannot be compressed further.
    let method = if new.recipients.is_some() { CompressionMethod::Stored } else { new.method };
    let started = zip
        .new_file(path)
        .compression_method(method.zip())
        .last_modified(modified)
        .unix_permissions(0o644)
        .crc32(rawzip::Crc32Option::Skip)
        .start();
    let (mut entry, _) = started.map_err(|error| zip_failed(path, error))?;
    let Some(recipients) = &new.recipients else {
        let (written, crc32) = write_blocks(
            &mut entry,
            path,
            Coding::for_entry(new.method, EntryEncryption::Unencrypted),
            messages,
        )?;
        let descriptor = DataDescriptorOutput::new(crc32, written.size_bytes);
        entry.finish(descriptor).map_err(|error| zip_failed(path, error))?;
        return Ok(written);
    };
    let mut encrypting_writer = recipients.encrypt_to(HashingWriter::new(&mut entry))?;
    let (mut written, _) = write_blocks(
        &mut encrypting_writer,
        path,
        Coding::for_entry(new.method, EntryEncryption::Encrypted),
        messages,
    )?;
    let hashing_writer = encrypting_writer.finish().map_err(|source| write_failed(path, source))?;
    let (crc32, length) = (hashing_writer.crc.finalize(), hashing_writer.length);
    written.encrypted =
        Some(EncryptedBytes { hash: crate::foundation::digest::finish(hashing_writer.hasher), length });
    let descriptor = DataDescriptorOutput::new(crc32, length);
    entry.finish(descriptor).map_err(|error| zip_failed(path, error))?;
    Ok(written)
}

/// Writes blocks as they arrive. Returns the description of the written entry, and the CRC-32 of all lines.
fn write_blocks(
    output: &mut impl Write,
    path: &str,
    coding: Coding,
    mut messages: mpsc::Receiver<BlockMessage>,
) -> Result<(WrittenEntry, u32)> {
    let mut hasher = Sha256::new();
    let mut crc = crc32fast::Hasher::new();
    let mut written = WrittenEntry {
        item_count: 0,
        size_bytes: 0,
        compressed_bytes: 0,
        content_hash: String::new(),
        record_set_hash: RecordSetHash::default(),
        blocks: Vec::new(),
        encrypted: None,
    };
    loop {
        let block = match messages.blocking_recv() {
            Some(BlockMessage::Block(block)) => block,
            Some(BlockMessage::End) => break,
            None => return Err(Error::cancelled()),
        };
        let (length, raw_length) = (len(&block.compressed), len(&block.raw));
        output.write_all(&block.compressed).map_err(|source| write_failed(path, source))?;
        hasher.update(&block.raw);
        crc.combine(&crc32fast::Hasher::new_with_initial_len(block.crc32, raw_length));
        written.blocks.push(Block {
            offset: written.compressed_bytes,
            length,
            raw_length,
            records: block.records,
            crc32: block.crc32,
        });
        written.item_count += block.records;
        written.size_bytes += raw_length;
        written.compressed_bytes += length;
        written.record_set_hash.merge(&block.set_hash);
    }
    output.write_all(coding.tail()).map_err(|source| write_failed(path, source))?;
    written.compressed_bytes += len(coding.tail());
    written.content_hash = crate::foundation::digest::finish(hasher);
    Ok((written, crc.finalize()))
}

/// A writer that hashes and counts the bytes that it writes to `output`.
struct HashingWriter<W> {
    output: W,
    hasher: Sha256,
    crc: crc32fast::Hasher,
    length: u64,
}

impl<W> HashingWriter<W> {
    fn new(output: W) -> Self {
        Self { output, hasher: Sha256::new(), crc: crc32fast::Hasher::new(), length: 0 }
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.output.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.crc.update(&bytes[..written]);
        self.length += len(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.output.flush()
    }
}

/// Writes a document. Documents are always deflated, so that every tool can read them.
fn write_document(
    zip: &mut ZipArchiveWriter<ArchiveSink>,
    path: &str,
    modified: UtcDateTime,
    content: &[u8],
) -> std::result::Result<(), rawzip::Error> {
    let (mut entry, config) = zip
        .new_file(path)
        .compression_method(rawzip::CompressionMethod::DEFLATE)
        .last_modified(modified)
        .unix_permissions(0o644)
        .start()?;
    let encoder = flate2::write::DeflateEncoder::new(&mut entry, flate2::Compression::default());
    let mut writer = config.wrap(encoder);
    writer.write_all(content)?;
    let (encoder, descriptor) = writer.finish()?;
    encoder.finish()?;
    entry.finish(descriptor)?;
    Ok(())
}

fn len(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("no slice is longer than 2^64 bytes")
}

fn zip_failed(path: &str, source: rawzip::Error) -> Error {
    Error::with_source(ErrorKind::Storage, write_error_text(path), source)
}

fn write_failed(path: &str, source: std::io::Error) -> Error {
    Error::with_source(ErrorKind::Storage, write_error_text(path), source)
}

fn write_error_text(path: &str) -> String {
    format!("entry `{path}` could not be written to the archive")
}
