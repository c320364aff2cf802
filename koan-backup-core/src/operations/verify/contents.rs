//! Verifies an archive: its manifest, directory and documents, and then every entry of records.

use std::sync::Arc;

use super::entity::VerifyEntity;
use super::options::{VerifyOptions, VerifyScope};
use super::report::{Issue, VerifyReport};
use crate::archive::{
    ArchiveFile, ArchiveObject, EntityManifest, EntityStatus, MissingKey, hash_of, size_fault,
};
use crate::catalog::StoredBackup;
use crate::encryption::{Identities, is_encrypted};
use crate::environment::Environment;
use crate::environment::event::Event;
use crate::foundation::error::{Error, ErrorKind, Result};

pub(super) async fn verify(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    options: &VerifyOptions,
    identities: &Arc<Identities>,
) -> Result<VerifyReport> {
    let mut report = VerifyReport::new(backup.manifest.id, options.scope);
    if !backup.manifest.status.is_complete() {
        let reason =
            backup.manifest.error.clone().unwrap_or_else(|| "some of its entities are missing".to_owned());
        report.add(Issue::for_file("manifest.json", format!("the backup failed: {reason}")));
    }
    if backup.manifest.status.is_complete() {
        for entity in
            backup.manifest.entities.iter().filter(|entity| entity.status != EntityStatus::Completed)
        {
            report.add(Issue::for_entity(
                &entity.entity,
                "manifest.json",
                "the entity failed, but the status of the backup is complete",
            ));
        }
    }
    let Some(archive) = &backup.manifest.archive else {
        if report.is_valid() {
            report.add(Issue::for_file("manifest.json", "it contains no archive"));
        }
        return Ok(report);
    };
    if backup.manifest.is_encrypted_as_a_whole() && !backup.is_decrypted {
        if let Err(error) = verify_encrypted(backup, archive, identities, &mut report).await {
            report.add(Issue::for_file(&archive.file, damage_text(error)?));
        }
        return Ok(report);
    }
    let open = match backup.open_archive(archive, identities).await {
        Ok(opened) => opened,
        Err(error) => {
            report.add(Issue::for_file(&archive.file, damage_text(error)?));
            return Ok(report);
        }
    };
    options.selected.check(&backup.manifest)?;
    if !options.selected.is_all() {
        report.notes.push("the rest of the archive was not read".to_owned());
    } else if options.scope == VerifyScope::Everything
        && hash_of(open.reader().object()).await? != archive.sha256
    {
        report.add(Issue::for_file(&archive.file, "the hash of its bytes differs from the manifest"));
    }
    if environment.entities.is_empty() {
        let note = "this program knows no types: the bytes were checked, but the records were not decoded";
        report.notes.push(note.to_owned());
    }
    let completed = |entity: &&EntityManifest| entity.status == EntityStatus::Completed;
    let selected = |entity: &&EntityManifest| options.selected.includes(entity);
    for entity in backup.manifest.entities.iter().filter(completed).filter(selected) {
        let Some(file) = &entity.storage_file else {
            report.add(Issue::for_entity(
                &entity.entity,
                "manifest.json",
                "it contains no file for the entity",
            ));
            continue;
        };
        let known = environment.entity(&entity.entity);
        if let (Some(missing_key), true) = (&open.documents().missing_key, entity.policy.encrypt) {
            report.undecrypted.push(entity.entity.clone());
            report.notes.push(missing_key.note(&format!("`{}`", entity.entity)));
        } else if known.is_none() && !environment.entities.is_empty() {
            report.notes.push(format!(
                "`{}` is unknown to this application: its bytes were checked, but its records were not \
                 decoded",
                entity.entity
            ));
        }
        options.listener.emit(|| Event::VerificationStarted {
            entity: entity.entity.clone(),
            set: entity.set.clone(),
            records: entity.item_count,
        });
        let verified = VerifyEntity {
            archive: &open,
            entity,
            file,
            codec: known.map(|known| &known.codec),
            listener: &options.listener,
        };
        let mut issues = Vec::new();
        match verified.verify(options.scope, &mut issues).await {
            Ok(verification) => report.entities.push(verification),
            Err(error) => issues.push(Issue::for_entity(&entity.entity, file, damage_text(error)?)),
        }
        issues.into_iter().for_each(|issue| report.add(issue));
    }
    Ok(report)
}

/// Verifies an archive that is encrypted as a whole and cannot be decrypted: its size and the hash of its
/// bytes.
async fn verify_encrypted(
    backup: &StoredBackup<'_>,
    archive: &ArchiveFile,
    identities: &Identities,
    report: &mut VerifyReport,
) -> Result<()> {
    let object = ArchiveObject::find(backup.storage, &archive.file).await?;
    if let Some(fault) = size_fault(&object, archive) {
        report.add(Issue::for_file(&archive.file, fault));
    } else if !is_encrypted(&object.stored(0..object.stored_bytes().min(64)).await?) {
        report.add(Issue::for_file(&archive.file, "it must be encrypted, but it is not"));
    } else if hash_of(&object).await? != archive.sha256 {
        report.add(Issue::for_file(&archive.file, "the hash of its bytes differs from the manifest"));
    }
    report.undecrypted.push("the archive".to_owned());
    report.notes.push(MissingKey::new(backup.manifest.encryption.as_ref(), identities).note("the archive"));
    Ok(())
}

/// Returns the text of an error that means that the backup is damaged. Any other error is returned as an
/// error.
fn damage_text(error: Error) -> Result<String> {
    match error.kind() {
        ErrorKind::Corrupt | ErrorKind::Incompatible => Ok(error.chain()),
        _ => Err(error),
    }
}
