//! Writes the data files and the description of one entity of an archive into a tree.

use std::path::{Path, PathBuf};

use futures::stream::TryStreamExt as _;
use tokio_util::sync::CancellationToken;

use super::created::CreatedPaths;
use super::files::{sync_directory, write_error, write_new};
use crate::archive::tree::{
    DataFileWriter, EncryptedFile, FileRecord, METADATA_FILE, SEALED_METADATA_FILE, SealedSet, SealedSets,
    TREE_FORMAT_VERSION, TreeEntity, TreeMetadata, TreePath, TreeProvider, TreeSet, WrittenDataFile,
    data_file,
};
use crate::archive::{EntityManifest, Manifest, OpenArchive, read_blocks};
use crate::encryption::Recipients;
use crate::environment::require_recipients;
use crate::foundation::blocking::blocking;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::json::document;

/// Writes the files of one entity.
pub(super) struct EntityWriter<'a> {
    pub(super) open: &'a OpenArchive,
    pub(super) manifest: &'a Manifest,
    /// The recipients of encrypted entities.
    pub(super) recipients: Option<&'a Recipients>,
    pub(super) created: &'a CreatedPaths,
    pub(super) cancel: &'a CancellationToken,
}

/// The files of one entity that were written.
pub(super) struct WrittenEntity {
    pub(super) entity: TreeEntity,
    pub(super) sets: Vec<TreeSet>,
}

