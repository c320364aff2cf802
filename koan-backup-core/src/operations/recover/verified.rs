//! Verifying an archive by its own manifest alone.

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

/// What a verification found.
pub(super) enum Verified<'a> {
    /// Every hash, count and record is right: the backup as it is to be published.
    Whole(Box<StoredBackup<'a>>),
    /// Its bytes are right, and a key is missing that opens its records.
    Locked(Vec<String>),
    /// What is wrong.
    Damaged(String),
}

/// Verifies an archive that no manifest names.
///
/// # Errors
/// The storage cannot be read, or the work was cancelled.
pub(super) async fn verify<'a>(
    environment: &Environment,
    storage: &'a Storage,
    candidate: &ArchiveCandidate,
    found: &CompleteArchive,
    identities: &Arc<Identities>,
    options: &VerifyOptions,
) -> Result<Verified<'a>> {
    match verify_found(environment, storage, candidate, found, identities, options).await {
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Incompatible) => {
            Ok(Verified::Damaged(error.chain()))
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
) -> Result<Verified<'a>> {
    let file = candidate.path.to_string();
    let object = ArchiveObject::find(storage, &file).await?;
    let archive = ArchiveFile { file, size_bytes: object.stored_bytes(), sha256: hash_of(&object).await? };
    let odd = |source| Error::with_source(ErrorKind::Internal, "a manifest was not written", source);
    let mut published = match found.manifest.is_sealed() {
        true => serde_json::to_value(found.manifest.published()).map_err(odd)?,
        false => found.inner.clone(),
    };
    published["archive"] = serde_json::to_value(&archive).map_err(odd)?;
    let content = document(&published);
    if !manifest_fits(&content) {
        return Ok(Verified::Damaged("its manifest is larger than any that is read".to_owned()));
    }
    // What readers will take, and nothing else, is published.
    let path = manifest_path(&found.manifest.id);
    let backup = catalog::parse(storage, path.as_ref(), &content)?;
    let opened = backup.clone().opened(identities).await?;
    let is_complete = opened.manifest.status.is_complete();
    let report = verify::run(environment, &opened, options, identities).await?;
    let report = if is_complete { report.require_valid()? } else { report.require_intact()? };
    if report.unopened.is_empty() {
        return Ok(Verified::Whole(Box::new(backup)));
    }
    Ok(Verified::Locked(
        found.manifest.encryption.as_ref().map(|known| known.key_ids.clone()).unwrap_or_default(),
    ))
}
