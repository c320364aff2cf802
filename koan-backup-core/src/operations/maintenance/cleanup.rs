//! Removes files that belong to no backup: removable archives, temporary files, and sidecar files of removed
//! backups.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;

use super::probes;
use super::report::ProfileMaintenance;
use super::temporary_files::TemporaryFiles;
use super::verifications;
use crate::catalog::removal_record::RemovalRecord;
use crate::catalog::unlisted::ArchiveCandidate;
use crate::catalog::{self, Acknowledgements, damage, removal_record};
use crate::environment::Environment;
use crate::environment::lease::{self, Lease};
use crate::environment::manifest_durability;
use crate::environment::manifest_durability::Durability;
use crate::foundation::blocking::blocking;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::operations::prune::Survey;
use crate::operations::recover::{ArchiveClass, ArchiveClassifier, listed_count, require_listed_majority};
use crate::storage::Storage;

/// The cleanup of one profile.
pub(super) struct Cleanup<'l> {
    pub(super) lease: &'l Lease,
    pub(super) environment: &'l Environment,
    pub(super) storage: &'l Storage,
    pub(super) survey: &'l Survey<'l>,
    /// How old an archive without a removal record must be before it is removed.
    pub(super) min_age: Duration,
    /// The folders in which the contents of single backups are.
    pub(super) content_folders: BTreeSet<String>,
}

/// The reason why an archive may be removed.
enum RemovalGround {
    /// The archive has this removal record, which is effective.
    Recorded(RemovalRecord),
    /// The manifest of this backup refers to another archive, which was verified.
    Superseded(BackupId),
    /// The archive is proven to be truncated.
    Incomplete,
}

/// The result of the removal of an archive.
enum Removal {
    Removed,
    /// The file has changed, or it may be needed, so it is kept.
    Kept,
    /// Another process uses the archive or its backup. The text identifies the process.
    Busy(String),
}