impl EntityWriter<'_> {
    /// Writes one data file for each set, and then the description of all sets. `directory` exists and is empty
    /// except for its mark.
    pub(super) async fn write(
        &self,
        sets: &[&EntityManifest],
        path: &TreePath,
        directory: PathBuf,
    ) -> Result<WrittenEntity> {
        let Some(first) = sets.first() else {
            return Err(Error::new(ErrorKind::Internal, "an entity without sets was written into a tree"));
        };
        if sets.iter().any(|entity| entity.policy.encrypt != first.policy.encrypt) {
            let text = format!(
                "the sets of `{}` in backup {} differ in their encryption",
                first.entity, self.manifest.id
            );
            return Err(Error::new(ErrorKind::Corrupt, text).with_help("use another backup"));
        }
        let (mut tree_sets, mut sealed) = (Vec::with_capacity(sets.len()), SealedSets::new());
        for entity in sets {
            let (set, sealed_set) = self.write_set(entity, &directory).await?;
            sealed.extend(sealed_set.map(|sealed_set| (set.file.clone(), sealed_set)));
            tree_sets.push(set);
        }
        let mut metadata = self.metadata(first, &tree_sets)?;
        let (recipients, created) = (self.recipients_of(first)?, self.created.clone());
        let metadata_file = blocking("writes the directory tree", move || {
            if let Some(recipients) = recipients {
                let sealed = recipients.encrypt(&document(&sealed))?;
                metadata.sealed_metadata =
                    Some(create(&created, directory.join(SEALED_METADATA_FILE), &sealed)?);
            }
            let record = create(&created, directory.join(METADATA_FILE), &document(&metadata))?;
            sync_directory(&directory)?;
            Ok::<_, Error>(record)
        })
        .await??;
        let entity = TreeEntity {
            entity: first.entity.clone(),
            type_path: first.type_path.clone(),
            sets: sets.iter().map(|entity| entity.set.clone()).collect(),
            directory: path.clone(),
            metadata_file,
        };
        Ok(WrittenEntity { entity, sets: tree_sets })
    }

    /// Writes the data file of one set. Returns its description, and what must be encrypted of it.
    async fn write_set(
        &self,
        entity: &EntityManifest,
        directory: &Path,
    ) -> Result<(TreeSet, Option<SealedSet>)> {
        let file = data_file(&entity.set, EncryptedFile::of(entity.policy.encrypt));
        let written = self.write_records(entity, directory.join(&file)).await?;
        let physical = self.physical(entity);
        let set = TreeSet {
            set: entity.set.clone(),
            file,
            data_file: written.file,
            item_count: written.item_count,
            lines_bytes: written.lines_bytes,
            content_hash: None,
            record_set_hash: None,
            physical: None,
            duration_ms: entity.duration_ms,
        };
        let (content_hash, record_set_hash) = (written.content_hash, written.record_set_hash);
        if !entity.policy.encrypt {
            let (content_hash, record_set_hash) = (Some(content_hash), Some(record_set_hash));
            return Ok((TreeSet { content_hash, record_set_hash, physical, ..set }, None));
        }
        let physical = physical.map(|physical| serde_json::value::to_raw_value(&physical)).transpose();
        let physical = physical.map_err(|source| {
            Error::with_source(ErrorKind::Internal, "a physical form could not be serialized", source)
        })?;
        Ok((set, Some(SealedSet { content_hash, record_set_hash, physical })))
    }

    /// Returns the recipients for which an entity is encrypted, or `None` if it is not encrypted.
    ///
    /// # Errors
    /// The entity must be encrypted, but there are no recipients.
    fn recipients_of(&self, entity: &EntityManifest) -> Result<Option<Recipients>> {
        require_recipients(self.recipients, std::iter::once((entity.entity.as_str(), entity.policy)))?;
        Ok(self.recipients.filter(|_| entity.policy.encrypt).cloned())
    }

    /// Writes the records of one set, and checks that they are those of the archive.
    async fn write_records(&self, entity: &EntityManifest, path: PathBuf) -> Result<WrittenDataFile> {
        let reader = self.open.reader();
        let file = entity.storage_file.as_deref().unwrap_or_default();
        self.open.require_decrypted(entity)?;
        let blocks = self.open.blocks(file)?;
        let (recipients, created) = (self.recipients_of(entity)?, self.created.clone());
        let shown = path.clone();
        let with_path = |error: Error| {
            error.context(format!("the directory tree was not written: `{}`", shown.display()))
        };
        let begun = blocking("writes the directory tree", move || {
            let file = created.file(&path).map_err(|source| write_error(&path, source))?;
            DataFileWriter::begin(file, recipients.as_ref())
        });
        let mut data = begun.await?.map_err(with_path)?;
        let opened = read_blocks(reader, file, blocks, usize::MAX, |_, _, lines| lines);
        let mut opened = std::pin::pin!(opened);
        while let Some(lines) = until_cancelled(self.cancel, opened.try_next()).await? {
            let lines = lines.map_err(|fault| reader.damaged_entry_error(file, &fault.to_string()))?;
            let written = blocking("writes the directory tree", move || data.write(&lines).map(|()| data));
            data = written.await?.map_err(with_path)?;
        }
        let written =
            blocking("writes the directory tree", move || data.finish()).await?.map_err(with_path)?;
        if !until_cancelled(self.cancel, reader.tail_is_intact(file)).await? {
            return Err(reader.damaged_entry_error(file, "the end of its stream is damaged"));
        }
        let (content_hash, record_set_hash) = self.open.documents().hashes(entity, file);
        let is_same = content_hash == Some(&written.content_hash)
            && record_set_hash == Some(written.record_set_hash)
            && entity.item_count == written.item_count
            && entity.size_bytes == written.lines_bytes;
        match is_same {
            true => Ok(written),
            false => {
                Err(reader
                    .damaged_entry_error(file, "its records differ from those that the manifest describes"))
            }
        }
    }

    /// Returns the physical form in which an entity was read.
    fn physical(&self, entity: &EntityManifest) -> Option<serde_json::Value> {
        let providers = &self.open.documents().providers;
        providers.get(&entity.provider)?.physical.get(entity.storage_file.as_deref()?).cloned()
    }

    fn metadata(&self, first: &EntityManifest, sets: &[TreeSet]) -> Result<TreeMetadata> {
        let documents = self.open.documents();
        let provider = documents.providers.get(&first.provider).ok_or_else(|| {
            let text =
                format!("backup {} does not describe the provider of `{}`", self.manifest.id, first.entity);
            Error::new(ErrorKind::Corrupt, text).with_help("use another backup")
        })?;
        Ok(TreeMetadata {
            format_version: TREE_FORMAT_VERSION,
            backup_id: self.manifest.id,
            entity: first.entity.clone(),
            type_path: first.type_path.clone(),
            key_type: first.key_type.clone(),
            policy: first.policy,
            provider: TreeProvider {
                name: first.provider.clone(),
                kind: provider.kind.clone(),
                version: provider.version.clone(),
                source: provider.source.clone(),
                consistency: provider.consistency,
            },
            schema_fingerprint: first.schema_fingerprint.clone(),
            schema: documents.schemas.get(&first.entity).cloned(),
            sets: sets.to_vec(),
            sealed_metadata: None,
            stream: first.stream.clone(),
        })
    }
}

fn create(created: &CreatedPaths, path: PathBuf, content: &[u8]) -> Result<FileRecord> {
    let file = created.file(&path).map_err(|source| write_error(&path, source))?;
    write_new(file, &path, content)
}
