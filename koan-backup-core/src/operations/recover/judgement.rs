//! Decides what to do with an archive to which no manifest refers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::verified::{self, ArchiveVerification};
use crate::catalog::removal_record::{self, RemovalRecord};
use crate::catalog::unlisted::{self, ArchiveCandidate, CompleteArchive, Inspection};
use crate::catalog::{StoredBackup, UnlistedArchive, UnlistedState};
use crate::encryption::Identities;
use crate::environment::Environment;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::operations::prune::Survey;
use crate::operations::verify::{self, VerifyOptions};
use crate::storage::Storage;

/// The class of an archive to which no readable manifest refers.
#[derive(Debug)]
pub(crate) enum ArchiveClass {
    /// Another process writes the archive, or uses its backup.
    InUse,
    /// The removal record of the archive is effective.
    ToBeRemoved(RemovalRecord),
    /// The manifest of the same backup refers to another archive, which was verified.
    Superseded { id: BackupId, current_archive: String },
    /// The archive is proven to be truncated.
    Incomplete,
    /// The archive is unlisted and may be a lost backup, so it is kept.
    Unlisted(UnlistedArchive, Option<Box<CompleteArchive>>),
    /// The file is a ZIP file of another program.
    Foreign,
    /// The file no longer exists.
    Gone,
}

/// Classifies the archives that one survey of a profile found.
pub(crate) struct ArchiveClassifier<'s, 'a> {
    environment: &'s Environment,
    storage: &'a Storage,
    survey: &'s Survey<'a>,
    /// The removal records, by the path of the archive.
    pub(crate) records: BTreeMap<String, RemovalRecord>,
    /// The problems of the removal records that cannot be read. These records are not effective.
    pub(crate) unreadable_records: Vec<String>,
    identities: OnceCell<Arc<Identities>>,
    cancel: CancellationToken,
}

impl<'s, 'a> ArchiveClassifier<'s, 'a> {
    /// Creates a classifier, and reads the removal records of the profile.
    ///
    /// # Errors
    /// The storage cannot be read.
    pub(crate) async fn new(
        environment: &'s Environment,
        storage: &'a Storage,
        survey: &'s Survey<'a>,
        cancel: &CancellationToken,
    ) -> Result<Self> {
        let found = removal_record::all(storage).await?;
        Ok(Self {
            environment,
            storage,
            survey,
            records: found.readable.into_values().map(|record| (record.archive.clone(), record)).collect(),
            unreadable_records: found.unreadable.into_values().collect(),
            identities: OnceCell::new(),
            cancel: cancel.clone(),
        })
    }

    /// Returns the archives to which no readable manifest refers.
    pub(crate) fn without_manifest(&self) -> Vec<&'s ArchiveCandidate> {
        unlisted::without_manifest(&self.survey.archives, &self.survey.listed_archives())
    }

    /// Classifies an archive to which no readable manifest refers.
    ///
    /// # Errors
    /// The storage cannot be read. The state of the archive is unknown then, and it is kept.
    pub(crate) async fn classify(&self, candidate: &ArchiveCandidate) -> Result<ArchiveClass> {
        let path = candidate.path.as_ref();
        let (survey, now) = (self.survey, self.survey.taken_at);
        if survey.held(now).any(|lease| lease.work.archive.as_deref() == Some(path)) {
            return Ok(ArchiveClass::InUse);
        }
        if let Some(record) = self.records.get(path) {
            if self.is_in_use(&record.id) {
                return Ok(ArchiveClass::InUse);
            }
            if self.is_effective(record).await? {
                return Ok(ArchiveClass::ToBeRemoved(record.clone()));
            }
        }
        let unlisted = |id, state| UnlistedArchive {
            archive: path.to_owned(),
            size_bytes: candidate.size_bytes,
            id,
            state,
        };
        let found = match Box::pin(unlisted::inspect(self.storage, candidate, self.identities().await?))
            .await?
        {
            Inspection::Gone => return Ok(ArchiveClass::Gone),
            Inspection::Foreign => return Ok(ArchiveClass::Foreign),
            Inspection::Incomplete => {
                let may_have_unreadable_manifest =
                    survey.unreadable.iter().any(|manifest| path.contains(&manifest.id.short()));
                return Ok(if may_have_unreadable_manifest {
                    ArchiveClass::InUse
                } else {
                    ArchiveClass::Incomplete
                });
            }
            Inspection::Encrypted => {
                return Ok(ArchiveClass::Unlisted(unlisted(None, UnlistedState::Encrypted), None));
            }
            Inspection::Damaged(problem) => {
                return Ok(ArchiveClass::Unlisted(unlisted(None, UnlistedState::Damaged { problem }), None));
            }
            Inspection::Complete(found) => found,
        };
        let id = found.manifest.id;
        if let Some(listed) = survey.backups.iter().find(|backup| backup.manifest.id == id)
            && let Some(archive) = &listed.manifest.archive
            && self.is_valid(listed).await?
        {
            if self.is_in_use(&id) {
                return Ok(ArchiveClass::InUse);
            }
            return Ok(ArchiveClass::Superseded { id, current_archive: archive.file.clone() });
        }
        Ok(ArchiveClass::Unlisted(unlisted(Some(id), UnlistedState::Complete), Some(found)))
    }

    /// Returns whether another process restores or rekeys a backup.
    pub(crate) fn is_in_use(&self, id: &BackupId) -> bool {
        self.survey.held(self.survey.taken_at).any(|lease| lease.subject.protects(id))
    }

    /// Returns whether a removal record is effective. It is effective if no manifest refers to its archive,
    /// its backup has no unreadable manifest and is not pinned, and the replacement, if there is one, is
    /// valid.
    async fn is_effective(&self, record: &RemovalRecord) -> Result<bool> {
        let survey = self.survey;
        if survey.listed_archives().contains(record.archive.as_str())
            || survey.unreadable.iter().any(|manifest| manifest.id == record.id)
            || survey.is_pinned(&record.id)
        {
            return Ok(false);
        }
        let Some(replacement) = &record.replacement else { return Ok(true) };
        let refers_to_replacement = |backup: &&StoredBackup<'_>| {
            backup.manifest.archive.as_ref().is_some_and(|archive| &archive.file == replacement)
        };
        if let Some(listed) = survey.backups.iter().find(refers_to_replacement) {
            return Ok(listed.manifest.id == record.id && self.is_valid(listed).await?);
        }
        let Some(candidate) = survey.archives.iter().find(|file| file.path.as_ref() == replacement) else {
            return Ok(false);
        };
        match Box::pin(unlisted::inspect(self.storage, candidate, self.identities().await?)).await? {
            Inspection::Complete(found) if found.manifest.id == record.id => {
                Ok(matches!(self.verify_archive(candidate, &found).await?, ArchiveVerification::Valid(_)))
            }
            _ => Ok(false),
        }
    }

    async fn is_valid(&self, listed: &StoredBackup<'_>) -> Result<bool> {
        Ok(Box::pin(verify::problem(self.environment, listed, &self.options())).await?.is_none())
    }

    /// Verifies an archive by the manifest that it contains.
    pub(super) async fn verify_archive(
        &self,
        candidate: &ArchiveCandidate,
        found: &CompleteArchive,
    ) -> Result<ArchiveVerification<'a>> {
        let identities = self.identities().await?;
        verified::verify(self.environment, self.storage, candidate, found, identities, &self.options()).await
    }

    fn options(&self) -> VerifyOptions {
        VerifyOptions { cancel: self.cancel.clone(), ..VerifyOptions::default() }
    }

    /// Returns the available identities. The failure of a key source is only logged; archives that need its
    /// keys are kept.
    async fn identities(&self) -> Result<&Arc<Identities>> {
        let found = self.identities.get_or_init(|| async {
            let identities = self.environment.identities().await.unwrap_or_else(|error| {
                tracing::warn!(
                    target: "koan::backup", error = %error.chain(),
                    "the keys for unlisted archives could not be read"
                );
                Identities::default()
            });
            Arc::new(identities)
        });
        Ok(found.await)
    }
}

