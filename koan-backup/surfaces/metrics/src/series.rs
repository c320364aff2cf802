//! The metrics of one series.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use koan_backup_core::archive::Manifest;

use crate::outcome::Outcome;

/// The metrics of one series.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    pub(crate) runs: Runs,
    /// The duration of the last run that ended.
    pub(crate) duration: Duration,
    pub(crate) last_success: Option<Timestamp>,
    pub(crate) last_verified: Option<Timestamp>,
    pub(crate) archive_bytes: u64,
    pub(crate) records: BTreeMap<String, u64>,
    /// When the run ended to which the duration belongs.
    last_ended: Option<Timestamp>,
    /// When the backup was completed to which the size and the records belong.
    contents_of: Option<Timestamp>,
}

impl Series {
    /// Records a run that ended.
    pub(crate) fn ended(&mut self, outcome: Outcome, duration: Duration, at: Timestamp) {
        self.runs.count(outcome);
        self.duration = duration;
        self.last_ended = self.last_ended.max(Some(at));
        if outcome.is_success() {
            self.last_success = self.last_success.max(Some(at));
        }
    }

    /// Records a verification that found no fault.
    pub(crate) fn verified(&mut self, at: Timestamp) {
        self.last_verified = self.last_verified.max(Some(at));
    }

    /// Records a backup of the catalog or of an event. A backup that is older than a recorded one changes nothing,
    /// because the profile that contains the newer one may be unavailable.
    pub(crate) fn read(&mut self, manifest: &Manifest) {
        let at = Some(manifest.completed_at);
        if at > self.last_ended {
            self.last_ended = at;
            self.duration = Duration::from_millis(manifest.duration_ms);
        }
        if !manifest.status.is_complete() {
            return;
        }
        self.last_success = self.last_success.max(at);
        if at >= self.contents_of {
            self.contents_of = at;
            // A backup in a directory tree has no archive.
            if let Some(archive) = &manifest.archive {
                self.archive_bytes = archive.size_bytes;
            }
            self.records.clear();
            for entity in &manifest.entities {
                let records = self.records.entry(entity.entity.clone()).or_default();
                *records = records.saturating_add(entity.item_count);
            }
        }
    }
}

/// The number of runs by their outcomes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Runs([u64; Outcome::ALL.len()]);

impl Runs {
    /// Counts a run.
    pub(crate) fn count(&mut self, outcome: Outcome) {
        let counted = Outcome::ALL.into_iter().zip(&mut self.0);
        for (_, count) in counted.filter(|(known, _)| *known == outcome) {
            *count = count.saturating_add(1);
        }
    }

    /// Adds the runs of other series.
    pub(crate) fn add(&mut self, other: &Self) {
        for (count, added) in self.0.iter_mut().zip(other.0) {
            *count = count.saturating_add(added);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Outcome, u64)> + '_ {
        Outcome::ALL.into_iter().zip(self.0)
    }
}
