//! Seals one backup for other recipients.

use std::sync::Arc;

use object_store::path::Path;
use tokio_util::sync::CancellationToken;

use super::archive_rewriter::ArchiveRewriter;
use super::publish::{publish, remove_old};
use super::report::RekeyReport;
use crate::archive::{
    ArchiveFile, EncryptionScope, EntityManifest, EntityStatus, Manifest, discard_unpublished, rekeyed_path,
};
use crate::catalog::removal_record::RemovalRecord;
use crate::catalog::{RemovalReason, StoredBackup};
use crate::encryption::{Identities, Recipients};
use crate::environment::Environment;
use crate::environment::lease::{Lease, LeasedWork, Subject};
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::clock::new_backup_id;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::operations::verify::{self, VerifyOptions, VerifyReport};

/// Seals a backup for the recipients of the context. If it fails, is cancelled or is dropped, the backup is
/// as it was.
pub(crate) async fn run(
    environment: &Environment,
    backup: StoredBackup<'_>,
    cancel: &CancellationToken,
) -> Result<RekeyReport> {
    let published = backup.published.clone();
    let opened = async {
        let identities = environment.identities_for(&backup.manifest).await?;
        Ok((backup.opened(&identities).await?, identities))
    };
    let (backup, identities) = &until_cancelled(cancel, opened).await?;
    backup.require_opened(identities)?;
    let manifest = &backup.manifest;
    let recipients = environment.recipients.as_ref().ok_or_else(|| {
        Error::new(
            ErrorKind::Encryption,
            "there are no recipients to seal for: name them with \
             `.encrypt_to(Recipients::keys([\"age1…\"])?)`",
        )
    })?;
    recipients.check()?;
    let mut report = RekeyReport::untouched(manifest);
    report.warnings.extend(backup.notes(&environment.identity));
    let entries = encrypted_entries(manifest);
    let Some(archive) = &manifest.archive else { return Ok(report) };
    let scope = match manifest.is_sealed() {
        true => EncryptionScope::Archive,
        false if entries.is_empty() => return Ok(report),
        false => EncryptionScope::Entities,
    };
    let path = rekeyed_path(manifest, &new_backup_id(&environment.clock));
    let work = LeasedWork { backup: Some(manifest.id), archive: Some(path.to_string()) };
    let subject = Subject::Rekey(manifest.id);
    let lease = Lease::acquire(environment, backup.storage, subject, work, cancel).await?;
    let sealing =
        Sealing { environment, backup, archive, identities, recipients, published, path, lease: &lease };
    let ended = sealing.run(RekeyReport { scope: Some(scope), entries, ..report }).await;
    let ended = ended.map_err(|error| lease.explain(error, cancel));
    lease.release().await;
    ended
}

/// A backup that is sealed under a lease: nobody else seals it meanwhile.
struct Sealing<'a> {
    environment: &'a Environment,
    backup: &'a StoredBackup<'a>,
    archive: &'a ArchiveFile,
    identities: &'a Arc<Identities>,
    recipients: &'a Recipients,
    published: serde_json::Value,
    path: Path,
    lease: &'a Lease,
}

impl Sealing<'_> {
    /// Writes the new archive, verifies it, and makes it count.
    async fn run(self, mut report: RekeyReport) -> Result<RekeyReport> {
        let Self { environment, backup, archive, identities, recipients, published, path, lease } = self;
        let (manifest, cancel) = (&backup.manifest, &lease.lost());
        let open = until_cancelled(cancel, backup.open_archive(archive, identities)).await?;
        manifest.entities.iter().try_for_each(|entity| open.require_unlocked(entity))?;
        // What is damaged must not be made to look whole.
        let old = verify::run(environment, backup, &verifying(cancel), identities).await?;
        let _: VerifyReport = require_sound(old, manifest)?;

        let rewriter = ArchiveRewriter { open: &open, manifest, recipients };
        let renewed = rewriter.write(backup.storage, &path, cancel).await?;
        let checked = async {
            let verification = check(environment, backup, &renewed, identities, cancel).await?;
            until_cancelled(cancel, lease.confirm()).await?;
            Ok(verification)
        };
        let verification = match checked.await {
            Ok(checked) => checked,
            Err(error) => {
                discard_unpublished(backup.storage, manifest.id, &path).await;
                return Err(error);
            }
        };
        if !verification.unopened.is_empty() {
            report.warnings.push(
                "there is no key of the new recipients here, so the new archive was not opened again: its \
                 bytes were checked, and its lines were compared while they were sealed"
                    .to_owned(),
            );
        }
        // From here on nothing is cancelled: a backup that was rewritten must not be called cancelled.
        let record = RemovalRecord {
            archive: archive.file.clone(),
            id: manifest.id,
            reason: RemovalReason::Rekeyed,
            replacement: Some(path.to_string()),
            decided_at: environment.clock.now(),
        };
        publish(lease, backup.storage, &published, &renewed, &record, &path).await?;
        report.key_ids = recipients.key_ids();
        report.verification = Some(verification);
        if let Err(error) = remove_old(lease, environment, &renewed, backup.storage, archive).await {
            report.old_archive = Some(archive.file.clone());
            report.warnings.push(format!(
                "the old archive `{}` is still there, and its keys still open it: {}; remove it",
                archive.file,
                error.chain()
            ));
        }
        Ok(report)
    }
}

/// The entries whose records are encrypted.
/// Whether keys are needed to read something in the archive of a backup.
pub(crate) fn is_encrypted(manifest: &Manifest) -> bool {
    manifest.archive.is_some() && (manifest.is_sealed() || !encrypted_entries(manifest).is_empty())
}

fn encrypted_entries(manifest: &Manifest) -> Vec<String> {
    let encrypted =
        |entity: &&EntityManifest| entity.policy.encrypt && entity.status == EntityStatus::Completed;
    manifest.entities.iter().filter(encrypted).filter_map(|entity| entity.storage_file.clone()).collect()
}

/// All of it, until it is cancelled.
fn verifying(cancel: &CancellationToken) -> VerifyOptions {
    VerifyOptions { cancel: cancel.clone(), ..VerifyOptions::default() }
}

/// Refuses an archive that is damaged; one that failed in part may be as it is.
fn require_sound(report: VerifyReport, manifest: &Manifest) -> Result<VerifyReport> {
    if manifest.status.is_complete() { report.require_valid() } else { report.require_intact() }
}

/// Verifies the new archive as it will be found.
async fn check(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    renewed: &Manifest,
    identities: &Arc<Identities>,
    cancel: &CancellationToken,
) -> Result<VerifyReport> {
    let manifest = renewed.published();
    let published = serde_json::to_value(&manifest).map_err(|source| {
        Error::with_source(ErrorKind::Internal, "the new manifest was not written", source)
    })?;
    let candidate = StoredBackup::new(backup.storage, manifest, published);
    let candidate = until_cancelled(cancel, candidate.opened(identities)).await?;
    let report = verify::run(environment, &candidate, &verifying(cancel), identities).await?;
    require_sound(report, renewed)
}