/// Refuses any removal while most archives are unlisted, because in this state it is more likely
/// that manifests were lost than that uploads crashed.
///
/// # Errors
/// Most archives are unlisted ([`ErrorKind::Conflict`]), or the storage cannot be read.
pub(crate) async fn require_mostly_listed(
    environment: &Environment,
    storage: &Storage,
    survey: &Survey<'_>,
) -> Result<()> {
    let listed = listed_count(survey);
    let without_manifest = unlisted::without_manifest(&survey.archives, &survey.listed_archives());
    // If at most half of the archives are without a manifest, no archive needs to be opened.
    if without_manifest.len() <= listed {
        return Ok(());
    }
    let classifier = ArchiveClassifier::new(environment, storage, survey, &CancellationToken::new()).await?;
    let mut unlisted = 0;
    for candidate in without_manifest {
        if let ArchiveClass::Unlisted(archive, _) = classifier.classify(candidate).await?
            && !survey.is_unreadable(archive.id)
        {
            unlisted += 1;
        }
    }
    require_listed_majority(storage, unlisted, listed)
}

/// Returns the unlisted archives of a profile. An archive that cannot be read is only logged.
///
/// # Errors
/// The storage cannot be read.
pub(super) async fn unlisted(
    environment: &Environment,
    storage: &Storage,
    survey: &Survey<'_>,
) -> Result<Vec<UnlistedArchive>> {
    let classifier = ArchiveClassifier::new(environment, storage, survey, &CancellationToken::new()).await?;
    let mut unlisted = Vec::new();
    for candidate in classifier.without_manifest() {
        match classifier.classify(candidate).await {
            Ok(ArchiveClass::Unlisted(archive, _)) if !survey.is_unreadable(archive.id) => {
                unlisted.push(archive)
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(
                    target: "koan::backup", archive = %candidate.path, error = %error.chain(),
                    "an archive without a manifest could not be read"
                );
            }
        }
    }
    Ok(unlisted)
}

/// Returns the number of existing archives to which manifests refer.
pub(crate) fn listed_count(survey: &Survey<'_>) -> usize {
    let listed: BTreeSet<_> = survey.listed_archives();
    survey.archives.iter().filter(|file| listed.contains(file.path.as_ref())).count()
}

/// Returns an error if most archives are unlisted.
///
/// # Errors
/// More archives are unlisted than listed.
pub(crate) fn require_listed_majority(storage: &Storage, unlisted: usize, listed: usize) -> Result<()> {
    if unlisted <= listed {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Conflict,
        format!(
            "nothing was removed, because most archives in storage `{}` are unlisted: {unlisted} archives \
             have no manifest, and {listed} have one; check whether `manifests/` is complete, and publish \
             missing manifests again with `koan.catalog().recover()`",
            storage.location()
        ),
    ))
}
