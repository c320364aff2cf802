//! Converts a chunk of lines into a block of the archive: checks the round trip of the lines that need it,
//! hashes and compresses. It runs on a thread on which blocking is allowed.

use crate::archive::{CompressedBlock, Compressor, EntryEncryption};
use crate::entity::EntityCodec;
use crate::entity::codec::key_of_line;
use crate::foundation::digest::RecordSetHash;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::lines::Chunk;

/// Checks the round trip of those lines of a chunk that need the check, and compresses the chunk.
///
/// # Errors
/// The type writes a different line after it has read a line. The error contains the name of the entity and
/// the key of the record.
pub(super) fn encode(
    chunk: Chunk,
    entity: &EntityCodec,
    compressor: &Compressor,
    encryption: EntryEncryption,
) -> Result<CompressedBlock> {
    let mut set_hash = RecordSetHash::default();
    let mut written = Vec::with_capacity(1024);
    for line in chunk.unproven() {
        entity.check_round_trip(line, &mut written).map_err(|error| {
            let key = key_of_line(line, entity.schema()).unwrap_or_default();
            let key = entity.key_text(key.iter().map(|(name, value)| (name.as_str(), value)));
            Error::with_source(
                ErrorKind::Record,
                match entity.descriptor().stream_part() {
                    None => format!("{} `{key}` would be changed by a backup and restore", entity.name()),
                    Some(_) => format!("{} `{key}` cannot be backed up", entity.name()),
                },
                error,
            )
        })?;
    }
    chunk.records().for_each(|line| set_hash.add(line));
    let compressed = compressor.compress_block(&chunk.lines, encryption)?;
    let crc32 = crc32fast::hash(&chunk.lines);
    Ok(CompressedBlock { compressed, records: chunk.records, crc32, set_hash, raw: chunk.lines })
}
