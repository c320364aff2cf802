//! The compression methods, and decompression of blocks.

use std::io::Read;

use flate2::{Decompress, FlushDecompress};
use serde::{Deserialize, Serialize};

use crate::foundation::error::{Error, ErrorKind, Result};

/// How the records of an archive are compressed.
///
/// ```
/// use koan_backup::Compression;
/// # koan_backup_shop::run(async |koan| {
/// koan.backup("nightly").compression(Compression::zstd(3)?).await?;
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "UncheckedCompression")]
pub struct Compression {
    method: CompressionMethod,
    level: i32,
}

/// A method and level as they were read, before they are validated.
#[derive(Deserialize)]
struct UncheckedCompression {
    method: CompressionMethod,
    #[serde(default)]
    level: i32,
}

impl TryFrom<UncheckedCompression> for Compression {
    type Error = Error;

    fn try_from(unchecked: UncheckedCompression) -> Result<Self> {
        match unchecked.method {
            CompressionMethod::Deflate => Self::deflate(unchecked.level),
            CompressionMethod::Zstd => Self::zstd(unchecked.level),
            CompressionMethod::Stored => Ok(Self::stored()),
        }
    }
}

/// The compression method of a ZIP entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum CompressionMethod {
    /// Method 8, which every tool can read.
    Deflate,
    /// Method 93, which 7-Zip and bsdtar can read.
    Zstd,
    /// Method 0: no compression.
    Stored,
}

/// The bytes that end a stream of deflate blocks: a last block without content.
const DEFLATE_END: [u8; 2] = [0x03, 0x00];

/// The bytes that end a stream of gzip members: an empty member, so that a stream without blocks is valid
/// too.
const GZIP_END: [u8; 20] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// The bytes that end a stream of Zstandard frames: an empty frame, so that a stream without blocks is valid
/// too.
const ZSTD_END: [u8; 9] = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0];

/// The last bytes of a flushed deflate block: an empty stored block.
const SYNC_FLUSH: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

impl Compression {
    /// Returns deflate at a level from 1 (fast) to 9 (small).
    ///
    /// # Errors
    /// The level is outside that range.
    pub fn deflate(level: i32) -> Result<Self> {
        Self::checked(CompressionMethod::Deflate, level, 1..=9)
    }

    /// Returns Zstandard at a level from 1 (fast) to 22 (small). `unzip`, and Python's `zipfile` before 3.14,
    /// cannot read it.
    ///
    /// # Errors
    /// The level is outside that range.
    pub fn zstd(level: i32) -> Result<Self> {
        Self::checked(CompressionMethod::Zstd, level, 1..=22)
    }

    /// Returns the setting that stores the records without compression.
    pub fn stored() -> Self {
        Self { method: CompressionMethod::Stored, level: 0 }
    }

    /// Returns the compression method.
    pub fn method(self) -> CompressionMethod {
        self.method
    }

    /// Returns the compression level, which is 0 without compression.
    pub fn level(self) -> i32 {
        self.level
    }

    fn checked(method: CompressionMethod, level: i32, range: std::ops::RangeInclusive<i32>) -> Result<Self> {
        if range.contains(&level) {
            return Ok(Self { method, level });
        }
        Err(Error::new(
            ErrorKind::Configuration,
            format!(
                "compression level {level} does not exist for {method:?}; use {} to {}",
                range.start(),
                range.end()
            ),
        ))
    }
}

/// Whether an entry is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryEncryption {
    Unencrypted,
    Encrypted,
}

/// How the blocks of an entry are encoded. The ZIP directory does not state how the content of an encrypted
/// entry is compressed, so that content has a self-describing format: gzip in place of raw deflate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Deflate,
    Gzip,
    Zstd,
    Stored,
}

impl Default for Compression {
    /// Returns deflate at level 2: it is faster than level 3, and its result is about 10 percent larger.
    fn default() -> Self {
        Self { method: CompressionMethod::Deflate, level: 2 }
    }
}

impl CompressionMethod {
    pub(crate) fn zip(self) -> rawzip::CompressionMethod {
        match self {
            Self::Deflate => rawzip::CompressionMethod::DEFLATE,
            Self::Zstd => rawzip::CompressionMethod::ZSTD,
            Self::Stored => rawzip::CompressionMethod::STORE,
        }
    }

    pub(crate) fn from_zip(method: rawzip::CompressionMethod) -> Option<Self> {
        [Self::Deflate, Self::Zstd, Self::Stored].into_iter().find(|known| known.zip() == method)
    }

