//! Restores event streams: a missing stream is written, an equal one is unchanged, and one that differs is kept, refused or
//! replaced as a whole.
//!
//! The engine compares each archived event with the existing one, and writes nothing to a stream before it has found a
//! difference. A replaced stream is cut at its first difference, so that it contains exactly the events of the backup.

mod decisions;
mod documents;
mod early_removals;
mod events;
mod other_aggregates;
mod snapshots;
mod target;

use std::collections::{BTreeMap, BTreeSet};

use self::decisions::ObjectDecisions;
use self::documents::DocumentTarget;
use self::early_removals::EarlyRemovals;
use self::events::EventTarget;
use self::snapshots::SnapshotTarget;
use super::plan::PlannedRestore;
use crate::entity::stream::StreamPart;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::provider::event_store::{EventStoreCapabilities, EventWriter, MaskedWriter, StoreErrors};
use crate::provider::{RestoreSession, SessionOptions, TargetWriter};

/// The decisions about the event streams of one session, by object name.
#[derive(Debug, Default)]
pub(super) struct StreamDecisions {
    objects: BTreeMap<String, ObjectDecisions>,
    early_removals: EarlyRemovals,
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
        let mut writer = MaskedWriter::new(writer, StoreErrors::of(&entry.codec));
        if part == StreamPart::Events {
            let is_first = self.objects.is_empty();
            self.early_removals.begin_events(object, planned, is_first);
        }
        if !self.objects.contains_key(object) {
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
                removed_by_dry_run: BTreeSet::new(),
                deleted_documents: 0,
                deleted_snapshots: 0,
            };
            self.objects.insert(object.to_owned(), decisions);
        }
        let Some(decisions) = self.objects.get_mut(object) else {
            return Err(Error::new(ErrorKind::Internal, "the decisions about event streams are missing"));
        };
        Ok(match part {
            StreamPart::Events => Box::new(EventTarget::new(writer, decisions, &mut self.early_removals)),
            StreamPart::Documents => Box::new(DocumentTarget::new(writer, decisions)),
            StreamPart::Snapshots => Box::new(SnapshotTarget::new(writer, decisions)),
        })
    }
}