impl Cleanup<'_> {
    /// Reports unlisted archives, and removes removable archives, temporary files, unneeded leases, and
    /// sidecar files of removed backups. Errors that concern a single file are added to `problems`.
    ///
    /// A complete archive is removed only if its removal record is effective, or if the manifest of the same
    /// backup refers to another archive that was verified. Other archives are removed only if they are proven
    /// to be truncated.
    ///
    /// # Errors
    /// The storage cannot be read, the lease was lost, or most of the stored archives are unlisted.
    pub(super) async fn remove(
        &self,
        report: &mut ProfileMaintenance,
        problems: &mut Vec<String>,
    ) -> Result<()> {
        let (storage, survey) = (self.storage, self.survey);
        let classifier =
            ArchiveClassifier::new(self.environment, storage, survey, &self.lease.stop_token()).await?;
        // The state of an archive that cannot be read is unknown, so it counts as unlisted.
        let (mut removable, mut unknown_count) = (Vec::new(), 0);
        for candidate in classifier.without_manifest() {
            match classifier.classify(candidate).await {
                Ok(ArchiveClass::ToBeRemoved(record)) if candidate.has_archive_name() => {
                    removable.push((candidate, RemovalGround::Recorded(record)));
                }
                Ok(ArchiveClass::Superseded { id, .. })
                    if candidate.has_archive_name() && self.is_old(candidate) =>
                {
                    removable.push((candidate, RemovalGround::Superseded(id)));
                }
                Ok(ArchiveClass::Incomplete) if candidate.has_archive_name() && self.is_old(candidate) => {
                    removable.push((candidate, RemovalGround::Incomplete));
                }
                Ok(ArchiveClass::Unlisted(archive, _)) if !survey.is_unreadable(archive.id) => {
                    report.unlisted.push(archive);
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
                Err(error) => {
                    unknown_count += 1;
                    problems.push(error.chain());
                }
            }
        }
        problems.extend(classifier.unreadable_records.iter().cloned());
        for archive in &report.unlisted {
            tracing::warn!(
                target: "koan::backup",
                storage = %storage.location(),
                archive = %archive.archive,
                state = ?archive.state,
                "an archive is unlisted, because no manifest refers to it; `koan.catalog().recover()` \
                 verifies it and publishes its manifest"
            );
        }
        require_listed_majority(storage, report.unlisted.len() + unknown_count, listed_count(survey))?;
        for (candidate, ground) in removable {
            match self.remove_archive(candidate, &ground).await {
                Ok(Removal::Removed) => {
                    report.freed_bytes += candidate.size_bytes;
                    report.removed_files.push(candidate.path.to_string());
                }
                Ok(Removal::Kept) => {}
                Ok(Removal::Busy(reason)) => {
                    report
                        .skipped
                        .push(format!("archive `{}` was not removed, because {reason}", candidate.path));
                }
                Err(error) if matches!(error.kind(), ErrorKind::Busy | ErrorKind::Cancelled) => {
                    return Err(error);
                }
                Err(error) => problems.push(error.chain()),
            }
        }
        self.withdraw_records(&classifier, problems).await;
        self.remove_temporary(report, problems).await?;
        let ids = survey.ids();
        for result in [
            remove_obsolete_sidecars(self.lease, storage, &ids, survey.taken_at).await,
            lease::collect_garbage(
                self.lease,
                storage,
                &survey.leases,
                self.min_age,
                survey.taken_at,
                |id| ids.contains(id),
            )
            .await,
        ] {
            problems.extend(result.err().map(|error| error.chain()));
        }
        Ok(())
    }

    /// Removes an archive, unless a manifest or a lease refers to it now, its file has changed, or its
    /// removal record was withdrawn.
    ///
    /// A complete archive is removed because the manifest refers to another archive or was removed. This
    /// state of the manifest must survive a loss of power, so it is made durable before the removal.
    async fn remove_archive(&self, candidate: &ArchiveCandidate, ground: &RemovalGround) -> Result<Removal> {
        let (storage, path) = (self.storage, candidate.path.as_ref());
        if !self.is_unchanged(candidate).await? {
            return Ok(Removal::Kept);
        }
        let backup = match ground {
            RemovalGround::Recorded(record)
                if removal_record::find(storage, path).await?.as_ref() != Some(record) =>
            {
                return Ok(Removal::Kept);
            }
            RemovalGround::Recorded(record) => Some(record.id),
            RemovalGround::Superseded(id) => Some(*id),
            RemovalGround::Incomplete => None,
        };
        if let Some(id) = backup {
            let durability =
                manifest_durability::make_durable(self.environment, storage, id, &self.lease.stop_token())
                    .await;
            let durability = durability.map_err(|error| {
                error.context(format!(
                    "archive `{path}` was not removed, because the manifest of backup {id} may not survive a \
                     loss of power"
                ))
            })?;
            match durability {
                Durability::Durable => {}
                Durability::Changed => return Ok(Removal::Kept),
                Durability::Busy(error) => {
                    let reason = format!("another process uses its backup {id}: {}", error.chain());
                    return Ok(Removal::Busy(reason));
                }
            }
        }
        let now = self.environment.clock.now();
        let leases = lease::all(storage).await?;
        let mut held = leases.iter().filter(|lease| !lease.file.is_free(now));
        if let Some(lease) = held.find(|lease| lease.file.work.archive.as_deref() == Some(path)) {
            return Ok(Removal::Busy(format!("another process uses it: {}", lease.file.holder)));
        }
        let manifests = catalog::list_all(storage).await?;
        let refers_to_archive = |backup: &catalog::StoredBackup<'_>| {
            backup.manifest.archive.as_ref().is_some_and(|archive| archive.file == path)
        };
        let known_unreadable: Vec<_> = self.survey.unreadable.iter().map(|manifest| manifest.id).collect();
        if manifests.backups.iter().any(refers_to_archive)
            || manifests.unreadable.iter().any(|manifest| !known_unreadable.contains(&manifest.id))
        {
            return Ok(Removal::Kept);
        }
        let removed = async {
            storage.remove(&candidate.path).await?;
            storage.require_gone(&candidate.path).await
        };
        self.lease.step(&format!("`{path}` was removed"), removed).await?;
        Ok(Removal::Removed)
    }

    /// Returns whether the file of an archive is unchanged since the survey.
    async fn is_unchanged(&self, candidate: &ArchiveCandidate) -> Result<bool> {
        match self.storage.store().head(&candidate.path).await {
            Ok(found) => Ok(found.size == candidate.size_bytes
                && found.last_modified.timestamp() == candidate.modified.as_second()),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(source) => Err(self.storage.failed(&candidate.path, "inspected in", source)),
        }
    }

    /// Withdraws the removal records of archives that no longer exist, or to which a manifest refers. Records
    /// of backups that are being rekeyed are ignored.
    async fn withdraw_records(&self, classifier: &ArchiveClassifier<'_, '_>, problems: &mut Vec<String>) {
        let listed = self.survey.listed_archives();
        for record in classifier.records.values().filter(|record| !classifier.is_in_use(&record.id)) {
            let withdrawn = async {
                let is_gone = self.storage.size(&Path::from(record.archive.as_str())).await?.is_none();
                match is_gone || listed.contains(record.archive.as_str()) {
                    true => {
                        let what = format!("the removal record of `{}` was withdrawn", record.archive);
                        self.lease.step(&what, removal_record::withdraw(self.storage, &record.archive)).await
                    }
                    false => Ok(()),
                }
            };
            problems.extend(withdrawn.await.err().map(|error| error.chain()));
        }
    }

    async fn remove_temporary(
        &self,
        report: &mut ProfileMaintenance,
        problems: &mut Vec<String>,
    ) -> Result<()> {
        let Some(directory) = self.storage.directory() else {
            let (lease, storage, taken_at) = (self.lease, self.storage, self.survey.taken_at);
            return probes::remove_old(lease, storage, self.min_age, taken_at, report, problems).await;
        };
        let leases = self.survey.held(self.survey.taken_at);
        let in_use = leases.filter_map(|lease| lease.work.archive.clone()).collect();
        let held = self.lease.confirm().await?;
        let temporary = TemporaryFiles {
            directory: directory.to_owned(),
            content_folders: self.content_folders.clone(),
            in_use,
            min_age: self.min_age,
            held,
        };
        let surveyed_at = SystemTime::from(self.survey.taken_at);
        let removed = blocking("removes temporary files", move || temporary.remove(surveyed_at)).await?;
        let removed = removed.map_err(|source| {
            let text = format!("temporary files in storage `{}` were not removed", self.storage.location());
            Error::with_source(ErrorKind::Storage, text, source)
        })?;
        for (file, result) in removed {
            match result {
                Ok(bytes) => {
                    report.freed_bytes += bytes;
                    report.removed_files.push(file);
                }
                Err(error) => problems.push(format!("`{file}` was not removed: {error}")),
            }
        }
        Ok(())
    }

    /// Returns whether an archive was older than `min_age` at the time of the survey.
    fn is_old(&self, candidate: &ArchiveCandidate) -> bool {
        let age_seconds = self.survey.taken_at.as_second() - candidate.modified.as_second();
        u64::try_from(age_seconds).is_ok_and(|age_seconds| age_seconds > self.min_age.as_secs())
    }
}

/// Removes the verification records, damage records and acknowledgements of backups that no longer exist.
async fn remove_obsolete_sidecars(
    lease: &Lease,
    storage: &Storage,
    existing: &BTreeSet<BackupId>,
    now: Timestamp,
) -> Result<()> {
    for id in verifications::read_all(storage).await?.into_keys().filter(|id| !existing.contains(id)) {
        let what = format!("the verification record of backup {id} was removed");
        lease.step(&what, verifications::remove(storage, id)).await?;
    }
    for id in damage::read_all(storage).await?.into_keys().filter(|id| !existing.contains(id)) {
        let what = format!("the damage record of backup {id} was removed");
        lease.step(&what, damage::record(storage, id, now, None)).await?;
    }
    // The acknowledgement of a removed backup is still needed while earlier backups exist, because the loss
    // then appears in the next backup.
    let oldest = existing.first().copied();
    for id in Acknowledgements::read(storage).await?.backups() {
        if !existing.contains(&id) && oldest.is_none_or(|oldest| oldest > id) {
            let what = format!("the acknowledgement of backup {id} was removed");
            lease.step(&what, Acknowledgements::remove(storage, id)).await?;
        }
    }
    Ok(())
}
