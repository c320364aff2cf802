//! The table of the independent blocks that make up the entry of an entity.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The content of `metadata/blocks.json`: the blocks of each entry of records, in order.
pub type BlockTable = BTreeMap<String, Vec<Block>>;

/// One block of an entry. It can be decompressed without the other blocks and contains only complete lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Block {
    /// The offset of the block in the compressed data of the entry.
    pub offset: u64,
    /// The length of the block in the compressed data.
    pub length: u64,
    /// The length of the lines of the block before compression.
    pub raw_length: u64,
    /// The number of lines of the block.
    pub records: u64,
    /// The CRC-32 of the lines of the block.
    pub crc32: u32,
}

/// Returns a description of the fault in a table of blocks. Returns `None` if the blocks follow each other
/// without a gap, their lengths before compression add up to `uncompressed` bytes, and their compressed
/// lengths add up to `compressed` bytes minus the `tail` bytes that end the stream.
pub(crate) fn fault(blocks: &[Block], compressed: u64, tail: u64, uncompressed: u64) -> Option<&'static str> {
    let mut end = 0u64;
    let mut raw = 0u64;
    for block in blocks {
        if block.offset != end {
            return Some("there is a gap or an overlap between two of its blocks");
        }
        let (Some(next_end), Some(next_raw)) =
            (end.checked_add(block.length), raw.checked_add(block.raw_length))
        else {
            return Some("the sum of the lengths of its blocks exceeds 64 bits");
        };
        (end, raw) = (next_end, next_raw);
    }
    if end.checked_add(tail) != Some(compressed) {
        return Some("the lengths of its blocks do not add up to its compressed size");
    }
    (raw != uncompressed).then_some("the lengths of its blocks before compression do not add up to its size")
}
