//! One of the two backups of a comparison, opened for reading.

use bytes::Bytes;
use futures::TryStreamExt as _;
use sha2::{Digest, Sha256};

use crate::archive::{Block, BlockFault, EntityManifest, EntityStatus, Manifest, OpenArchive, read_blocks};
use crate::catalog::StoredBackup;
use crate::entity::EntityCodec;
use crate::environment::Environment;
use crate::environment::latest;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::lines::lines;

/// The number of blocks that are read concurrently.
const CONCURRENT_BLOCKS: usize = 4;

/// A backup whose records can be read.
pub(super) struct Side {
    pub(super) manifest: Manifest,
    open: OpenArchive,
}

/// The hashes and the key of a record, which are compared instead of the record itself.
pub(super) struct ComparedRecord {
    /// The hash of the key.
    pub(super) identity: [u8; 16],
    /// The hash of the content.
    pub(super) content: [u8; 16],
    /// The key as text for the report.
    pub(super) key: String,
}

impl Side {
    pub(super) async fn open(environment: &Environment, backup: StoredBackup<'_>) -> Result<Self> {
        let identities = environment.identities_for(&backup.manifest).await?;
        let backup = backup.opened(&identities).await?;
        backup.require_opened(&identities)?;
        let archive = backup.manifest.archive.as_ref().ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!(
                    "backup {} has no archive, because it failed; compare another backup",
                    backup.manifest.id
                ),
            )
        })?;
        let open = backup.open_archive(archive, &identities).await?;
        Ok(Self { manifest: backup.manifest, open })
    }

    /// Returns the entities and sets whose backup was completed.
    pub(super) fn entries(&self) -> impl Iterator<Item = &EntityManifest> {
        self.manifest.entities.iter().filter(|entity| entity.status == EntityStatus::Completed)
    }

    /// Returns the entities and sets whose backup failed.
    pub(super) fn failed_entries(&self) -> impl Iterator<Item = &EntityManifest> {
        self.manifest.entities.iter().filter(|entity| entity.status == EntityStatus::Failed)
    }

    /// Returns the entry of an entity and set of the other backup, which may contain the entity with another of its
    /// names.
    pub(super) fn counterpart(
        &self,
        environment: &Environment,
        other: &EntityManifest,
    ) -> Option<&EntityManifest> {
        let name = latest::current_name(environment, &other.entity);
        let is_same = |entity: &&EntityManifest| {
            entity.set == other.set && latest::current_name(environment, &entity.entity) == name
        };
        self.manifest
            .entity(&other.entity, &other.set)
            .or_else(|| self.manifest.entities.iter().find(is_same))
    }

    /// Returns why the records of an entity cannot be read, or `None` if they can.
    pub(super) fn lock_reason(&self, entry: &EntityManifest) -> Option<String> {
        self.open.require_decrypted(entry).err().map(|error| error.to_string())
    }

    /// Returns whether the record-set hashes prove that two entities contain the same records.
    pub(super) fn equals(&self, entry: &EntityManifest, other: &Self, other_entry: &EntityManifest) -> bool {
        let hash = |side: &Self, entry: &EntityManifest| {
            let file = entry.storage_file.as_deref()?;
            side.open.documents().hashes(entry, file).1
        };
        entry.item_count == other_entry.item_count
            && hash(self, entry).is_some_and(|own_hash| Some(own_hash) == hash(other, other_entry))
    }

    /// Reads the records of an entity that belong to a partition, and checks the content hash. `partition` is
    /// the index of the partition and the number of partitions. `on_block` receives the number of records of each
    /// block, including those of other partitions.
    pub(super) async fn records(
        &self,
        entry: &EntityManifest,
        codec: &EntityCodec,
        partition: (u64, u64),
        mut on_record: impl FnMut(ComparedRecord),
        mut on_block: impl FnMut(u64),
    ) -> Result<()> {
        let Some(file) = entry.storage_file.as_deref() else { return Ok(()) };
        let blocks = self.open.blocks(file)?;
        let codec = codec.clone();
        let open = move |index, _: Block, lines| decode_block(&codec, index, lines, partition);
        let opened = read_blocks(self.open.reader(), file, blocks, CONCURRENT_BLOCKS, open);
        let mut opened = std::pin::pin!(opened);
        let mut hasher = Sha256::new();
        while let Some(block) = opened.try_next().await? {
            let ComparedBlock { bytes, count, records } = block?;
            hasher.update(&bytes);
            records.into_iter().for_each(&mut on_record);
            on_block(count);
        }
        let (expected, _) = self.open.documents().hashes(entry, file);
        if expected != Some(&crate::foundation::digest::finish(hasher)) {
            return Err(self
                .open
                .reader()
                .damaged_entry_error(file, "its content does not have the hash in the manifest"));
        }
        Ok(())
    }
}

/// A decoded block.
struct ComparedBlock {
    bytes: Bytes,
    /// The number of its records.
    count: u64,
    /// Its records in the partition that is compared.
    records: Vec<ComparedRecord>,
}

fn decode_block(
    codec: &EntityCodec,
    index: usize,
    bytes: std::result::Result<Bytes, BlockFault>,
    (partition, partition_count): (u64, u64),
) -> Result<ComparedBlock> {
    let name = codec.name();
    let bytes = bytes
        .map_err(|fault| Error::new(ErrorKind::Corrupt, format!("`{name}`, block {index}: it {fault}")))?;
    let (mut count, mut records) = (0, Vec::new());
    for (number, line) in (0u64..).zip(lines(&bytes)) {
        let record = codec.decode(line).map_err(|error| {
            let text = format!("`{name}`, block {index}, record {number} cannot be decoded");
            Error::with_source(ErrorKind::Record, text, error)
        })?;
        count = number + 1;
        let identity = hash(&record.key(codec.schema()));
        if u64::from_be_bytes(leading_bytes(identity)) % partition_count == partition {
            records.push(ComparedRecord { identity, content: hash(&record), key: codec.record_key(&record) });
        }
    }
    Ok(ComparedBlock { bytes, count, records })
}

/// Hashes the `Debug` text of a decoded record or key.
fn hash(value: &impl std::fmt::Debug) -> [u8; 16] {
    leading_bytes(Sha256::digest(format!("{value:?}")).into())
}

fn leading_bytes<const M: usize, const N: usize>(bytes: [u8; M]) -> [u8; N] {
    std::array::from_fn(|index| bytes[index])
}
