//! The values of the metrics.

use std::collections::BTreeMap;
use std::time::Instant;

use koan_backup_core::BackupId;

use crate::outcome::{OperationKind, Outcome};
use crate::series::{Runs, Series};

/// The name under which the runs of further series are counted.
pub(crate) const OTHER_SERIES: &str = "other";

/// The values of the metrics.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) series: BTreeMap<String, Series>,
    max_series: usize,
    /// The runs of series without metrics of their own.
    pub(crate) other: Option<Runs>,
    /// The running operations, each with the time of its start.
    running: BTreeMap<(OperationKind, BackupId), Running>,
    /// The number of gaps in the coverage; `None` until a context is attached.
    pub(crate) uncovered: Option<u64>,
    /// The storage profiles, and whether they are available.
    pub(crate) profiles: BTreeMap<String, bool>,
}

/// A running operation.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) series: String,
    pub(crate) since: Instant,
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

    pub(crate) fn started(&mut self, kind: OperationKind, id: BackupId, series: String) {
        self.running.insert((kind, id), Running { series, since: Instant::now() });
    }

    /// Removes a running operation. Returns `None` if its start is unknown.
    pub(crate) fn ended(&mut self, kind: OperationKind, id: BackupId) -> Option<Running> {
        self.running.remove(&(kind, id))
    }

    /// Returns the number of running operations of a kind.
    pub(crate) fn in_progress(&self, kind: OperationKind) -> u64 {
        let running = self.running.keys().filter(|(known, _)| *known == kind);
        running.fold(0, |count, _| count + 1)
    }
}
