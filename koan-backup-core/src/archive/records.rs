//! The reading of the records of an archive, block by block, whether they are encrypted or not.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::blocks::{self, Block, BlockTable};
use super::compression::{Coding, CompressionMethod};
use super::key_search;
use super::layout;
use super::reader::ArchiveReader;
use super::writer::CompressedBlock;
use crate::encryption::{DecryptableFile, HEADER_BYTES, Identities, is_encrypted};
use crate::foundation::blocking::blocking;
use crate::foundation::buffers::Buffers;
use crate::foundation::digest::RecordSetHash;
use crate::foundation::error::{Error, Result};

/// The maximum size of the lines of one block.
const MAX_BLOCK_BYTES: u64 = 256 << 20;

/// A block that was fetched. It is decrypted and decompressed on a blocking thread.
#[derive(Debug)]
pub(crate) struct FetchedBlock {
    block: Block,
    coding: Coding,
    bytes: Bytes,
    /// The key, and the range of the block in the decrypted stream, if the entry is encrypted.
    decryption: Option<(Arc<DecryptableFile>, Range<u64>)>,
}

/// A block that can be read from the archive again.
#[derive(Clone, Debug)]
pub(crate) struct StoredBlock {
    reader: Arc<ArchiveReader>,
    entry: Arc<str>,
    block: Block,
}

/// A fault of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BlockFault {
    #[error("cannot be decrypted")]
    Decryption,
    #[error("cannot be decompressed")]
    Decompression,
    #[error("does not match its checksum")]
    Checksum,
    #[error("does not contain the number of complete records that its block table declares")]
    RecordCount,
}

impl ArchiveReader {
    /// Returns whether an entry begins with the header of an encrypted file.
    pub(crate) async fn is_encrypted(&self, name: &str) -> Result<bool> {
        let entry = self.entry(name)?;
        Ok(is_encrypted(&self.range(entry.start, entry.compressed.min(64)).await?))
    }

    /// Finds the key of an encrypted entry, so that its records can be read. Returns `false` if no identity
    /// can decrypt the entry.
    pub(crate) async fn find_key(&mut self, name: &str, identities: &Arc<Identities>) -> Result<bool> {
        let entry = *self.entry(name)?;
        let start = self.range(entry.start, entry.compressed.min(HEADER_BYTES)).await?;
        let found = key_search::find(start, entry.compressed, identities).await;
        let Some(decryptable) = found.map_err(|error| self.open_error(name, error))? else {
            return Ok(false);
        };
        self.decryptable_entries.insert(name.to_owned(), Arc::new(decryptable));
        Ok(true)
    }

    /// Reads the content of a small encrypted entry. Returns `None` if no identity can decrypt the entry.
    pub(crate) async fn decrypted_document(
        &self,
        name: &str,
        identities: &Arc<Identities>,
    ) -> Result<Option<Vec<u8>>> {
        let encrypted = Bytes::from(self.document(name).await?);
        let length = u64::try_from(encrypted.len()).unwrap_or(u64::MAX);
        let found = key_search::find(encrypted.clone(), length, identities).await;
        let Some(decryptable) = found.map_err(|error| self.open_error(name, error))? else { return Ok(None) };
        let opened = blocking("decrypts an entry", move || {
            let full_range = 0..decryptable.plain_length()?;
            let needed = decryptable.encrypted_range(&full_range);
            decryptable.open(&full_range, encrypted.get(usize::try_from(needed.start).ok()?..)?)
        });
        match opened.await? {
            Some(content) => Ok(Some(content)),
            None => Err(self.damaged_entry_error(name, "it cannot be decrypted")),
        }
    }

    fn open_error(&self, name: &str, error: Error) -> Error {
        error.context(format!("entry `{name}` of archive `{}` could not be opened", self.object().path()))
    }

    /// Checks that the blocks of an entry cover all bytes of the entry, and that no block is larger than the
    /// maximum.
    pub(crate) fn check_blocks(&self, name: &str, table: &BlockTable) -> Result<()> {
        let entry = self.entry(name)?;
        let blocks =
            table.get(name).ok_or_else(|| self.damaged_entry_error(name, "it has no table of blocks"))?;
        let tail = length_of(layout::coding(name, entry.method).tail());
        let (compressed, uncompressed) = match self.decryptable_entries.get(name) {
            None => (entry.compressed, entry.uncompressed),
            Some(decryptable) => {
                let length = decryptable
                    .plain_length()
                    .ok_or_else(|| self.damaged_entry_error(name, "it is truncated"))?;
                let raw = blocks.iter().try_fold(0u64, |sum, block| sum.checked_add(block.raw_length));
                (length, raw.unwrap_or(u64::MAX))
            }
        };
        if let Some(fault) = blocks::fault(blocks, compressed, tail, uncompressed) {
            return Err(self.damaged_entry_error(name, fault));
        }
        if blocks.iter().any(|block| block.raw_length > MAX_BLOCK_BYTES || block.length > MAX_BLOCK_BYTES) {
            return Err(self.damaged_entry_error(
                name,
                "it has a block that is larger than the maximum size of a block",
            ));
        }
        Ok(())
    }

