//! Rekeys one backup.

use std::sync::Arc;

use super::archive_rewriter::ArchiveRewriter;
use super::options::RekeyOptions;
use super::publish::{publish, remove_old};
use super::report::RekeyReport;
use crate::archive::{
    ArchiveFile, EncryptionScope, EntityManifest, EntityStatus, Manifest, discard_unpublished, rekeyed_path,
};
use crate::catalog::removal_record::RemovalRecord;
use crate::catalog::{RemovalReason, StoredBackup};
use crate::encryption::{Identities, Recipients};
use crate::environment::Environment;
use crate::environment::event::Listener;
use crate::environment::lease::{Lease, LeasedWork, Subject};
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::clock::new_backup_id;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::operations::verify::{self, VerifyOptions, VerifyReport};
use object_store::path::Path;

/// Rewrites a backup for the recipients of the context.
///
/// # Cancel safety
/// If the rekey fails, is cancelled or is dropped, the backup is unchanged.
pub(crate) async fn run(
    environment: &Environment,
    backup: StoredBackup<'_>,
    options: &RekeyOptions,
) -> Result<RekeyReport> {
    let (cancel, listener) = (&options.cancel, &environment.listener(&options.listener));
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
            "no recipients are configured for the rekey; set them with \
             `.encrypt_to(Recipients::keys([\"age1…\"])?)`",
        )
    })?;
    recipients.check()?;
    let mut report = RekeyReport::unchanged(manifest);
    report.warnings.extend(backup.notes(&environment.identity));
    let entries = encrypted_entries(manifest);
    let Some(archive) = &manifest.archive else { return Ok(report) };
    let scope = match manifest.is_encrypted_as_a_whole() {
        true => EncryptionScope::Archive,
        false if entries.is_empty() => return Ok(report),
        false => EncryptionScope::Entities,
    };
    let path = rekeyed_path(manifest, &new_backup_id(&environment.clock));
    let work = LeasedWork { backup: Some(manifest.id), archive: Some(path.to_string()) };
    let subject = Subject::Rekey(manifest.id);
    let lease = Lease::acquire(environment, backup.storage, subject, work, cancel).await?;
    let rekey = LeasedRekey {
        environment,
        backup,
        archive,
        identities,
        recipients,
        published,
        path,
        listener,
        lease: &lease,
    };
    let result = rekey.run(RekeyReport { scope: Some(scope), entries, ..report }).await;
    let result = result.map_err(|error| lease.explain(error, cancel));
    lease.release().await;
    result
}

/// The rekey of one backup while its lease is held, so that no other process rekeys it.
struct LeasedRekey<'a> {
    environment: &'a Environment,
    backup: &'a StoredBackup<'a>,
    archive: &'a ArchiveFile,
    identities: &'a Arc<Identities>,
    recipients: &'a Recipients,
    published: serde_json::Value,
    path: Path,
    listener: &'a Listener,
    lease: &'a Lease,
}

impl LeasedRekey<'_> {
    /// Writes the new archive, verifies it, publishes its manifest, and removes the old archive.
    async fn run(self, mut report: RekeyReport) -> Result<RekeyReport> {
        let Self { environment, backup, archive, identities, recipients, published, path, listener, lease } =
            self;
        let (manifest, cancel) = (&backup.manifest, &lease.stop_token());
        let open = until_cancelled(cancel, backup.open_archive(archive, identities)).await?;
        manifest.entities.iter().try_for_each(|entity| open.require_decrypted(entity))?;
        // A damaged archive must not be rewritten into an archive that appears to be valid.
        let verify_options =
            VerifyOptions { cancel: cancel.clone(), listener: listener.clone(), ..VerifyOptions::default() };
        let old = verify::run(environment, backup, &verify_options, identities).await?;
        let _: VerifyReport = require_intact(old, manifest)?;

        let rewriter = ArchiveRewriter { open: &open, manifest, recipients, listener };
        let rewritten = rewriter.write(backup.storage, &path, cancel).await?;
        let checked = async {
            let verification =
                verify_rewritten(environment, backup, &rewritten, identities, &verify_options).await?;
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
        if !verification.undecrypted.is_empty() {
            report.warnings.push(
                "no key of the new recipients is available, so the new archive was not decrypted again: its \
                 bytes were checked, and its lines were compared while they were encrypted"
                    .to_owned(),
            );
        }
        // From here on cancellation has no effect: a rewritten backup must not be reported as cancelled.
        let record = RemovalRecord {
            archive: archive.file.clone(),
            id: manifest.id,
            reason: RemovalReason::Rekeyed,
            replacement: Some(path.to_string()),
            decided_at: environment.clock.now(),
        };
        publish(lease, backup.storage, &published, &rewritten, &record, &path).await?;
        report.key_ids = recipients.key_ids();
        report.verification = Some(verification);
        if let Err(error) = remove_old(lease, environment, &rewritten, backup.storage, archive).await {
            report.old_archive = Some(archive.file.clone());
            report.warnings.push(format!(
                "the old archive `{}` still exists, and the old keys still decrypt it: {}; remove it",
                archive.file,
                error.chain()
            ));
        }
        Ok(report)
    }
}

/// Returns whether a key is needed to read the archive of a backup completely.
pub(crate) fn is_encrypted(manifest: &Manifest) -> bool {
    manifest.archive.is_some()
        && (manifest.is_encrypted_as_a_whole() || !encrypted_entries(manifest).is_empty())
}

/// Returns the encrypted entries of an archive.
fn encrypted_entries(manifest: &Manifest) -> Vec<String> {
    let encrypted =
        |entity: &&EntityManifest| entity.policy.encrypt && entity.status == EntityStatus::Completed;
    manifest.entities.iter().filter(encrypted).filter_map(|entity| entity.storage_file.clone()).collect()
}

/// Refuses a damaged archive. In a failed backup, the entities that were backed up must be intact.
fn require_intact(report: VerifyReport, manifest: &Manifest) -> Result<VerifyReport> {
    if manifest.status.is_complete() { report.require_valid() } else { report.require_intact() }
}

/// Verifies the new archive with the manifest that will be published.
async fn verify_rewritten(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    rewritten: &Manifest,
    identities: &Arc<Identities>,
    options: &VerifyOptions,
) -> Result<VerifyReport> {
    let manifest = rewritten.published();
    let published = serde_json::to_value(&manifest).map_err(|source| {
        Error::with_source(ErrorKind::Internal, "the new manifest could not be serialized", source)
    })?;
    let candidate = StoredBackup::new(backup.storage, manifest, published);
    let candidate = until_cancelled(&options.cancel, candidate.opened(identities)).await?;
    let report = verify::run(environment, &candidate, options, identities).await?;
    require_intact(report, rewritten)
}
