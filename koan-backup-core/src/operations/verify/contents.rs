//! Verifies an archive: its manifest, directory and documents, and then every entry of records.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::entity::VerifyEntity;
use super::locked::{Locked, sealed_entities, sealing_fault, unlock};
use super::report::{Issue, VerifyReport};
use super::{Documents, VerifyOptions, VerifyScope};
use crate::archive::{
    ArchiveFile, ArchiveObject, ArchiveReader, Checksums, EntityManifest, EntityStatus, Manifest, entry,
};
use crate::catalog::StoredBackup;
use crate::encryption::{Identities, is_sealed};
use crate::environment::Environment;
use crate::foundation::error::{Error, ErrorKind, Result};

/// How many bytes of the archive are read and hashed at once.
const HASH_STEP_BYTES: u64 = 4 << 20;

pub(super) async fn verify(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    options: &VerifyOptions,
    identities: &Arc<Identities>,
) -> Result<VerifyReport> {
    let mut report = VerifyReport::new(backup.manifest.id, options.scope);
    if !backup.manifest.status.is_complete() {
        let why =
            backup.manifest.error.clone().unwrap_or_else(|| "some of its entities are missing".to_owned());
        report.add(Issue::of_file("manifest.json", format!("the backup failed: {why}")));
    }
    if backup.manifest.status.is_complete() {
        for entity in
            backup.manifest.entities.iter().filter(|entity| entity.status != EntityStatus::Completed)
        {
            report.add(Issue::of_entity(
                &entity.entity,
                "manifest.json",
                "it failed, but the status of the backup is complete",
            ));
        }
    }
    let Some(archive) = &backup.manifest.archive else {
        if report.is_valid() {
            report.add(Issue::of_file("manifest.json", "it names no archive"));
        }
        return Ok(report);
    };
    if backup.manifest.is_sealed() && !backup.is_opened {
        if let Err(error) = verify_sealed(backup, archive, identities, &mut report).await {
            report.add(Issue::of_file(&archive.file, damage(error)?));
        }
        return Ok(report);
    }
    let (reader, documents) = match open(backup, archive, identities).await {
        Ok(opened) => opened,
        Err(error) => {
            report.add(Issue::of_file(&archive.file, damage(error)?));
            return Ok(report);
        }
    };
    options.selected.check(&backup.manifest)?;
    if !options.selected.is_all() {
        report.notes.push("the rest of the archive was not read".to_owned());
    } else if options.scope == VerifyScope::Everything && hash_of(reader.object()).await? != archive.sha256 {
        report.add(Issue::of_file(&archive.file, "its bytes have another hash than the manifest says"));
    }
    let completed = |entity: &&EntityManifest| entity.status == EntityStatus::Completed;
    let selected = |entity: &&EntityManifest| options.selected.includes(entity);
    for entity in backup.manifest.entities.iter().filter(completed).filter(selected) {
        let Some(file) = &entity.storage_file else {
            report.add(Issue::of_entity(&entity.entity, "manifest.json", "it names no file"));
            continue;
        };
        let known = environment.entity(&entity.entity);
        if let (Some(locked), true) = (&documents.locked, entity.policy.encrypt) {
            report.unopened.push(entity.entity.clone());
            report.notes.push(locked.note(&format!("`{}`", entity.entity)));
        } else if known.is_none() {
            report.notes.push(format!(
                "`{}` is unknown to this application: its bytes were checked, but its records were not \
                 decoded",
                entity.entity
            ));
        }
        let verified = VerifyEntity {
            reader: &reader,
            documents: &documents,
            entity,
            file,
            codec: known.map(|known| &known.codec),
            record_check: options.record_check,
            listener: &options.listener,
        };
        let mut issues = Vec::new();
        match verified.verify(options.scope, &mut issues).await {
            Ok(verification) => report.entities.push(verification),
            Err(error) => issues.push(Issue::of_entity(&entity.entity, file, damage(error)?)),
        }
        issues.into_iter().for_each(|issue| report.add(issue));
    }
    Ok(report)
}

