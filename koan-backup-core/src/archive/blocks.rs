//! The table of the independent blocks that make up the entry of an entity.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The content of `metadata/blocks.json`: the blocks of each entry of records, in order.
pub type BlockTable = BTreeMap<String, Vec<Block>>;

/// One block of an entry. It can be decompressed without the others and holds whole lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Block {
    /// The offset of the block in the compressed data of the entry.
    pub offset: u64,
    /// The length of the block in the compressed data.
    pub length: u64,
    /// The length of its lines before compression.
    pub raw_length: u64,
    /// The number of its lines.
    pub records: u64,
    /// The CRC-32 of its lines.
    pub crc32: u32,
}

/// Returns what is wrong with a table of blocks. Returns `None` if the blocks follow each other without a
/// gap, and account for `uncompressed` bytes and for `compressed` bytes minus the `tail` that ends the
/// stream.
pub(crate) fn fault(blocks: &[Block], compressed: u64, tail: u64, uncompressed: u64) -> Option<&'static str> {
    let mut end = 0u64;
    let mut raw = 0u64;
    for block in blocks {
        if block.offset != end {
            return Some("its blocks do not follow each other");
        }
        let (Some(next_end), Some(next_raw)) =
            (end.checked_add(block.length), raw.checked_add(block.raw_length))
        else {
            return Some("its blocks are longer than any file");
        };
        (end, raw) = (next_end, next_raw);
    }
    if end.checked_add(tail) != Some(compressed) {
        return Some("its blocks do not account for its compressed size");
    }
    (raw != uncompressed).then_some("its blocks do not account for its size")
}
