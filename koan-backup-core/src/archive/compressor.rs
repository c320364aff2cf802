//! The compression of blocks that join into one valid stream.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use flate2::{Compress, FlushCompress, Status};

use super::compression::{Coding, Compression, CompressionMethod, EntryEncryption};
use crate::foundation::buffers::{Buffer, Buffers};
use crate::foundation::error::{Error, ErrorKind, Result};

/// A compressor of blocks that several threads can use at the same time. Output buffers are reused, and so
/// are the states of the compression libraries, except for encrypted entries.
pub(crate) struct Compressor {
    compression: Compression,
    idle: Mutex<Vec<BlockCompressor>>,
    buffers: Arc<Buffers>,
}

/// The state of a compression library. It is reused for the next block and retains no data of the previous
/// block.
enum BlockCompressor {
    Deflate(Compress),
    Zstd(zstd::bulk::Compressor<'static>),
}

impl Compressor {
    pub(crate) fn new(compression: Compression) -> Self {
        Self { compression, idle: Mutex::default(), buffers: Arc::default() }
    }

    /// Compresses one block of an entry. `encryption` states whether the entry is encrypted.
    pub(crate) fn compress_block(&self, raw: &[u8], encryption: EntryEncryption) -> Result<Buffer> {
        let mut out = self.buffers.take(raw.len() / 3 + 1024);
        match Coding::for_entry(self.compression.method(), encryption) {
            Coding::Stored => out.extend_from_slice(raw),
            Coding::Gzip => gzip(raw, self.compression.level(), &mut out)?,
            Coding::Deflate | Coding::Zstd => {
                let idle = self.idle().pop();
                let mut state = idle.map_or_else(|| self.new_state(), Ok)?;
                state.compress(raw, &mut out)?;
                self.idle().push(state);
            }
        }
        Ok(out)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<BlockCompressor>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_state(&self) -> Result<BlockCompressor> {
        let level = self.compression.level();
        match self.compression.method() {
            CompressionMethod::Zstd => {
                zstd::bulk::Compressor::new(level).map(BlockCompressor::Zstd).map_err(compression_error_from)
            }
            _ => Ok(BlockCompressor::Deflate(Compress::new(deflate_level(level)?, false))),
        }
    }
}

impl BlockCompressor {
    /// Appends the compressed block to `out`. After an error the compressor must not be used again.
    fn compress(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Deflate(compress) => deflate(compress, raw, out),
            Self::Zstd(compressor) => {
                out.reserve(zstd::zstd_safe::compress_bound(raw.len()));
                compressor.compress_to_buffer(raw, out).map(drop).map_err(compression_error_from)
            }
        }
    }
}

fn deflate(compress: &mut Compress, raw: &[u8], out: &mut Vec<u8>) -> Result<()> {
    compress.reset();
    loop {
        let consumed = usize::try_from(compress.total_in()).map_err(|_| compression_error())?;
        let before = out.len();
        let status = compress.compress_vec(&raw[consumed..], out, FlushCompress::Sync);
        if !matches!(status, Ok(Status::Ok | Status::BufError)) {
            return Err(compression_error());
        }
        let consumed = usize::try_from(compress.total_in()).map_err(|_| compression_error())?;
        // Unused capacity means that the flush is complete.
        if consumed == raw.len() && out.len() < out.capacity() {
            return Ok(());
        }
        if out.len() == before && out.len() < out.capacity() {
            return Err(compression_error());
        }
        out.reserve(raw.len() / 4 + 1024);
    }
}

/// Compresses `raw` into one gzip member.
fn gzip(raw: &[u8], level: i32, out: &mut Vec<u8>) -> Result<()> {
    let mut encoder = flate2::write::GzEncoder::new(out, deflate_level(level)?);
    encoder.write_all(raw).and_then(|()| encoder.finish()).map(drop).map_err(compression_error_from)
}

fn deflate_level(level: i32) -> Result<flate2::Compression> {
    u32::try_from(level).map(flate2::Compression::new).map_err(|_| compression_error())
}

fn compression_error() -> Error {
    Error::new(ErrorKind::Internal, COMPRESSION_FAILED)
}

fn compression_error_from(source: std::io::Error) -> Error {
    Error::with_source(ErrorKind::Internal, COMPRESSION_FAILED, source)
}

const COMPRESSION_FAILED: &str = "a block of records could not be compressed";

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").field("compression", &self.compression).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    /// Decompresses a block twice, into a new buffer and into a buffer with more capacity than needed, and
    /// checks that both results are equal.
    fn decompressed(coding: Coding, block: &[u8], raw_length: usize) -> Option<Vec<u8>> {
        let [small, large] = [0, 4 << 20].map(|capacity| {
            let mut out = Vec::with_capacity(capacity);
            coding.decompress(block, raw_length, &mut out).map(|()| out)
        });
        assert_eq!(small, large, "the result must not depend on the capacity of the buffer");
        small
    }

