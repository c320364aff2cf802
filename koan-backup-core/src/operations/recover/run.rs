//! Publishes the manifests of unlisted archives again.

use object_store::path::Path;
use tokio_util::sync::CancellationToken;

use super::judgement::{ArchiveClass, ArchiveClassifier};
use super::report::{ArchiveRecovery, RecoveryOutcome, RecoveryReport};
use super::verified::ArchiveVerification;
use crate::archive::{MAX_MANIFEST_BYTES, manifest_path};
use crate::catalog::unlisted::{ArchiveCandidate, CompleteArchive};
use crate::catalog::{self, StoredBackup, UnlistedArchive, UnlistedState, removal_record};
use crate::environment::Environment;
use crate::environment::lease::{Lease, LeasedWork, Subject};
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::foundation::json::document;
use crate::operations::prune::Survey;
use crate::storage::Storage;

/// The options of a recovery.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecoverOptions {
    /// The storage profiles; an empty list selects all profiles.
    pub(crate) profiles: Vec<String>,
    pub(crate) cancel: CancellationToken,
}

/// Recovers the unlisted archives of the profiles. If the recovery of an archive fails, the remaining
/// archives are still recovered.
///
/// # Errors
/// A profile does not exist, its storage cannot be listed, another process removes backups there, or the
/// recovery was cancelled.
pub(crate) async fn run(environment: &Environment, options: &RecoverOptions) -> Result<RecoveryReport> {
    for name in &options.profiles {
        environment.storage(Some(name))?;
    }
    let mut report = RecoveryReport::default();
    for (name, storage) in &environment.storages {
        if options.profiles.is_empty() || options.profiles.contains(name) {
            // With this lease, no other process removes backups or recovers archives meanwhile.
            let cancel = &options.cancel;
            let lease =
                Lease::acquire(environment, storage, Subject::Prune, LeasedWork::default(), cancel).await?;
            let recovered = recover_profile(&lease, environment, name, storage, &mut report).await;
            let recovered = recovered.map_err(|error| lease.explain(error, cancel));
            lease.release().await;
            recovered?;
        }
    }
    Ok(report)
}

async fn recover_profile(
    lease: &Lease,
    environment: &Environment,
    name: &str,
    storage: &Storage,
    report: &mut RecoveryReport,
) -> Result<()> {
    let cancel = lease.stop_token();
    // A published manifest is added to the survey, because further archives of the same backup are compared
    // with it.
    let mut survey = until_cancelled(&cancel, Survey::take(storage, &environment.clock)).await?;
    let listed: std::collections::BTreeSet<_> =
        survey.listed_archives().into_iter().map(str::to_owned).collect();
    let mut candidates = survey.archives.clone();
    candidates.retain(|candidate| !listed.contains(candidate.path.as_ref()));
    candidates.sort_by(|one, other| (other.modified, &one.path).cmp(&(one.modified, &other.path)));
    for candidate in candidates {
        let recovered = recover_archive(lease, environment, storage, &survey, &candidate, &cancel).await;
        let (id, outcome, published) = match recovered {
            Ok(None) => continue,
            Ok(Some(recovered)) => recovered,
            Err(error)
                if cancel.is_cancelled()
                    || matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Busy) =>
            {
                return Err(error);
            }
            Err(error) => (None, RecoveryOutcome::Failed { problem: error.chain() }, None),
        };
        if let Some(published) = published {
            tracing::info!(
                target: "koan::backup", backup = %published.manifest.id, archive = %candidate.path,
                "the manifest of an unlisted archive was published again"
            );
            survey.unreadable.retain(|manifest| manifest.id != published.manifest.id);
            survey.backups.insert(0, *published);
        }
        let archive = candidate.path.to_string();
        report.archives.push(ArchiveRecovery { profile: name.to_owned(), archive, id, outcome });
    }
    Ok(())
}

type ArchiveOutcome<'a> = (Option<BackupId>, RecoveryOutcome, Option<Box<StoredBackup<'a>>>);

/// Recovers one archive. Returns `None` if the file is not an archive of this library, or no longer exists.
async fn recover_archive<'a>(
    lease: &Lease,
    environment: &Environment,
    storage: &'a Storage,
    survey: &Survey<'a>,
    candidate: &ArchiveCandidate,
    cancel: &CancellationToken,
) -> Result<Option<ArchiveOutcome<'a>>> {
    let classifier = ArchiveClassifier::new(environment, storage, survey, cancel).await?;
    let class = until_cancelled(cancel, classifier.classify(candidate)).await?;
    let (UnlistedArchive { id, state, .. }, found) = match class {
        ArchiveClass::Gone | ArchiveClass::Foreign => return Ok(None),
        ArchiveClass::InUse => return Ok(Some((None, RecoveryOutcome::InUse, None))),
        ArchiveClass::Incomplete => return Ok(Some((None, RecoveryOutcome::Incomplete, None))),
        ArchiveClass::ToBeRemoved(record) => {
            let outcome = RecoveryOutcome::ToBeRemoved { reason: record.reason };
            return Ok(Some((Some(record.id), outcome, None)));
        }
        ArchiveClass::Superseded { id, current_archive } => {
            let outcome = RecoveryOutcome::Superseded { by: current_archive };
            return Ok(Some((Some(id), outcome, None)));
        }
        ArchiveClass::Unlisted(archive, found) => (archive, found),
    };
    let outcome = match (state, found) {
        (UnlistedState::Complete, Some(found)) => {
            return publish_verified(lease, storage, survey, &classifier, candidate, &found, cancel)
                .await
                .map(Some);
        }
        (UnlistedState::Damaged { problem }, _) => RecoveryOutcome::Damaged { problem },
        (UnlistedState::Complete | UnlistedState::Encrypted, _) => {
            RecoveryOutcome::NeedsKey { key_ids: Vec::new() }
        }
    };
    Ok(Some((id, outcome, None)))
}

