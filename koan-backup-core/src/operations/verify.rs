//! Verifying: every hash, count and record of an archive, in parallel.

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

/// How much is verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifyScope {
    /// Every byte.
    #[default]
    Everything,
    /// The directory, all documents, and of each entity so many blocks, spread evenly with the first and the last.
    Sample {
        /// Blocks of each entity.
        blocks_per_entity: usize,
    },
}

/// How a backup is verified.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct VerifyOptions {
    /// How much is verified.
    pub scope: VerifyScope,
    /// Of which entities.
    pub(crate) selected: Selected,
    /// What each record is compared with, besides its hashes.
    pub(crate) comparing: Comparing,
    /// The storage profile; the default one if none is named.
    pub profile: Option<String>,
    /// The application that made it, if a backup is looked up by name among those of another one.
    pub application: Option<ApplicationIdentity>,
    /// Cancels the verification.
    pub cancel: CancellationToken,
    /// Is told what happens.
    pub listener: Listener,
}

/// What records are compared with while they are verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Comparing {
    /// With nothing: they decode as their type.
    #[default]
    Nothing,
    /// With what their type writes again: whoever restores them need not ask it once more.
    WithType,
}

/// The documents of an archive that a restore needs.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    pub(crate) blocks: BlockTable,
    pub(crate) providers: ProviderDocument,
    pub(crate) schemas: SchemaSnapshots,
    /// The hash of each entry as `checksums.json` has it.
    pub(crate) checksums: BTreeMap<String, String>,
    /// What was sealed, by entry, as far as it was opened.
    pub(crate) sealed: SealedDocument,
    /// Why what is sealed was not opened, if something is.
    pub(crate) locked: Option<Locked>,
}

impl Documents {
    /// The hash that the lines of an entity must have, and that of its records.
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

    /// Refuses to go on with records that were not opened.
    pub(crate) fn require_opened(&self, entity: &EntityManifest) -> Result<()> {
        match &self.locked {
            Some(locked) if entity.policy.encrypt => Err(locked.error(&format!("`{}`", entity.entity))),
            _ => Ok(()),
        }
    }
}

/// Verifies a backup. What is wrong with it is in the report. Encrypted content is checked as far as the identities open it.
///
/// # Errors
/// The storage cannot be read, or the work was cancelled: nothing is known then.
pub(crate) async fn run(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    options: &VerifyOptions,
    identities: &Arc<Identities>,
) -> Result<VerifyReport> {
    let verified = Box::pin(contents::verify(environment, backup, options, identities));
    until_cancelled(&options.cancel, verified).await
}

/// What is wrong with a backup as it lies in its storage, if something is.
///
/// # Errors
/// The storage cannot be read, or the work was cancelled: nothing is known then.
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
            // A backup that failed in part must still hold whole what it holds.
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

/// What a verification found that is kept beside the backups.
#[derive(Debug)]
pub(crate) struct Examined {
    /// What is wrong, if something is.
    pub(crate) problem: Option<String>,
    /// Whether it could be kept. It is told in any case.
    pub(crate) kept: Result<()>,
}

/// As [`problem`], and the catalog tells of it from now on, in every process.
///
/// # Errors
/// As for [`problem`], or the backup was removed or sealed for others meanwhile, which is no damage ([`ErrorKind::Conflict`]).
pub(crate) async fn examine(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    options: &VerifyOptions,
) -> Result<Examined> {
    let problem = problem(environment, backup, options).await?;
    let (storage, id) = (backup.storage, backup.manifest.id);
    if problem.is_some() && catalog::published(storage, &id).await?.as_ref() != Some(&backup.published) {
        let text = format!("backup {id} was removed or changed while it was verified; try again");
        return Err(Error::new(ErrorKind::Conflict, text));
    }
    let kept = catalog::damage::keep(storage, id, environment.clock.now(), problem.as_ref()).await;
    Ok(Examined { problem, kept })
}
