//! The metrics of the single backups of event streams with one object name.

use std::collections::BTreeMap;

use jiff::Timestamp;
use koan_backup_core::ErrorKind;

use crate::outcome::Outcome;
use crate::series::Runs;

/// The runs of single backups and of their restores.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StreamRuns {
    pub(crate) backups: Runs,
    pub(crate) restores: Runs,
}

/// The metrics of one object name.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StreamMetrics {
    pub(crate) runs: StreamRuns,
    pub(crate) last_success: Option<Timestamp>,
}

impl StreamMetrics {
    /// Records when a backup was made.
    pub(crate) fn made(&mut self, at: Timestamp) {
        self.last_success = self.last_success.max(Some(at));
    }
}

/// The metrics of all object names.
#[derive(Debug)]
pub(crate) struct StreamState {
    pub(crate) objects: BTreeMap<String, StreamMetrics>,
    max_objects: usize,
    /// The runs of object names without metrics of their own.
    pub(crate) other: Option<StreamRuns>,
}

impl StreamState {
    pub(crate) fn new(max_objects: usize) -> Self {
        Self { objects: BTreeMap::new(), max_objects, other: None }
    }

    /// Returns the metrics of an object name, or `None` if there are too many object names.
    pub(crate) fn object(&mut self, name: &str) -> Option<&mut StreamMetrics> {
        if !self.objects.contains_key(name) {
            if self.objects.len() >= self.max_objects {
                return None;
            }
            self.objects.insert(name.to_owned(), StreamMetrics::default());
        }
        self.objects.get_mut(name)
    }

    /// Records the end of a single backup.
    pub(crate) fn backup_ended(&mut self, object: &str, error: Option<ErrorKind>) {
        self.runs(Some(object)).backups.count(outcome(error));
        if let (None, Some(metrics)) = (error, self.object(object)) {
            metrics.made(Timestamp::now());
        }
    }

    /// Records the end of a restore. The object name is not known if the backup was not found.
    pub(crate) fn restore_ended(&mut self, object: Option<&str>, error: Option<ErrorKind>) {
        self.runs(object).restores.count(outcome(error));
    }

    fn runs(&mut self, object: Option<&str>) -> &mut StreamRuns {
        let has_metrics = object.is_some_and(|object| self.object(object).is_some());
        match object.filter(|_| has_metrics).and_then(|object| self.objects.get_mut(object)) {
            Some(metrics) => &mut metrics.runs,
            None => self.other.get_or_insert_default(),
        }
    }
}

fn outcome(error: Option<ErrorKind>) -> Outcome {
    match error {
        None => Outcome::Completed,
        Some(ErrorKind::Cancelled) => Outcome::Cancelled,
        Some(_) => Outcome::Failed,
    }
}
