//! Removes the single backups that have expired.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use object_store::path::Path;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::read::locate;
use super::removal::{RemovedStreamBackup, finish_record, remove};
use super::snapshots::exists;
use crate::catalog::stream_backups::{
    StreamBackupHandle, StreamBackupPage, StreamBackupRef, StreamFilter, UnreadableStreamBackup, damaged,
    list, query,
};
use crate::encryption::Identities;
use crate::environment::Environment;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;

/// The most backups that an error names.
const MAX_NAMED_BACKUPS: usize = 100;

/// Whether the only backup of an existing stream may be removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LastBackups {
    #[default]
    Kept,
    Removed,
}

/// The options of the removal of expired backups.
#[derive(Clone, Debug, Default)]
pub(crate) struct CleanupOptions {
    /// The storage profiles. An empty list means all.
    pub(crate) profiles: Vec<String>,
    pub(crate) last: LastBackups,
    pub(crate) cancel: CancellationToken,
}

/// Why an expired backup was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum StreamKeepReason {
    /// It is the only backup of a stream that exists.
    LastOfExistingStream,
    /// No key decrypts its object id, so it is not known whether it is the only backup of an existing stream.
    WithoutKey,
    /// It is the only backup of its stream, and it is not known whether the stream exists: no event type declares its
    /// object name, or the event store cannot be read.
    UnknownStream,
}

/// An expired backup that was kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct KeptStreamBackup {
    /// The backup.
    pub backup: StreamBackupHandle,
    /// The reason.
    pub reason: StreamKeepReason,
}

/// An expired backup that could not be removed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UnremovedStreamBackup {
    /// The id of the backup.
    pub id: BackupId,
    /// The storage profile.
    pub profile: String,
    /// Why it could not be removed, as text.
    pub error: String,
}

/// A removal that another process began, and that could not be finished.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UnfinishedStreamRemoval {
    /// The path of the removal record.
    pub record: String,
    /// The storage profile.
    pub profile: String,
    /// Why it could not be finished, as text.
    pub error: String,
}

/// The report of the removal of expired backups.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StreamCleanupReport {
    /// The backups that were removed.
    pub removed: Vec<RemovedStreamBackup>,
    /// The expired backups that could not be removed. All others were attempted nevertheless.
    pub failed: Vec<UnremovedStreamBackup>,
    /// The removals of earlier processes that could not be finished.
    pub unfinished: Vec<UnfinishedStreamRemoval>,
    /// The expired backups that were kept.
    pub kept: Vec<KeptStreamBackup>,
    /// The `.meta` files that cannot be read. Whether their backups have expired is not known.
    pub unreadable: Vec<UnreadableStreamBackup>,
}

impl StreamCleanupReport {
    /// Returns whether every expired backup was removed or kept for a reason, every interrupted removal was finished, and
    /// every `.meta` was read.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.unfinished.is_empty() && self.unreadable.is_empty()
    }
}

/// Removes the expired backups of this application.
///
/// # Errors
/// A storage profile does not exist or cannot be listed, or the work was cancelled; the error names the backups that were
/// removed before. A backup that cannot be removed is in the report.
pub(crate) async fn run(environment: &Environment, options: &CleanupOptions) -> Result<StreamCleanupReport> {
    let mut report = StreamCleanupReport::default();
    match remove_expired(environment, options, &mut report).await {
        Ok(()) => Ok(report),
        Err(error) if report.removed.is_empty() => Err(error),
        // A cancelled operation has changed nothing, unless its error says so.
        Err(error) => Err(error.context(removed_before(&report.removed)).with_remaining_changes()),
    }
}

/// Returns the text about backups that were removed before the removal of others failed.
fn removed_before(removed: &[RemovedStreamBackup]) -> String {
    let ids: Vec<_> = removed.iter().take(MAX_NAMED_BACKUPS).map(|removed| removed.id.to_string()).collect();
    let more = match removed.len().saturating_sub(MAX_NAMED_BACKUPS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "the removal of expired single backups ended early; it has removed {} of them: {}{more}",
        removed.len(),
        ids.join(", ")
    )
}

async fn remove_expired(
    environment: &Environment,
    options: &CleanupOptions,
    report: &mut StreamCleanupReport,
) -> Result<()> {
    for profile in &options.profiles {
        environment.storage(Some(profile))?;
    }
    let all = own_backups(environment, options, report).await?;
    let now = environment.clock.now();
    let (expired, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|backup| backup.is_expired(now));
    let mut remaining = RemainingBackups::read(environment, options, others).await?;
    let mut existing = ExistingStreams { environment, known: BTreeMap::new() };
    // The newest backup comes first, so the newest intact one is kept if all backups of a stream have expired.
    for backup in expired {
        if options.cancel.is_cancelled() {
            return Err(Error::cancelled());
        }
        let reason = match (options.last, stream_key(&backup)) {
            (LastBackups::Removed, _) => None,
            (LastBackups::Kept, None) => Some(StreamKeepReason::WithoutKey),
            (LastBackups::Kept, Some(key)) if remaining.covers(&key).await? => None,
            (LastBackups::Kept, Some(key)) => existing.keep_reason(&key).await,
        };
        match reason {
            Some(reason) => {
                remaining.add(backup.clone());
                report.kept.push(KeptStreamBackup { backup, reason });
            }
            None => remove_one(environment, &backup, report).await,
        }
    }
    finish_interrupted(environment, options, report).await
}