    /// Returns the file name suffix of an encrypted entry with this method.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Deflate => ".gz",
            Self::Zstd => ".zst",
            Self::Stored => "",
        }
    }
}

impl Coding {
    pub(crate) fn for_entry(method: CompressionMethod, encryption: EntryEncryption) -> Self {
        match (method, encryption) {
            (CompressionMethod::Deflate, EntryEncryption::Unencrypted) => Self::Deflate,
            (CompressionMethod::Deflate, EntryEncryption::Encrypted) => Self::Gzip,
            (CompressionMethod::Zstd, _) => Self::Zstd,
            (CompressionMethod::Stored, _) => Self::Stored,
        }
    }

    pub(crate) fn method(self) -> CompressionMethod {
        match self {
            Self::Deflate | Self::Gzip => CompressionMethod::Deflate,
            Self::Zstd => CompressionMethod::Zstd,
            Self::Stored => CompressionMethod::Stored,
        }
    }

    /// Returns the bytes that end the stream of an entry.
    pub(crate) fn tail(self) -> &'static [u8] {
        match self {
            Self::Deflate => &DEFLATE_END,
            Self::Gzip => &GZIP_END,
            Self::Zstd => &ZSTD_END,
            Self::Stored => &[],
        }
    }

    /// Decompresses one block into `out`, which must be empty. Returns `None` if the block is not valid or
    /// does not contain exactly `raw_length` bytes.
    pub(crate) fn decompress(self, block: &[u8], raw_length: usize, out: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::Stored => out.extend_from_slice(block),
            Self::Zstd => unzstd(block, raw_length, out)?,
            Self::Deflate if block.ends_with(&SYNC_FLUSH) => inflate(block, raw_length, out)?,
            Self::Deflate => return None,
            Self::Gzip => gunzip(block, raw_length, out)?,
        }
        (out.len() == raw_length).then_some(())
    }
}

/// Decompresses one gzip member. Memory is allocated for the actual output only.
fn gunzip(block: &[u8], raw_length: usize, out: &mut Vec<u8>) -> Option<()> {
    let mut decoder = flate2::bufread::GzDecoder::new(block);
    out.reserve_exact(raw_length.min(2 << 20));
    let limit = u64::try_from(raw_length).ok()?.checked_add(1)?;
    decoder.by_ref().take(limit).read_to_end(out).ok()?;
    decoder.into_inner().is_empty().then_some(())
}

/// Inflates one block of `raw_length` bytes. Memory is allocated for the actual output only.
fn inflate(block: &[u8], raw_length: usize, out: &mut Vec<u8>) -> Option<()> {
    let mut decompress = Decompress::new(false);
    // The limit is one byte more than the declared length, so that a longer block is detected.
    let limit = raw_length.checked_add(1)?;
    out.reserve_exact(limit.min(2 << 20));
    loop {
        let (consumed, produced) = (decompress.total_in(), out.len());
        let input = &block[usize::try_from(consumed).ok()?..];
        decompress.decompress_vec(input, out, FlushDecompress::Sync).ok()?;
        if out.len() == raw_length && usize::try_from(decompress.total_in()).ok()? == block.len() {
            return Some(());
        }
        if out.len() > raw_length
            || (decompress.total_in() == consumed && out.len() == produced && out.len() < out.capacity())
        {
            return None;
        }
        if out.len() == out.capacity() {
            if out.len() >= limit {
                return None;
            }
            out.reserve_exact((limit - out.len()).min(out.len().max(1 << 20)));
        }
    }
}

/// Decompresses one Zstandard frame. Memory is allocated for the actual output and for a window of at most
/// 128 MiB.
fn unzstd(block: &[u8], raw_length: usize, out: &mut Vec<u8>) -> Option<()> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(block).ok()?.single_frame();
    decoder.window_log_max(27).ok()?;
    out.reserve_exact(raw_length.min(2 << 20));
    let limit = u64::try_from(raw_length).ok()?.checked_add(1)?;
    decoder.by_ref().take(limit).read_to_end(out).ok()?;
    decoder.finish().is_empty().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_compression_levels_are_refused() {
        assert!(Compression::deflate(0).is_err());
        assert!(Compression::deflate(10).is_err());
        assert!(Compression::zstd(23).is_err());
        let read = |json: &str| serde_json::from_str::<Compression>(json);
        assert_eq!(read(r#"{"method":"deflate","level":6}"#).ok(), Compression::deflate(6).ok());
        assert!(read(r#"{"method":"deflate","level":99}"#).is_err());
    }
}