async fn publish_verified<'a>(
    lease: &Lease,
    storage: &'a Storage,
    survey: &Survey<'a>,
    classifier: &ArchiveClassifier<'_, 'a>,
    candidate: &ArchiveCandidate,
    found: &CompleteArchive,
    cancel: &CancellationToken,
) -> Result<ArchiveOutcome<'a>> {
    let id = Some(found.manifest.id);
    if let Some(listed) = survey.backups.iter().find(|backup| Some(backup.manifest.id) == id) {
        let archive = listed.manifest.archive.as_ref().map_or("none", |archive| archive.file.as_str());
        let problem = format!(
            "the backup is already listed with archive `{archive}`, which is not valid; move `{}` to \
             another folder and recover again",
            manifest_path(&found.manifest.id)
        );
        return Ok((id, RecoveryOutcome::Failed { problem }, None));
    }
    let backup = match until_cancelled(cancel, classifier.verify_archive(candidate, found)).await? {
        ArchiveVerification::Damaged(problem) => return Ok((id, RecoveryOutcome::Damaged { problem }, None)),
        ArchiveVerification::NeedsKey(key_ids) => {
            return Ok((id, RecoveryOutcome::NeedsKey { key_ids }, None));
        }
        ArchiveVerification::Valid(backup) => backup,
    };
    // From here on cancellation has no effect. While the damaged manifest exists, the removal record is
    // not effective. It is withdrawn before the manifest is renamed, because it would become effective then.
    let path = candidate.path.as_ref();
    lease
        .step(
            &format!("the removal record of `{path}` was withdrawn"),
            removal_record::withdraw(storage, path),
        )
        .await?;
    let unreadable = survey.unreadable.iter().find(|manifest| Some(manifest.id) == id);
    let published = match unreadable {
        Some(manifest) if manifest.is_damaged => {
            let what = format!("manifest `{}` was renamed", manifest.path);
            lease.step(&what, rename_damaged(storage, &manifest.path)).await
        }
        Some(manifest) => Err(Error::new(
            ErrorKind::Conflict,
            format!("its manifest exists but cannot be read, so it was not replaced: {}", manifest.problem),
        )),
        None => Ok(()),
    };
    let published = match published {
        Ok(()) => {
            let what = format!("the manifest of backup {} was published", found.manifest.id);
            lease.step(&what, publish(storage, &backup)).await
        }
        error => error,
    };
    match published {
        Ok(()) => Ok((id, RecoveryOutcome::Recovered, Some(backup))),
        Err(error) => Ok((id, RecoveryOutcome::Failed { problem: error.chain() }, None)),
    }
}

/// Creates the manifest. An existing manifest is never replaced.
async fn publish(storage: &Storage, backup: &StoredBackup<'_>) -> Result<()> {
    let id = &backup.manifest.id;
    let created = storage.create(&manifest_path(id), document(&backup.published)).await;
    let Err(error) = created else { return Ok(()) };
    // The manifest may have been written although the response was lost.
    match catalog::published(storage, id).await {
        Ok(Some(existing)) if existing == backup.published && storage.confirms_by_reading(&error) => Ok(()),
        Ok(_) | Err(_) => Err(error),
    }
}

/// Renames a damaged manifest, so that no listing treats it as a manifest. Its content is kept in the same
/// folder.
async fn rename_damaged(storage: &Storage, path: &str) -> Result<()> {
    let path = Path::from(path);
    let Some(bytes) = storage.read(&path, MAX_MANIFEST_BYTES).await? else { return Ok(()) };
    // If the manifest can be read now, only an earlier response of the store was damaged.
    if catalog::parse(storage, path.as_ref(), &bytes).is_ok() {
        let text = format!("manifest `{path}` can be read now, so it was not replaced");
        return Err(Error::new(ErrorKind::Conflict, text));
    }
    let hash = crate::foundation::digest::sha256(&bytes);
    let hash = hash.trim_start_matches("sha256:").get(..16).unwrap_or_default().to_owned();
    let renamed = Path::from(format!("{path}.damaged-{hash}"));
    storage.replace(&renamed, bytes).await?;
    storage.remove(&path).await?;
    storage.require_gone(&path).await
}