/// Opens an archive and checks everything in it except the records.
///
/// # Errors
/// [`ErrorKind::Corrupt`] or [`ErrorKind::Incompatible`] if it is damaged; another kind if it cannot be read.
pub(crate) async fn open(
    backup: &StoredBackup<'_>,
    archive: &ArchiveFile,
    identities: &Arc<Identities>,
) -> Result<(ArchiveReader, Documents)> {
    let object = ArchiveObject::find(backup.storage, &archive.file).await?;
    let damaged = |what: String| {
        Error::new(
            ErrorKind::Corrupt,
            format!("archive `{}` is damaged: {what}; restore from another backup", archive.file),
        )
    };
    if let Some(fault) = size_fault(&object, archive) {
        return Err(damaged(fault));
    }
    let object = match backup.manifest.is_sealed() {
        true => {
            object.unsealed(identities).await?.ok_or_else(|| damaged("it cannot be decrypted".to_owned()))?
        }
        false => object,
    };
    let mut reader = ArchiveReader::open(object).await?;
    let inner: serde_json::Value = reader.json(entry::MANIFEST).await?;
    if !same_manifest(&inner, &backup.published) {
        return Err(damaged("the published manifest differs from the one in the archive".to_owned()));
    }
    let Checksums(checksums) = reader.json(entry::CHECKSUMS).await?;
    if backup.manifest.verification.overall_checksum.as_ref() != Some(&Checksums(checksums.clone()).overall())
    {
        return Err(damaged("its checksums differ from those in the manifest".to_owned()));
    }
    let listed: BTreeSet<_> = checksums.keys().map(String::as_str).collect();
    let present: BTreeSet<_> =
        reader.names().filter(|name| ![entry::CHECKSUMS, entry::MANIFEST].contains(name)).collect();
    if let Some(odd) = listed.symmetric_difference(&present).next() {
        return Err(damaged(format!("entry `{odd}` is missing or was added")));
    }
    for (name, hash) in &checksums {
        if name.starts_with("entities/") {
            continue;
        }
        if &crate::foundation::digest::sha256(&reader.document(name).await?) != hash {
            return Err(damaged(format!("entry `{name}` has another hash than its checksums say")));
        }
    }
    let mut documents = Documents {
        blocks: reader.json(entry::BLOCKS).await?,
        providers: reader.json(entry::PROVIDER_INFO).await?,
        schemas: reader.json(entry::SCHEMA_SNAPSHOTS).await?,
        checksums,
        ..Documents::default()
    };
    entities_match(&reader, backup).map_err(damaged)?;
    sums_match(backup).map_err(damaged)?;
    if let Some(fault) = sealing_fault(&reader, &backup.manifest).await? {
        return Err(damaged(fault));
    }
    unlock(&mut reader, &mut documents, &backup.manifest, identities).await?;
    Ok((reader, documents))
}

/// Verifies an archive that is encrypted as a whole and cannot be decrypted: its size and the hash of its
/// bytes.
async fn verify_sealed(
    backup: &StoredBackup<'_>,
    archive: &ArchiveFile,
    identities: &Identities,
    report: &mut VerifyReport,
) -> Result<()> {
    let object = ArchiveObject::find(backup.storage, &archive.file).await?;
    if let Some(fault) = size_fault(&object, archive) {
        report.add(Issue::of_file(&archive.file, fault));
    } else if !is_sealed(&object.stored(0..object.stored_bytes().min(64)).await?) {
        report.add(Issue::of_file(&archive.file, "it must be encrypted, but it is not"));
    } else if hash_of(&object).await? != archive.sha256 {
        report.add(Issue::of_file(&archive.file, "its bytes have another hash than the manifest says"));
    }
    report.unopened.push("the archive".to_owned());
    report.notes.push(Locked::new(backup.manifest.encryption.as_ref(), identities).note("the archive"));
    Ok(())
}

