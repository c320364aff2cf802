//! The archive, format version 1: one ZIP file of JSON Lines that any tool can open, and its manifest.
//!
//! The lines of an entity are compressed as independent blocks that join into one valid stream. Therefore
//! writing, verifying and restoring use every core, and `unzip` can still read the entry.

mod blocks;
mod bounds;
mod compression;
mod compressor;
mod damage;
mod documents;
mod envelope;
mod file_hash;
mod key_search;
mod layout;
mod locked;
mod manifest;
mod object;
mod open;
mod open_documents;
mod pending;
mod read_blocks;
mod reader;
mod records;
pub(crate) mod stream_file;
pub(crate) mod tree;
mod unlock;
mod unpublished;
mod upload;
mod writer;

pub use crate::foundation::digest::RecordSetHash;
pub use blocks::{Block, BlockTable};
pub(crate) use bounds::{MAX_MANIFEST_BYTES, document_fits, manifest_fits, tree_fits};
pub(crate) use compression::EntryEncryption;
pub use compression::{Compression, CompressionMethod};
pub(crate) use compressor::Compressor;
pub use documents::{
    BackupStatistics, Checksums, DiscoveryDocument, DiscoveryExcluded, DiscoveryUncovered, EntityStatistics,
    ProviderDocument, ProviderInfo, SchemaSnapshots,
};
pub(crate) use documents::{EncryptedDocument, EncryptedMetadata};
pub(crate) use file_hash::{hash_in_steps, hash_of};
pub use layout::entity_file;
pub(crate) use layout::{
    archive_path, contains_records, entry, is_archive_name, lines_file, manifest_id, manifest_path,
    may_be_archive, records_file, rekeyed_path, stream_file,
};
pub(crate) use locked::{MissingKey, encrypted_entities, matching_key};
pub use manifest::{
    ArchiveFile, BackupStatus, DiscoverySummary, EncryptionScope, EncryptionSummary, EntityManifest,
    EntityStatus, FORMAT_VERSION, Manifest, Producer, StreamEntry, StreamEntryPart, VerificationSummary,
};
pub(crate) use object::ArchiveObject;
pub(crate) use open::{OpenArchive, PublishedArchive, size_fault};
pub(crate) use open_documents::OpenDocuments;
pub(crate) use pending::PendingArchive;
pub(crate) use read_blocks::{read_ahead, read_blocks};
pub(crate) use reader::ArchiveReader;
pub(crate) use records::{BlockFault, StoredBlock};
pub use stream_file::{StreamCompression, StreamIncludes};
pub(crate) use unpublished::{UnpublishedArchive, discard_unpublished};
pub(crate) use upload::{FinishedUpload, UploadRecord, UploadWriter};
pub(crate) use writer::{ArchiveWriter, CompressedBlock, EntityEntry, NewEntry, WrittenEntry};
