//! The progress of an operation, computed from the events of its work.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use koan_backup_core::{BackupId, Event};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// The percentage from which the end of the work is estimated.
const MIN_ESTIMATED_PERCENT: u8 = 3;

/// How far the work of an operation is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Progress {
    /// The backup that the work makes or reads, once it is known.
    pub(crate) backup_id: Option<BackupId>,
    /// How many pairs of entity and set are processed.
    pub(crate) entities_processed: u64,
    /// How many pairs of entity and set the work processes, if that is known.
    pub(crate) entities_total: Option<u64>,
    /// How many records are processed.
    pub(crate) records_processed: u64,
    /// How many bytes are processed.
    pub(crate) bytes_processed: u64,
    /// The percentage of the work, from 0 to 100. It never decreases.
    pub(crate) percent_complete: u8,
    /// The entity that the work processes.
    pub(crate) current_entity: Option<String>,
    /// When the work is expected to end.
    pub(crate) estimated_completion_at: Option<Timestamp>,
}

/// Computes the progress from events.
#[derive(Debug)]
pub(super) struct ProgressTracker {
    progress: Progress,
    began: Instant,
    read: Counts,
    restored: Counts,
    verified: Counts,
    bytes: Counts,
    completed: BTreeSet<Entry>,
    /// Whether a backup was published.
    has_published: bool,
    is_restore: bool,
}

/// A pair of entity and set.
type Entry = (String, String);

/// Counts by pair of entity and set. When an archive is rewritten, a count may restart at 0; the larger value is kept.
#[derive(Debug, Default)]
struct Counts {
    by_entry: BTreeMap<Entry, u64>,
    total: u64,
}

impl Counts {
    fn update(&mut self, entry: Entry, count: u64) {
        let known = self.by_entry.entry(entry).or_default();
        self.total += count.saturating_sub(*known);
        *known = count.max(*known);
    }
}

impl ProgressTracker {
    pub(super) fn new() -> Self {
        Self {
            progress: Progress::default(),
            began: Instant::now(),
            read: Counts::default(),
            restored: Counts::default(),
            verified: Counts::default(),
            bytes: Counts::default(),
            completed: BTreeSet::new(),
            has_published: false,
            is_restore: false,
        }
    }

    /// Returns the progress.
    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Returns whether the work has published a backup, so that an error which says that the work was cancelled does
    /// not mean that nothing was published. This is the case if the verification of a new backup is cancelled.
    pub(super) fn has_published(&self) -> bool {
        self.has_published
    }

    /// Processes an event. `now` is the current time. Returns whether the progress has changed.
    pub(super) fn process(&mut self, event: &Event, now: Timestamp) -> bool {
        let before = self.progress.clone();
        self.apply(event);
        let progress = &mut self.progress;
        progress.records_processed = match self.is_restore {
            true => self.restored.total,
            false => self.read.total.max(self.verified.total),
        };
        progress.bytes_processed = progress.bytes_processed.max(self.bytes.total);
        progress.entities_processed = u64::try_from(self.completed.len()).unwrap_or(u64::MAX);
        if progress.percent_complete != before.percent_complete {
            progress.estimated_completion_at = estimate(progress.percent_complete, self.began, now);
        }
        *progress != before
    }

    /// Processes how much of the whole is processed, for work that has no events. Returns whether the progress has changed.
    pub(super) fn count(&mut self, processed: u64, total: u64, now: Timestamp) -> bool {
        let progress = &mut self.progress;
        let percent = u128::from(processed) * 100 / u128::from(total.max(1));
        let percent = u8::try_from(percent.min(100)).unwrap_or(100);
        if percent <= progress.percent_complete {
            return false;
        }
        progress.percent_complete = percent;
        progress.estimated_completion_at = estimate(percent, self.began, now);
        true
    }

    fn apply(&mut self, event: &Event) {
        let progress = &mut self.progress;
        match event {
            Event::BackupStarted { id, entries, .. } => {
                progress.backup_id = Some(*id);
                progress.entities_total = u64::try_from(*entries).ok();
            }
            Event::RestoreStarted { id, .. } => {
                progress.backup_id = Some(*id);
                self.is_restore = true;
            }
            Event::RestorePrepared { entries, .. } => progress.entities_total = u64::try_from(*entries).ok(),
            Event::EntityStarted { entity, .. }
            | Event::EntityPrepared { entity, .. }
            | Event::VerificationStarted { entity, .. } => progress.current_entity = Some(entity.clone()),
            Event::BatchRead { entity, set, records } => {
                self.read.update((entity.clone(), set.to_string()), *records);
            }
            Event::BlockWritten { entity, set, bytes, .. } => {
                self.bytes.update((entity.clone(), set.to_string()), *bytes);
            }
            Event::BlockVerified { entity, set, records } => {
                self.verified.update((entity.clone(), set.to_string()), *records);
            }
            Event::BatchRestored { entity, set, records } => {
                self.restored.update((entity.clone(), set.to_string()), *records);
            }
            Event::EntityCompleted { entity, set, bytes, .. } => {
                self.bytes.update((entity.clone(), set.to_string()), *bytes);
                self.completed.insert((entity.clone(), set.to_string()));
            }
            Event::ArchiveCopied { id, bytes, total } => {
                progress.backup_id = Some(*id);
                progress.bytes_processed = (*bytes).max(progress.bytes_processed);
                // The copy is verified afterwards, so it is not complete when all bytes are copied.
                let percent = u128::from(*bytes) * 99 / u128::from((*total).max(1));
                progress.percent_complete =
                    u8::try_from(percent.min(99)).unwrap_or(99).max(progress.percent_complete);
            }
            Event::Progress { id, percent } => {
                progress.backup_id = Some(*id);
                progress.percent_complete = (*percent).min(100).max(progress.percent_complete);
            }
            Event::BackupFinished { manifest, .. } => {
                self.has_published |= manifest.is_some();
                progress.current_entity = None;
            }
            Event::RestoreFinished { .. } => progress.current_entity = None,
            _ => {}
        }
    }
}

/// Returns when work is expected to end that has reached a percentage since `began`.
fn estimate(percent: u8, began: Instant, now: Timestamp) -> Option<Timestamp> {
    if !(MIN_ESTIMATED_PERCENT..100).contains(&percent) {
        return None;
    }
    let remaining = began.elapsed().checked_mul(u32::from(100 - percent))? / u32::from(percent);
    now.checked_add(SignedDuration::try_from(remaining).ok()?).ok()
}