fn size_fault(object: &ArchiveObject, archive: &ArchiveFile) -> Option<String> {
    let (found, expected) = (object.stored_bytes(), archive.size_bytes);
    (found != expected).then(|| format!("it has {found} bytes, but the manifest says {expected}"))
}

/// Returns the identities with which a backup may be decrypted. The key sources are not asked if nothing is
/// encrypted.
pub(crate) async fn identities_for(
    environment: &Environment,
    manifest: &Manifest,
) -> Result<Arc<Identities>> {
    let needed = manifest.is_sealed() || sealed_entities(manifest).next().is_some();
    Ok(Arc::new(if needed { environment.identities().await? } else { Identities::default() }))
}

/// Returns the text of an error that means damage. Any other error is returned as an error.
fn damage(error: Error) -> Result<String> {
    match error.kind() {
        ErrorKind::Corrupt | ErrorKind::Incompatible => Ok(error.chain()),
        _ => Err(error),
    }
}

/// Returns whether two manifests differ only in `archive`, which is null in the manifest inside the archive.
fn same_manifest(inner: &serde_json::Value, published: &serde_json::Value) -> bool {
    let (Some(inner), Some(published)) = (inner.as_object(), published.as_object()) else { return false };
    let same = |(name, value): (&String, &serde_json::Value)| match name.as_str() {
        "archive" => value.is_null(),
        name => published.get(name) == Some(value),
    };
    inner.contains_key("archive") && inner.keys().eq(published.keys()) && inner.iter().all(same)
}

/// Checks that each entry of records belongs to exactly one completed entity, and that each of these has its
/// entry.
fn entities_match(reader: &ArchiveReader, backup: &StoredBackup<'_>) -> std::result::Result<(), String> {
    let mut files = BTreeMap::new();
    for entity in backup.manifest.entities.iter().filter(|entity| entity.status == EntityStatus::Completed) {
        let Some(file) = entity.storage_file.as_deref() else {
            return Err(format!("its manifest names no file for `{}`", entity.entity));
        };
        if !reader.contains(file) {
            return Err(format!("entry `{file}` is missing"));
        }
        if files.insert(file, &entity.entity).is_some() {
            return Err(format!("entry `{file}` is named by two entities"));
        }
    }
    match reader.names().find(|name| name.starts_with("entities/") && !files.contains_key(name)) {
        Some(stray) => Err(format!("entry `{stray}` belongs to no entity")),
        None => Ok(()),
    }
}

/// Checks that the sums in the manifest are those of its entities.
fn sums_match(backup: &StoredBackup<'_>) -> std::result::Result<(), String> {
    let (entities, sums) = (&backup.manifest.entities, &backup.manifest.verification);
    let items = entities.iter().try_fold(0u64, |sum, entity| sum.checked_add(entity.item_count));
    let bytes = entities.iter().try_fold(0u64, |sum, entity| sum.checked_add(entity.size_bytes));
    if items == Some(sums.total_item_count) && bytes == Some(sums.total_size_bytes) {
        Ok(())
    } else {
        Err("the sums in its manifest differ from those of its entities".to_owned())
    }
}

/// Returns the hash of all stored bytes of an archive.
pub(crate) async fn hash_of(object: &ArchiveObject) -> Result<String> {
    hash_in_steps(0..object.stored_bytes(), |range| object.stored(range)).await
}

/// Returns the hash of a range, which is read in steps.
pub(super) async fn hash_in_steps<F: Future<Output = Result<Bytes>>>(
    range: Range<u64>,
    read: impl Fn(Range<u64>) -> F,
) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut offset = range.start;
    while offset < range.end {
        let end = range.end.min(offset.saturating_add(HASH_STEP_BYTES));
        hasher = crate::foundation::digest::updated(hasher, read(offset..end).await?).await?;
        offset = end;
    }
    Ok(crate::foundation::digest::finish(hasher))
}