    fn sample(len: usize) -> Vec<u8> {
        (0..)
            .flat_map(|n: u64| {
                format!("{{\"id\":{n},\"hash\":{}}}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).into_bytes()
            })
            .take(len)
            .collect()
    }

    #[test]
    fn blocks_of_any_size_round_trip_and_join_into_one_stream() {
        let raws: Vec<_> = [0, 1, 7, 1000, 70_000, 1 << 20].map(sample).into();
        let mut cases =
            vec![(Compression::zstd(3).expect("the level is valid"), EntryEncryption::Unencrypted)];
        for level in [1, 3, 6, 9] {
            let compression = Compression::deflate(level).expect("the level is valid");
            cases.extend(
                [EntryEncryption::Unencrypted, EntryEncryption::Encrypted]
                    .map(|encryption| (compression, encryption)),
            );
        }
        for (compression, encryption) in cases {
            let compressor = Compressor::new(compression);
            let coding = Coding::for_entry(compression.method(), encryption);
            let mut stream = Vec::new();
            for raw in &raws {
                let block = compressor.compress_block(raw, encryption).expect("the block is compressed");
                assert_eq!(decompressed(coding, &block, raw.len()).as_ref(), Some(raw));
                stream.extend_from_slice(&block);
            }
            stream.extend(coding.tail());
            let mut joined = Vec::new();
            let read = match coding {
                Coding::Gzip => flate2::read::MultiGzDecoder::new(&stream[..]).read_to_end(&mut joined),
                Coding::Zstd => {
                    zstd::Decoder::new(&stream[..]).and_then(|mut decoder| decoder.read_to_end(&mut joined))
                }
                _ => flate2::read::DeflateDecoder::new(&stream[..]).read_to_end(&mut joined),
            };
            read.expect("the joined blocks are one valid stream");
            assert_eq!(joined, raws.concat());
        }
    }

    #[test]
    fn a_block_longer_or_shorter_than_declared_is_refused() {
        let raw = sample(5000);
        for (compression, encryption) in [
            (Compression::default(), EntryEncryption::Unencrypted),
            (Compression::default(), EntryEncryption::Encrypted),
            (Compression::zstd(3).expect("the level is valid"), EntryEncryption::Unencrypted),
            (Compression::stored(), EntryEncryption::Unencrypted),
        ] {
            let block = Compressor::new(compression)
                .compress_block(&raw, encryption)
                .expect("the block is compressed");
            let coding = Coding::for_entry(compression.method(), encryption);
            assert_eq!(decompressed(coding, &block, raw.len()).as_ref(), Some(&raw));
            for wrong in [raw.len() - 1, raw.len() + 1, 0] {
                assert!(
                    decompressed(coding, &block, wrong).is_none(),
                    "{coding:?}: a declared length of {wrong} bytes was accepted"
                );
            }
            assert!(
                decompressed(coding, &block[..block.len() - 1], raw.len()).is_none(),
                "{coding:?}: a truncated block was accepted"
            );
            let longer = [&block[..], &block[..]].concat();
            assert!(
                decompressed(coding, &longer, raw.len()).is_none(),
                "{coding:?}: two blocks were accepted as one"
            );
        }
    }
}
