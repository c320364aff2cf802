//! Verifies backups: every hash, count and record of an archive, in parallel.

mod blocks;
mod contents;
mod entity;
mod envelope;
mod locked;
mod report;
mod selected;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::archive::{BlockTable, EntityManifest, ProviderDocument, SchemaSnapshots, SealedDocument};
use crate::foundation::digest::RecordSetHash;
pub(crate) use blocks::read_blocks;
pub(crate) use contents::{hash_of, identities_for, open};
pub(crate) use envelope::{opened, require_opened};
pub(crate) use locked::Locked;
pub use report::{EntityVerification, Issue, VerifyReport};
pub(crate) use selected::Selected;

use crate::catalog::{self, StoredBackup};
use crate::encryption::Identities;
use crate::environment::Environment;
use crate::environment::event::Listener;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::identity::ApplicationIdentity;

/// How much of an archive is verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifyScope {
    /// Every byte.
    #[default]
    Everything,
    /// The directory, all documents, and some blocks of each entity. The blocks are spread evenly and include
    /// the first and the last.
    Sample {
        /// How many blocks of each entity are verified.
        blocks_per_entity: usize,
    },
}

/// The options of a verification.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct VerifyOptions {
    /// How much of the archive is verified.
    pub scope: VerifyScope,
    /// Which entities are verified.
    pub(crate) selected: Selected,
    /// How the records are checked, apart from their hashes.
    pub(crate) record_check: RecordCheck,
    /// The storage profile; the default profile if it is `None`.
    pub profile: Option<String>,
    /// The application among whose backups a name is looked up; this application if it is `None`.
    pub application: Option<ApplicationIdentity>,
    /// Cancels the verification.
    pub cancel: CancellationToken,
    /// Receives the events of the verification.
    pub listener: Listener,
}

/// How records are checked while they are verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RecordCheck {
    /// Each record decodes as its type.
    #[default]
    Decode,
    /// Each record decodes as its type, and the report says whether the type writes all of them unchanged. A
    /// restore then does not need to encode them again.
    RoundTrip,
}

/// The documents of an archive that a restore needs.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    pub(crate) blocks: BlockTable,
    pub(crate) providers: ProviderDocument,
    pub(crate) schemas: SchemaSnapshots,
    /// The hash of each entry as `checksums.json` has it.
    pub(crate) checksums: BTreeMap<String, String>,
    /// Hashes, blocks and physical form of the encrypted entries, as far as they were decrypted.
    pub(crate) sealed: SealedDocument,
    /// Why encrypted entries were not decrypted, if there are any.
    pub(crate) locked: Option<Locked>,
}

impl Documents {
    /// Returns the content hash that the lines of an entity must have, and the record-set hash of its
    /// records.
    pub(crate) fn hashes<'a>(
        &'a self,
        entity: &'a EntityManifest,
        file: &str,
    ) -> (Option<&'a String>, Option<RecordSetHash>) {
        match self.sealed.get(file) {
            Some(sealed) => (Some(&sealed.content_hash), Some(sealed.record_set_hash)),
            None => (entity.content_hash.as_ref(), entity.record_set_hash),
        }
    }

    /// Refuses an entity whose records were not decrypted.
    pub(crate) fn require_opened(&self, entity: &EntityManifest) -> Result<()> {
        match &self.locked {
            Some(locked) if entity.policy.encrypt => Err(locked.error(&format!("`{}`", entity.entity))),
            _ => Ok(()),
        }
    }
}

/// Verifies a backup and returns the issues in a report. Encrypted content is checked as far as the
/// identities decrypt it.
///
/// # Errors
/// The storage cannot be read, or the verification was cancelled. The state of the backup is unknown then.
pub(crate) async fn run(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    options: &VerifyOptions,
    identities: &Arc<Identities>,
) -> Result<VerifyReport> {
    let verified = Box::pin(contents::verify(environment, backup, options, identities));
    until_cancelled(&options.cancel, verified).await
}

/// Verifies a stored backup and returns a description of its damage, or `None` if it is valid.
///
/// # Errors
/// The storage cannot be read, or the verification was cancelled. The state of the backup is unknown then.
pub(crate) async fn problem(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    options: &VerifyOptions,
) -> Result<Option<String>> {
    let cancel = &options.cancel;
    let identities = until_cancelled(cancel, identities_for(environment, &backup.manifest)).await?;
    let verified = match until_cancelled(cancel, opened(backup.clone(), &identities)).await {
        Ok(backup) => {
            let report = run(environment, &backup, options, &identities).await?;
            // A backup in which some entities failed must still hold the others completely.
            match backup.manifest.status.is_complete() {
                true => report.require_valid(),
                false => report.require_intact(),
            }
        }
        Err(error) => Err(error),
    };
    match verified {
        Ok(_) => Ok(None),
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Incompatible) => {
            Ok(Some(error.chain()))
        }
        Err(error) => Err(error),
    }
}

/// The result of a verification that is recorded in the storage.
#[derive(Debug)]
pub(crate) struct RecordedVerification {
    /// A description of the damage, if there is any.
    pub(crate) problem: Option<String>,
    /// Whether the result could be recorded. The caller reports the problem in any case.
    pub(crate) kept: Result<()>,
}

/// Verifies a stored backup as [`problem`] does, and records the result, so that the catalog of every process
/// shows it.
///
/// # Errors
/// As for [`problem`]. Or the backup was removed or rekeyed meanwhile, which is no damage
/// ([`ErrorKind::Conflict`]).
pub(crate) async fn verify_and_record(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    options: &VerifyOptions,
) -> Result<RecordedVerification> {
    let problem = problem(environment, backup, options).await?;
    let (storage, id) = (backup.storage, backup.manifest.id);
    if problem.is_some() && catalog::published(storage, &id).await?.as_ref() != Some(&backup.published) {
        let text = format!("backup {id} was removed or changed while it was verified; try again");
        return Err(Error::new(ErrorKind::Conflict, text));
    }
    let kept = catalog::damage::record(storage, id, environment.clock.now(), problem.as_ref()).await;
    Ok(RecordedVerification { problem, kept })
}