/// Returns the backups of this application in all selected profiles, newest first.
async fn own_backups(
    environment: &Environment,
    options: &CleanupOptions,
    report: &mut StreamCleanupReport,
) -> Result<Vec<StreamBackupHandle>> {
    // Without a key, backups of encrypted streams are kept.
    let identities = Arc::new(environment.identities().await.unwrap_or_else(|error| {
        tracing::warn!(
            target: "koan::backup", error = %error.chain(),
            "no keys are available, so expired backups of encrypted event streams are kept"
        );
        Identities::default()
    }));
    let filter = StreamFilter { application: Some(environment.identity.clone()), ..StreamFilter::default() };
    let mut page = StreamBackupPage::default();
    for (name, storage) in &environment.storages {
        if options.profiles.is_empty() || options.profiles.contains(name) {
            query(name, storage, &filter, &identities, &mut page).await?;
        }
    }
    page.backups.sort_by_key(|backup| std::cmp::Reverse(backup.id));
    report.unreadable = page.unreadable;
    Ok(page.backups)
}

async fn remove_one(
    environment: &Environment,
    backup: &StreamBackupHandle,
    report: &mut StreamCleanupReport,
) {
    let reference = StreamBackupRef::from(backup);
    let removed = async { remove(environment, &locate(environment, None, &reference).await?).await };
    match removed.await {
        Ok(()) => report.removed.push(RemovedStreamBackup::of(backup)),
        // Another process has removed it.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => report.failed.push(UnremovedStreamBackup {
            id: backup.id,
            profile: backup.profile.clone(),
            error: error.chain(),
        }),
    }
}

/// Finishes the removals that were interrupted.
async fn finish_interrupted(
    environment: &Environment,
    options: &CleanupOptions,
    report: &mut StreamCleanupReport,
) -> Result<()> {
    for (name, storage) in &environment.storages {
        if !options.profiles.is_empty() && !options.profiles.contains(name) {
            continue;
        }
        for record in list(storage, None).await?.removals {
            let is_of_failed = |failed: &UnremovedStreamBackup| {
                failed.profile == *name && record.as_ref().contains(&failed.id.to_string())
            };
            if report.failed.iter().any(is_of_failed) {
                continue;
            }
            match finish_record(environment, storage, &record).await {
                Ok(Some(meta)) => report.removed.push(RemovedStreamBackup::of_meta(&meta, name)),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(
                        target: "koan::backup", record = %record, error = %error.chain(),
                        "the interrupted removal of a single backup was not finished"
                    );
                    report.unfinished.push(UnfinishedStreamRemoval {
                        record: record.to_string(),
                        profile: name.clone(),
                        error: error.chain(),
                    });
                }
            }
        }
    }
    Ok(())
}

/// Returns the object name and the object id, if the object id is known.
fn stream_key(backup: &StreamBackupHandle) -> Option<(String, String)> {
    Some((backup.object.clone(), backup.object_id.clone()?))
}

/// The backups that remain, by their streams.
struct RemainingBackups<'e> {
    environment: &'e Environment,
    by_stream: BTreeMap<(String, String), Vec<StreamBackupHandle>>,
    /// The damaged backups, each with its storage profile.
    damaged: BTreeSet<(String, BackupId)>,
    covered: BTreeSet<(String, String)>,
}

impl<'e> RemainingBackups<'e> {
    async fn read(
        environment: &'e Environment,
        options: &CleanupOptions,
        backups: Vec<StreamBackupHandle>,
    ) -> Result<Self> {
        let mut remaining = Self {
            environment,
            by_stream: BTreeMap::new(),
            damaged: BTreeSet::new(),
            covered: BTreeSet::new(),
        };
        for (name, storage) in &environment.storages {
            if options.profiles.is_empty() || options.profiles.contains(name) {
                let ids = damaged(storage).await?.into_keys();
                remaining.damaged.extend(ids.map(|id| (name.clone(), id)));
            }
        }
        backups.into_iter().for_each(|backup| remaining.add(backup));
        Ok(remaining)
    }

    fn add(&mut self, backup: StreamBackupHandle) {
        if let Some(key) = stream_key(&backup) {
            self.by_stream.entry(key).or_default().push(backup);
        }
    }

    /// Returns whether a backup of a stream remains that is not known to be damaged and whose content is complete.
    async fn covers(&mut self, key: &(String, String)) -> Result<bool> {
        if self.covered.contains(key) {
            return Ok(true);
        }
        for backup in self.by_stream.get(key).into_iter().flatten() {
            if self.damaged.contains(&(backup.profile.clone(), backup.id)) {
                continue;
            }
            let storage = self.environment.storage(Some(&backup.profile))?;
            let reference = StreamBackupRef::from(backup);
            let content = match locate(self.environment, None, &reference).await {
                Ok(stored) => stored.meta.path,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            // A `.meta` without a valid path is no usable backup.
            let Ok(content) = Path::parse(&content) else { continue };
            if storage.size(&content).await? == Some(backup.size_bytes) {
                self.covered.insert(key.clone());
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Which streams exist in their stores.
struct ExistingStreams<'e> {
    environment: &'e Environment,
    known: BTreeMap<(String, String), Option<StreamKeepReason>>,
}

impl ExistingStreams<'_> {
    /// Returns why the only backup of a stream is kept, or `None` if the stream does not exist.
    async fn keep_reason(&mut self, key: &(String, String)) -> Option<StreamKeepReason> {
        if let Some(reason) = self.known.get(key) {
            return *reason;
        }
        let reason = match exists(self.environment, &key.0, &key.1).await {
            Ok(true) => Some(StreamKeepReason::LastOfExistingStream),
            Ok(false) => None,
            Err(error) => {
                tracing::warn!(
                    target: "koan::backup", object = %key.0, error = %error.chain(),
                    "it is not known whether a stream exists, so its only backup is kept"
                );
                Some(StreamKeepReason::UnknownStream)
            }
        };
        self.known.insert(key.clone(), reason);
        reason
    }
}
