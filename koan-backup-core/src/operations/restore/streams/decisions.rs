//! The decisions of a restore about the streams of one object name.

use std::collections::BTreeSet;

use crate::entity::stream::StreamPart;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::provider::event_store::{EventStoreCapabilities, OrderCheck};
use crate::provider::{ConflictMode, SessionIntent, SessionOptions};

/// What a restore has decided about the streams of one object name. Its size is proportional to the number of aggregates
/// that differ.
#[derive(Debug)]
pub(super) struct ObjectDecisions {
    pub(super) object: &'static str,
    /// Whether errors may contain object ids.
    pub(super) shows_ids: bool,
    pub(super) options: SessionOptions,
    pub(super) store: EventStoreCapabilities,
    /// The parts that the restore writes.
    pub(super) parts: BTreeSet<StreamPart>,
    /// Whether the store contained nothing with this object name.
    pub(super) was_empty: bool,
    /// The aggregates that differ and are kept.
    pub(super) kept: BTreeSet<String>,
    /// The aggregates that were replaced, and whose document is not written yet.
    pub(super) without_document: BTreeSet<String>,
    /// The aggregates that a dry run would have removed with their snapshots, because the backup does not contain them.
    pub(super) removed_by_dry_run: BTreeSet<String>,
    /// What was removed with aggregates that the backup does not contain.
    pub(super) deleted_documents: u64,
    pub(super) deleted_snapshots: u64,
}

impl ObjectDecisions {
    pub(super) fn is_writing(&self) -> bool {
        self.options.intent == SessionIntent::Apply
    }

    /// Decides about an aggregate that exists and differs.
    ///
    /// # Errors
    /// It may be neither kept nor replaced.
    pub(super) fn differs(&mut self, object_id: &str, difference: &str) -> Result<Difference> {
        if self.options.replace_existing {
            if self.parts.contains(&StreamPart::Documents) {
                self.without_document.insert(object_id.to_owned());
            }
            return Ok(Difference::Replaced);
        }
        if self.options.conflict == ConflictMode::Keep {
            self.kept.insert(object_id.to_owned());
            return Ok(Difference::Kept);
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!("{} exists and differs from the backup: {difference}", self.stream_text(object_id)),
        )
        .with_help(
            "keep it with `.on_conflict(ConflictMode::Keep)`, or replace all streams of the backup with \
             `.replace_existing()`, which removes the events that came later",
        ))
    }

    /// Refuses an existing aggregate in the conflict mode [`ConflictMode::Fail`].
    pub(super) fn refuse_existing(&self, object_id: &str) -> Result<()> {
        if self.options.conflict != ConflictMode::Fail || self.options.replace_existing {
            return Ok(());
        }
        let text =
            format!("{} exists already; restore with another conflict mode", self.stream_text(object_id));
        Err(Error::new(ErrorKind::Conflict, text))
    }

    pub(super) fn stream_text(&self, object_id: &str) -> String {
        let id = if self.shows_ids { object_id } else { "(hidden)" };
        format!("event stream {} `{id}`", self.object)
    }

    /// Returns the error for records whose order is wrong.
    pub(super) fn require_order(&self, order: &OrderCheck) -> Result<()> {
        let Some(fault) = &order.fault else { return Ok(()) };
        let text = format!(
            "event stream {} {}; nothing was committed; restore another backup",
            self.object,
            fault.text(self.shows_ids)
        );
        Err(Error::new(ErrorKind::Corrupt, text))
    }

    /// Returns the error of a store that reports another number than the number of written records.
    pub(super) fn require_count(&self, written: usize, reported: u64) -> Result<()> {
        if u64::try_from(written) == Ok(reported) {
            return Ok(());
        }
        let text = format!(
            "{written} records of the event streams `{}` were written, and the event store reports {reported}; a trigger \
             or rule of the database may drop or redirect them",
            self.object
        );
        Err(Error::new(ErrorKind::Constraint, text))
    }
}

/// What happens to an aggregate that differs from the backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    Kept,
    Replaced,
}
