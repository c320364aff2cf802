//! The values of the metrics.

use std::collections::BTreeMap;

use koan_backup_core::BackupId;

use crate::outcome::{OperationKind, Outcome};
use crate::series::{Runs, Series};
use crate::streams::StreamState;

/// The name under which the runs of further series are counted.
pub(crate) const OTHER_SERIES: &str = "other";

/// The values of the metrics.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) series: BTreeMap<String, Series>,
    max_series: usize,
    /// The runs of series without metrics of their own.
    pub(crate) other: Option<Runs>,
    /// The running operations by kind and backup. Two restores of one backup may run at the same time.
    running: BTreeMap<(OperationKind, BackupId), u64>,
    /// The number of gaps in the coverage; `None` until a context is attached.
    pub(crate) uncovered: Option<u64>,
    /// The storage profiles, and whether they are available.
    pub(crate) profiles: BTreeMap<String, bool>,
    /// The single backups of event streams.
    pub(crate) streams: StreamState,
}

impl State {
    /// Creates the values of the expected series, which are zero.
    pub(crate) fn new(series: impl IntoIterator<Item = String>, max_series: usize) -> Self {
        let mut state = Self {
            series: BTreeMap::new(),
            max_series,
            other: None,
            running: BTreeMap::new(),
            uncovered: None,
            profiles: BTreeMap::new(),
            streams: StreamState::new(max_series),
        };
        for name in series {
            state.series(&name);
        }
        state
    }

    /// Returns the metrics of a series, or `None` if there are too many series.
    pub(crate) fn series(&mut self, name: &str) -> Option<&mut Series> {
        if !self.series.contains_key(name) {
            if self.series.len() >= self.max_series {
                return None;
            }
            self.series.insert(name.to_owned(), Series::default());
        }
        self.series.get_mut(name)
    }

    /// Counts a run of a series without metrics of its own.
    pub(crate) fn count_other(&mut self, outcome: Outcome) {
        self.other.get_or_insert_default().count(outcome);
    }

    pub(crate) fn started(&mut self, kind: OperationKind, id: BackupId) {
        let count = self.running.entry((kind, id)).or_default();
        *count = count.saturating_add(1);
    }

    /// Removes a running operation, if its start is known.
    pub(crate) fn ended(&mut self, kind: OperationKind, id: BackupId) {
        if let Some(count) = self.running.get_mut(&(kind, id)) {
            *count = count.saturating_sub(1);
        }
        self.running.retain(|_, count| *count > 0);
    }

    /// Returns the number of running operations of a kind.
    pub(crate) fn in_progress(&self, kind: OperationKind) -> u64 {
        let running = self.running.iter().filter(|((known, _), _)| *known == kind);
        running.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }
}