    /// Returns the compression method of the lines of an entry.
    pub(crate) fn method(&self, name: &str) -> Result<CompressionMethod> {
        let entry = self.entry(name)?;
        Ok(layout::coding(name, entry.method).method())
    }

    /// Returns the range of an entry's bytes in the archive.
    pub(crate) fn byte_range(&self, name: &str) -> Result<Range<u64>> {
        let entry = self.entry(name)?;
        Ok(entry.start..entry.start.saturating_add(entry.compressed))
    }

    /// Returns the size after extraction and the CRC-32 that the central directory declares for an entry.
    pub(crate) fn declared_size_and_crc32(&self, name: &str) -> Option<(u64, u32)> {
        self.entry(name).ok().map(|entry| (entry.uncompressed, entry.crc32))
    }

    /// Returns whether the stream of an entry ends with the expected bytes.
    pub(crate) async fn tail_is_intact(&self, name: &str) -> Result<bool> {
        let entry = self.entry(name)?;
        let tail = layout::coding(name, entry.method).tail();
        let length = length_of(tail);
        let Some(decryptable) = self.decryptable_entries.get(name) else {
            let start = (entry.start + entry.compressed).saturating_sub(length);
            return Ok(self.range(start, length).await? == tail);
        };
        let end = decryptable.plain_length().unwrap_or_default();
        let range = end.saturating_sub(length)..end;
        let needed = decryptable.encrypted_range(&range);
        let encrypted = self.range(entry.start + needed.start, needed.end - needed.start).await?;
        Ok(decryptable.open(&range, &encrypted).as_deref() == Some(tail))
    }

    /// Fetches one block of an entry.
    pub(crate) async fn block(&self, name: &str, block: Block) -> Result<FetchedBlock> {
        let entry = self.entry(name)?;
        let coding = layout::coding(name, entry.method);
        let range = block.offset..block.offset.saturating_add(block.length);
        let (needed, decryption) = match self.decryptable_entries.get(name) {
            None => (range, None),
            Some(decryptable) => {
                (decryptable.encrypted_range(&range), Some((Arc::clone(decryptable), range)))
            }
        };
        let start = entry.start.saturating_add(needed.start);
        let bytes = self.range(start, needed.end.saturating_sub(needed.start)).await?;
        Ok(FetchedBlock { block, coding, bytes, decryption })
    }
}

impl FetchedBlock {
    /// Decrypts and decompresses the block into one of `buffers`, and checks its checksum and its number of
    /// lines.
    pub(crate) fn lines(&self, buffers: &Arc<Buffers>) -> std::result::Result<Bytes, BlockFault> {
        let mut lines = buffers.take(0);
        self.decompress(&self.decrypted()?, &mut lines)?;
        Ok(lines.into())
    }

    /// Decrypts the block and returns its compressed bytes unchanged, together with its lines, to be written
    /// into another archive.
    pub(crate) fn compressed(&self) -> std::result::Result<CompressedBlock, BlockFault> {
        let compressed = self.decrypted()?.to_vec();
        let mut raw = Vec::new();
        self.decompress(&compressed, &mut raw)?;
        let mut set_hash = RecordSetHash::default();
        crate::foundation::lines::lines(&raw).for_each(|line| set_hash.add(line));
        let Block { records, crc32, .. } = self.block;
        Ok(CompressedBlock { raw: raw.into(), compressed: compressed.into(), records, crc32, set_hash })
    }

    fn decrypted(&self) -> std::result::Result<Bytes, BlockFault> {
        match &self.decryption {
            None => Ok(self.bytes.clone()),
            Some((decryptable, range)) => {
                decryptable.open(range, &self.bytes).map(Bytes::from).ok_or(BlockFault::Decryption)
            }
        }
    }

    /// Decompresses the block into `lines`, and checks its checksum, its last line feed and its number of
    /// lines.
    fn decompress(&self, compressed: &[u8], lines: &mut Vec<u8>) -> std::result::Result<(), BlockFault> {
        let raw_length = usize::try_from(self.block.raw_length).map_err(|_| BlockFault::Decompression)?;
        self.coding.decompress(compressed, raw_length, lines).ok_or(BlockFault::Decompression)?;
        if crc32fast::hash(lines) != self.block.crc32 {
            return Err(BlockFault::Checksum);
        }
        let ends_with_line_feed = lines.last().is_none_or(|&last| last == b'\n');
        if !ends_with_line_feed || crate::foundation::lines::count_lines(lines) != self.block.records {
            return Err(BlockFault::RecordCount);
        }
        Ok(())
    }
}

impl StoredBlock {
    pub(crate) fn new(reader: &Arc<ArchiveReader>, entry: &Arc<str>, block: Block) -> Self {
        Self { reader: Arc::clone(reader), entry: Arc::clone(entry), block }
    }

    /// Reads the line at `index`, counted from 0, without its line feed. Returns `None` if the block has no
    /// line at this index or can no longer be read.
    pub(crate) async fn line(&self, index: usize) -> Option<Bytes> {
        let fetched = self.reader.block(&self.entry, self.block).await.ok()?;
        let opened = blocking("reads the archive", move || {
            let lines = fetched.lines(&Arc::default()).ok()?;
            crate::foundation::lines::lines(&lines).nth(index).map(|line| lines.slice_ref(line))
        });
        opened.await.ok()?
    }
}

fn length_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
