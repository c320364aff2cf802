//! Events that are removed before the restore comes to their stream, because the backup gives their positions to others.

use std::collections::{BTreeMap, BTreeSet};

use super::super::plan::PlannedRestore;
use crate::entity::stream::StreamPart;
use crate::foundation::error::Result;
use crate::provider::event_store::{EventKey, EventWriter, MaskedWriter, PositionedEvent};

/// The events that were removed from the end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RemovedEvents {
    /// The version of the first removed event.
    pub(super) from: u64,
    pub(super) count: u64,
}

impl RemovedEvents {
    /// Returns the version of the last event before the removal.
    pub(super) fn last(self) -> Option<u64> {
        self.from.saturating_add(self.count).checked_sub(1)
    }
}

/// The early removals of one session. Their number is at most that of the streams that differ from the backup.
///
/// All events of a store share its positions. If a restore replaces everything, an event of the backup may get a position
/// that an existing event of a later aggregate has. That event differs from the backup, so the restore removes it anyway.
#[derive(Debug, Default)]
pub(super) struct EarlyRemovals {
    /// The object names whose events were not begun.
    later: BTreeSet<&'static str>,
    aggregates: BTreeMap<(String, String), BTreeMap<String, RemovedEvents>>,
}

impl EarlyRemovals {
    /// Begins the events of an object name. `planned` contains all entries of the session.
    pub(super) fn begin_events(&mut self, object: &'static str, planned: &[PlannedRestore], is_first: bool) {
        if is_first {
            let descriptors = planned.iter().map(|entry| entry.codec.descriptor());
            let events =
                descriptors.filter(|descriptor| descriptor.stream_part() == Some(StreamPart::Events));
            self.later = events.filter_map(|descriptor| descriptor.stream_object()).collect();
        }
        self.later.remove(object);
    }

    /// Removes the existing events that have one of these positions, and the events after them, from the streams that the
    /// restore has not begun. `current` is the object name and the object id of the aggregate that is being restored. Returns
    /// the events of this aggregate that have one of the positions.
    pub(super) async fn free(
        &mut self,
        writer: &mut MaskedWriter<'_>,
        current: (&str, &str),
        positions: &[i64],
    ) -> Result<Vec<EventKey>> {
        let mut of_current = Vec::new();
        let mut firsts: BTreeMap<(String, String, String), u64> = BTreeMap::new();
        // The positions may belong to aggregates of a type that is encrypted.
        let mut writer = writer.masking_all();
        for PositionedEvent { object, key } in writer.events_with_positions(current.0, positions).await? {
            if (object.as_str(), key.object_id.as_str()) == current {
                of_current.push(key);
                continue;
            }
            let is_later = match object == current.0 {
                true => key.object_id.as_str() > current.1,
                false => self.later.contains(object.as_str()),
            };
            if is_later {
                let first = firsts.entry((object, key.object_id, key.stream_id)).or_insert(key.version);
                *first = key.version.min(*first);
            }
        }
        for ((object, object_id, stream_id), from) in firsts {
            let count = writer.truncate(&object, &object_id, &stream_id, from).await?;
            let streams = self.aggregates.entry((object, object_id)).or_default();
            let removed = streams.entry(stream_id).or_insert(RemovedEvents { from, count: 0 });
            removed.from = removed.from.min(from);
            removed.count = removed.count.saturating_add(count);
        }
        Ok(of_current)
    }

    /// Returns what was removed of the streams of an aggregate, once.
    pub(super) fn take(&mut self, object: &str, object_id: &str) -> BTreeMap<String, RemovedEvents> {
        self.aggregates.remove(&(object.to_owned(), object_id.to_owned())).unwrap_or_default()
    }

    /// Returns the number of removed events of one object name that were not taken.
    pub(super) fn take_rest(&mut self, object: &str) -> u64 {
        let is_of_object = |(of, _): &(String, String), _: &mut BTreeMap<_, _>| of == object;
        let rest = self.aggregates.extract_if(.., is_of_object);
        rest.flat_map(|(_, streams)| streams.into_values()).map(|removed| removed.count).sum()
    }
}
