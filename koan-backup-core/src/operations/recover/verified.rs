//! Verifies an archive by the manifest that it contains.

use std::sync::Arc;

use crate::archive::{ArchiveFile, ArchiveObject, hash_of, manifest_fits, manifest_path};
use crate::catalog::unlisted::{ArchiveCandidate, CompleteArchive};
use crate::catalog::{self, StoredBackup};
use crate::encryption::Identities;
use crate::environment::Environment;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::json::document;
use crate::operations::verify::{self, VerifyOptions};
use crate::storage::Storage;

/// The result of the verification of an unlisted archive.
pub(super) enum ArchiveVerification<'a> {
    /// Every hash, count and record is correct. The value is the backup to publish.
    Valid(Box<StoredBackup<'a>>),
    /// The bytes of the archive are correct, but the keys with these ids are needed to verify its records.
    NeedsKey(Vec<String>),
    /// The archive is damaged; the text describes the damage.
    Damaged(String),
}

/// Verifies an archive to which no manifest refers.
///
/// # Errors
/// The storage cannot be read, or the verification was cancelled.
pub(super) async fn verify<'a>(
    environment: &Environment,
    storage: &'a Storage,
    candidate: &ArchiveCandidate,
    found: &CompleteArchive,
    identities: &Arc<Identities>,
    options: &VerifyOptions,
) -> Result<ArchiveVerification<'a>> {
    match verify_found(environment, storage, candidate, found, identities, options).await {
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Incompatible) => {
            Ok(ArchiveVerification::Damaged(error.chain()))
        }
        verified => verified,
    }
}

async fn verify_found<'a>(
    environment: &Environment,
    storage: &'a Storage,
    candidate: &ArchiveCandidate,
    found: &CompleteArchive,
    identities: &Arc<Identities>,
    options: &VerifyOptions,
) -> Result<ArchiveVerification<'a>> {
    let file = candidate.path.to_string();
    let object = ArchiveObject::find(storage, &file).await?;
    let archive = ArchiveFile { file, size_bytes: object.stored_bytes(), sha256: hash_of(&object).await? };
    let serialization_error =
        |source| Error::with_source(ErrorKind::Internal, "a manifest could not be serialized", source);
    let mut published = match found.manifest.is_encrypted_as_a_whole() {
        true => serde_json::to_value(found.manifest.published()).map_err(serialization_error)?,
        false => found.inner.clone(),
    };
    published["archive"] = serde_json::to_value(&archive).map_err(serialization_error)?;
    let content = document(&published);
    if !manifest_fits(&content) {
        return Ok(ArchiveVerification::Damaged("its manifest exceeds what a reader accepts".to_owned()));
    }
    // Only a manifest that readers accept is published.
    let path = manifest_path(&found.manifest.id);
    let backup = catalog::parse(storage, path.as_ref(), &content)?;
    let opened = backup.clone().opened(identities).await?;
    let is_complete = opened.manifest.status.is_complete();
    let report = verify::run(environment, &opened, options, identities).await?;
    let report = if is_complete { report.require_valid()? } else { report.require_intact()? };
    if report.undecrypted.is_empty() {
        return Ok(ArchiveVerification::Valid(Box::new(backup)));
    }
    Ok(ArchiveVerification::NeedsKey(
        found.manifest.encryption.as_ref().map(|known| known.key_ids.clone()).unwrap_or_default(),
    ))
}
