//! The maintenance of the single backups of event streams.

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use super::report::ProfileMaintenance;
use crate::catalog::Origin;
use crate::catalog::stream_backups::{
    DamagedStreamBackup, StreamSurvey, StreamVerifications, list, read, survey,
};
use crate::environment::Environment;
use crate::environment::lease::Lease;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{ErrorKind, Result};
use crate::operations::streams::{self, CleanupOptions};
use crate::storage::{STREAMS_FOLDER, Storage};

/// The number of single backups that one run verifies at most.
const MAX_VERIFIED: u64 = 100;
/// The maximum number of backups that could not be verified and are listed in a report.
const MAX_LISTED_FAILURES: usize = 20;
/// The size of the contents after which a run verifies no further single backup.
const MAX_VERIFIED_BYTES: u64 = 1 << 30;

/// The cleanup of the single backups of one profile.
pub(super) struct StreamCleanup<'l> {
    pub(super) lease: &'l Lease,
    pub(super) environment: &'l Environment,
    pub(super) profile: &'l str,
    pub(super) storage: &'l Storage,
}

impl StreamCleanup<'_> {
    /// Finishes interrupted removals and rekeys, removes the records of backups that no longer exist, and reports what is
    /// incomplete, unreadable or unlisted. A content to which no `.meta` refers is never removed, unless a removal record
    /// names it. Errors that concern a single file are added to `problems`. Returns the folders in which contents are.
    ///
    /// # Errors
    /// The storage cannot be read, or the lease was lost.
    pub(super) async fn run(
        &self,
        report: &mut ProfileMaintenance,
        problems: &mut Vec<String>,
    ) -> Result<BTreeSet<String>> {
        let Self { environment, profile, storage, .. } = self;
        let now = environment.clock.now();
        let found = survey(profile, storage, &environment.identity, now).await?;
        for record in &found.removals {
            let finished = streams::finish_record(environment, storage, record);
            match self.lease.step(&format!("`{record}` was finished"), finished).await {
                Ok(Some(meta)) => {
                    report.freed_bytes += meta.size_bytes;
                    report.removed_files.push(meta.path);
                }
                Ok(None) => {}
                Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
                // Another process works on the backup. This is not a loss of the lease, which is confirmed.
                Err(error) if matches!(error.kind(), ErrorKind::Busy | ErrorKind::Conflict) => {
                    self.lease.confirm().await?;
                    report.skipped.push(format!("`{record}` was not finished, because {}", error.chain()));
                }
                Err(error) => problems.push(error.chain()),
            }
        }
        problems.extend(self.remove_obsolete(&found).await.err().map(|error| error.chain()));
        let streams = &mut report.stream_backups;
        streams.damaged = found.incomplete;
        streams.unreadable = found.unreadable;
        streams.unlisted = found.unlisted;
        let mut folders = found.content_folders;
        folders.insert(STREAMS_FOLDER.to_owned());
        Ok(folders)
    }

    /// Removes the verification and damage records of backups that no longer exist.
    async fn remove_obsolete(&self, found: &StreamSurvey) -> Result<()> {
        let known = StreamVerifications::read(self.storage).await?;
        let existing = found.ids();
        for id in known.ids().filter(|id| !existing.contains(id)) {
            let what = format!("the verification record of single backup {id} was removed");
            self.lease.step(&what, known.remove(self.storage, id)).await?;
        }
        Ok(())
    }
}

/// Removes the backups of a profile that have expired. Returns the problems.
///
/// # Errors
/// The storage cannot be read, or the work was cancelled.
pub(super) async fn remove_expired(
    environment: &Environment,
    profile: &str,
    cancel: &CancellationToken,
    report: &mut ProfileMaintenance,
) -> Result<Vec<String>> {
    let options = CleanupOptions {
        profiles: vec![profile.to_owned()],
        cancel: cancel.clone(),
        ..CleanupOptions::default()
    };
    let removed = until_cancelled(cancel, streams::cleanup(environment, &options)).await?;
    let problem = |failed: &streams::UnremovedStreamBackup| {
        format!("expired single backup {} was not removed: {}", failed.id, failed.error)
    };
    let unfinished = |unfinished: &streams::UnfinishedStreamRemoval| {
        format!("the removal of `{}` was not finished: {}", unfinished.record, unfinished.error)
    };
    let problems =
        removed.failed.iter().map(problem).chain(removed.unfinished.iter().map(unfinished)).collect();
    report.stream_backups.expired = Some(removed);
    Ok(problems)
}

/// Verifies the backups whose last verification is the oldest, and records the results. Backups that were never verified
/// come first, the newest of them before the others. Returns the problems: backups that could not be verified.
///
/// # Errors
/// The storage cannot be read, or the work was cancelled.
pub(super) async fn verify_next(
    environment: &Environment,
    profile: &str,
    storage: &Storage,
    cancel: &CancellationToken,
    report: &mut ProfileMaintenance,
) -> Result<Vec<String>> {
    let mut metas = until_cancelled(cancel, list(storage, None)).await?.metas;
    if metas.is_empty() {
        return Ok(Vec::new());
    }
    let known = until_cancelled(cancel, StreamVerifications::read(storage)).await?;
    metas.sort_by_key(|(id, _)| known.verified.get(id).copied());
    let (mut problems, mut bytes, mut failed) = (Vec::new(), 0u64, 0usize);
    let report = &mut report.stream_backups;
    for (id, path) in metas {
        if report.verified >= MAX_VERIFIED || bytes >= MAX_VERIFIED_BYTES {
            break;
        }
        let stored = match until_cancelled(cancel, read(profile, storage, &path)).await {
            Ok(Some(stored)) => stored,
            // The cleanup and the health report a `.meta` that cannot be read.
            Ok(None) => continue,
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Incompatible) => continue,
            Err(error) => return Err(error),
        };
        // The types of other applications may differ, and their keys are not available.
        if stored.meta.producer.origin(&environment.identity) == Origin::Other {
            continue;
        }
        bytes = bytes.saturating_add(stored.meta.size_bytes);
        match streams::verify_and_record(environment, &stored, &known, cancel).await {
            Ok(Some(verified)) => {
                report.verified += 1;
                let is_known = report.damaged.iter().any(|damaged| damaged.id == id);
                if let Some(problem) = verified.problem.filter(|_| !is_known) {
                    report.damaged.push(DamagedStreamBackup { profile: profile.to_owned(), id, problem });
                }
            }
            Ok(None) => {}
            Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
            // A backup that cannot be verified must not prevent the verification of the others.
            Err(error) => {
                failed += 1;
                if problems.len() < MAX_LISTED_FAILURES {
                    problems.push(format!("single backup {id} was not verified: {}", error.chain()));
                }
            }
        }
    }
    if failed > problems.len() {
        problems.push(format!(
            "{failed} single backups were not verified, of which {MAX_LISTED_FAILURES} are listed"
        ));
    }
    Ok(problems)
}
