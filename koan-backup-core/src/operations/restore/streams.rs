//! Restores event streams: a missing stream is written, an equal one is unchanged, and one that differs is kept, refused or
//! replaced as a whole.
//!
//! The engine compares each archived event with the existing one, and writes nothing to a stream before it has found a
//! difference. A replaced stream is cut at its first difference, so that it contains exactly the events of the backup.

mod documents;
mod events;
mod other_objects;
mod snapshots;

use std::collections::{BTreeMap, BTreeSet};

use self::documents::DocumentTarget;
use self::events::EventTarget;
use self::snapshots::SnapshotTarget;
use super::plan::PlannedRestore;
use crate::entity::stream::StreamPart;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::provider::event_store::{EventStoreCapabilities, EventWriter, OrderCheck};
use crate::provider::{ConflictMode, RestoreSession, SessionIntent, SessionOptions, TargetWriter};

/// The decisions about the event streams of one session, by object name.
#[derive(Debug, Default)]
pub(super) struct StreamDecisions(BTreeMap<String, ObjectDecisions>);

/// What a restore has decided about the streams of one object name. Its size is proportional to the number of aggregates
/// that differ.
#[derive(Debug)]
struct ObjectDecisions {
    object: &'static str,
    /// Whether errors may contain object ids.
    shows_ids: bool,
    options: SessionOptions,
    store: EventStoreCapabilities,
    /// The parts that the restore writes.
    parts: BTreeSet<StreamPart>,
    /// Whether the store contained nothing with this object name.
    was_empty: bool,
    /// The aggregates that differ and are kept.
    kept: BTreeSet<String>,
    /// The aggregates that were replaced, and whose document or snapshots are not written yet.
    without_document: BTreeSet<String>,
    without_snapshots: BTreeSet<String>,
    /// What was removed with aggregates that the backup does not contain.
    deleted_documents: u64,
    deleted_snapshots: u64,
}

impl StreamDecisions {
    /// Begins a part of event streams in a session. `planned` contains all entries of the session.
    ///
    /// # Errors
    /// The provider has no event store, or the store cannot be read.
    pub(super) async fn begin<'s>(
        &'s mut self,
        session: &'s mut dyn RestoreSession,
        part: StreamPart,
        entry: &PlannedRestore,
        planned: &[PlannedRestore],
        store: EventStoreCapabilities,
        options: &SessionOptions,
    ) -> Result<Box<dyn TargetWriter + 's>> {
        let descriptor = entry.codec.descriptor();
        let writer = session.events();
        let (Some(writer), Some(object)) = (writer, descriptor.stream_object()) else {
            let text =
                format!("the provider of the event streams `{}` has no event store", entry.codec.name());
            return Err(
                Error::new(ErrorKind::Configuration, text).with_help("add one with `.event_store(…)`")
            );
        };
        if !self.0.contains_key(object) {
            let of_object = planned.iter().map(|entry| entry.codec.descriptor());
            let of_object = of_object.filter(|descriptor| descriptor.stream_object() == Some(object));
            let decisions = ObjectDecisions {
                object,
                shows_ids: entry.codec.shows_keys(),
                options: options.clone(),
                store,
                parts: of_object.filter_map(|descriptor| descriptor.stream_part()).collect(),
                was_empty: writer.is_empty(object).await?,
                kept: BTreeSet::new(),
                without_document: BTreeSet::new(),
                without_snapshots: BTreeSet::new(),
                deleted_documents: 0,
                deleted_snapshots: 0,
            };
            self.0.insert(object.to_owned(), decisions);
        }
        let Some(decisions) = self.0.get_mut(object) else {
            return Err(Error::new(ErrorKind::Internal, "the decisions about event streams are missing"));
        };
        Ok(match part {
            StreamPart::Events => Box::new(EventTarget::new(writer, decisions)),
            StreamPart::Documents => Box::new(DocumentTarget::new(writer, decisions)),
            StreamPart::Snapshots => Box::new(SnapshotTarget::new(writer, decisions)),
        })
    }
}

impl ObjectDecisions {
    fn is_writing(&self) -> bool {
        self.options.intent == SessionIntent::Apply
    }

    /// Decides about an aggregate that exists and differs.
    ///
    /// # Errors
    /// It may be neither kept nor replaced.
    fn differs(&mut self, object_id: &str, difference: &str) -> Result<Difference> {
        if self.options.replace_existing {
            if self.parts.contains(&StreamPart::Documents) {
                self.without_document.insert(object_id.to_owned());
            }
            if self.parts.contains(&StreamPart::Snapshots) {
                self.without_snapshots.insert(object_id.to_owned());
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
    fn refuse_existing(&self, object_id: &str) -> Result<()> {
        if self.options.conflict != ConflictMode::Fail || self.options.replace_existing {
            return Ok(());
        }
        let text =
            format!("{} exists already; restore with another conflict mode", self.stream_text(object_id));
        Err(Error::new(ErrorKind::Conflict, text))
    }

    fn stream_text(&self, object_id: &str) -> String {
        let id = if self.shows_ids { object_id } else { "(hidden)" };
        format!("event stream {} `{id}`", self.object)
    }

    /// Returns the error for records whose order is wrong.
    fn require_order(&self, order: &OrderCheck) -> Result<()> {
        let Some(fault) = &order.fault else { return Ok(()) };
        let text = format!(
            "event stream {} {}; nothing was committed; restore another backup",
            self.object,
            fault.text(self.shows_ids)
        );
        Err(Error::new(ErrorKind::Corrupt, text))
    }

    /// Returns the error of a store that reports another number than the number of written records.
    fn require_count(&self, written: usize, reported: u64) -> Result<()> {
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
enum Difference {
    Kept,
    Replaced,
}

/// A writer of one part of event streams received records of another.
fn other_part() -> Error {
    Error::new(ErrorKind::Internal, "a writer of event streams received records of another part")
}

/// The writer of the store and the decisions, which each part uses.
#[derive(Debug)]
struct Target<'s> {
    writer: &'s mut dyn EventWriter,
    decisions: &'s mut ObjectDecisions,
    counts: crate::provider::WriteCounts,
    order: OrderCheck,
}
