//! The outcome of an operation on several aggregates, as people and programs read it.

use koan_backup_core::Error;
use koan_backup_core::streams::{BulkFailure, StreamRestoreOutcome, StreamRestoreReport};
use serde::{Serialize, Serializer};

use super::reference::{Unfound, aggregate};
use crate::amounts::{count, count_of, length};
use crate::exit::Exit;
use crate::failure::causes;
use crate::session::Session;

/// An aggregate that failed, as JSON contains it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Failed<'f> {
    object: Option<&'f str>,
    object_id: Option<&'f str>,
    backup: Option<String>,
    #[serde(serialize_with = "as_text")]
    error: &'f Error,
    #[serde(skip)]
    help: Option<&'f str>,
}

fn as_text<S: Serializer>(error: &&Error, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&error.chain())
}

impl<'f> From<&'f BulkFailure> for Failed<'f> {
    fn from(failure: &'f BulkFailure) -> Self {
        Self {
            object: failure.object.as_deref(),
            object_id: failure.object_id.as_deref(),
            backup: failure.backup.map(|id| id.to_string()),
            error: &failure.error,
            help: failure.error.help(),
        }
    }
}

impl<'f> From<&'f Unfound<'_>> for Failed<'f> {
    fn from(unfound: &'f Unfound<'_>) -> Self {
        Self {
            object: None,
            object_id: None,
            backup: Some(unfound.reference.to_string()),
            error: unfound.failure.error(),
            help: unfound.failure.help(),
        }
    }
}

/// The counts in JSON.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counts {
    pub(super) total: usize,
    pub(super) succeeded: usize,
    /// The aggregates that existed and were not changed. `None` if the command keeps none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kept: Option<usize>,
    pub(super) failed: usize,
    pub(super) not_started: usize,
}

impl Counts {
    /// The counts of one aggregate that was backed up.
    pub(super) const ONE: Self = Self { total: 1, succeeded: 1, kept: None, failed: 0, not_started: 0 };

    /// Returns the counts of restores that ended without an error.
    pub(super) fn of_restores(restored: &[StreamRestoreReport]) -> Self {
        let is_kept = |report: &&StreamRestoreReport| report.outcome == StreamRestoreOutcome::Kept;
        let (total, kept) = (restored.len(), restored.iter().filter(is_kept).count());
        Self { total, succeeded: total - kept, kept: Some(kept), failed: 0, not_started: 0 }
    }

    /// Reports the failures and the counts, and returns how the command ends. `done` says what was done, such as
    /// `backed up`.
    pub(super) fn report(self, session: &Session<'_>, failures: &[Failed<'_>], done: &str) -> Exit {
        let output = &session.output;
        for failure in failures {
            if output.is_json() {
                output.message("failure", failure);
                continue;
            }
            let subject = match (failure.object, &failure.backup) {
                (Some(object), _) => aggregate(object, failure.object_id),
                (None, Some(id)) => format!("single backup {id}"),
                (None, None) => "an aggregate".to_owned(),
            };
            output.labelled("error", &format!("{subject} was not {done}"));
            // The message of the error repeats the line above, if there are causes.
            let causes = match causes(failure.error) {
                causes if causes.is_empty() => vec![failure.error.message().to_owned()],
                causes => causes,
            };
            causes.iter().for_each(|cause| output.labelled("caused by", cause));
            if let Some(help) = failure.help {
                output.labelled("help", help);
            }
        }
        if output.is_json() {
            output.message("summary", self);
        } else {
            let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
            let mut facts = vec![format!("{} {done}", count_of(number(self.succeeded), "aggregate"))];
            if let Some(kept) = self.kept.filter(|kept| *kept > 0) {
                facts.push(format!("{} kept", count(number(kept))));
            }
            if !failures.is_empty() {
                facts.push(format!("{} failed", count(length(failures))));
            }
            if self.not_started > 0 {
                facts.push(format!("{} not begun", count(number(self.not_started))));
            }
            output.line(facts.join(", "));
        }
        let ended_well = self.succeeded + self.kept.unwrap_or_default();
        if ended_well == self.total {
            Exit::Done
        } else if session.cancel().is_cancelled() {
            Exit::Interrupted
        } else if ended_well > 0 {
            Exit::Attention
        } else {
            failures.first().map_or(Exit::Failed, |failure| Exit::of(failure.error.kind()))
        }
    }
}
