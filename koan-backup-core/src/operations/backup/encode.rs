//! From a chunk of lines to a block of the archive: proven where that is still to be done, hashed, compressed. Runs on a thread
//! that may work.

use crate::archive::{CompressedBlock, Compressor, EntrySealing};
use crate::entity::EntityCodec;
use crate::entity::codec::key_of_line;
use crate::foundation::digest::RecordSetHash;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::lines::Chunk;

/// Proves the lines of a chunk that are not proven yet, and compresses it.
///
/// # Errors
/// A line is not what its type writes after reading it back: entity and key are named.
pub(super) fn encode(
    chunk: Chunk,
    entity: &EntityCodec,
    compressor: &Compressor,
    sealing: EntrySealing,
) -> Result<CompressedBlock> {
    let mut set_hash = RecordSetHash::default();
    let mut written = Vec::with_capacity(1024);
    for line in chunk.unproven() {
        entity.check_round_trip(line, &mut written).map_err(|error| {
            let key = key_of_line(line, entity.schema()).unwrap_or_default();
            let key = entity.key_text(key.iter().map(|(name, value)| (name.as_str(), value)));
            Error::with_source(
                ErrorKind::Record,
                format!("{} `{key}` would not come back from its backup", entity.name()),
                error,
            )
        })?;
    }
    chunk.records().for_each(|line| set_hash.add(line));
    let compressed = compressor.block(&chunk.lines, sealing)?;
    let crc32 = crc32fast::hash(&chunk.lines);
    Ok(CompressedBlock { compressed, records: chunk.records, crc32, set_hash, raw: chunk.lines })
}
