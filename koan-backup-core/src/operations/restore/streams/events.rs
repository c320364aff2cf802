//! Restores the events of one object name.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;

use super::decisions::{Difference, ObjectDecisions};
use super::early_removals::{EarlyRemovals, RemovedEvents};
use super::other_aggregates::OtherAggregates;
use super::target::{Target, other_part};
use crate::entity::stream::{StreamEvent, StreamPart};
use crate::foundation::error::Result;
use crate::provider::event_store::{
    EventKey, EventWriter, MaskedWriter, OrderCheck, RecordPosition, Start, StreamHeads, StreamRecords,
};
use crate::provider::{RecordBatch, TargetWriter, WriteCounts};

/// The writer of the events of one object name.
#[derive(Debug)]
pub(super) struct EventTarget<'s> {
    target: Target<'s>,
    current: Option<Aggregate>,
    others: OtherAggregates,
    early_removals: &'s mut EarlyRemovals,
    /// Events that are to be added, all of one batch.
    pending: Vec<StreamEvent>,
}

/// The aggregate whose events are being restored.
#[derive(Debug)]
struct Aggregate {
    object_id: String,
    state: State,
    streams: BTreeMap<String, Stream>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Missing,
    Equal,
    Kept,
    Replaced,
}

/// One stream of an aggregate, in the store or in the backup.
#[derive(Debug, Default)]
struct Stream {
    /// The version of its last event in the store, before the restore.
    existing: Option<u64>,
    /// The version of its last event in the backup so far.
    archived: Option<u64>,
    /// The events that were removed from the store, if the stream was cut.
    removed: Option<RemovedEvents>,
    /// The number of removed events that were written again.
    rewritten: u64,
}

impl Stream {
    /// Returns whether the store still contains the existing event with this version.
    fn still_has(&self, version: u64) -> bool {
        self.existing >= Some(version) && self.removed.is_none_or(|removed| version < removed.from)
    }

    /// Returns whether the store still contains existing events after the last archived one.
    fn has_more(&self) -> bool {
        self.still_has(self.archived.map_or(0, |archived| archived.saturating_add(1)))
    }
}

type ExistingEvents = HashMap<EventKey, StreamEvent>;

impl<'s> EventTarget<'s> {
    pub(super) fn new(
        writer: MaskedWriter<'s>,
        decisions: &'s mut ObjectDecisions,
        early_removals: &'s mut EarlyRemovals,
    ) -> Self {
        let order = OrderCheck::new(StreamPart::Events, Start::OfPart);
        let target = Target { writer, decisions, counts: WriteCounts::default(), order };
        Self {
            target,
            current: None,
            others: OtherAggregates::default(),
            early_removals,
            pending: Vec::new(),
        }
    }

    /// Returns the versions of the existing streams of those aggregates of a batch that were not begun.
    async fn heads(&mut self, events: &[StreamEvent]) -> Result<HashMap<String, StreamHeads>> {
        if self.target.decisions.was_empty {
            return Ok(HashMap::new());
        }
        let current = self.current.as_ref().map(|current| current.object_id.as_str());
        let ids: BTreeSet<_> = events
            .iter()
            .map(|event| &event.object_id)
            .filter(|id| Some(id.as_str()) != current)
            .cloned()
            .collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<_> = ids.into_iter().collect();
        let heads = self.target.writer.heads(self.target.decisions.object, &ids).await?;
        Ok(heads.into_iter().map(|heads| (heads.object_id.clone(), heads)).collect())
    }

    /// Returns the existing events with the keys of a batch.
    async fn existing(
        &mut self,
        events: &[StreamEvent],
        heads: &HashMap<String, StreamHeads>,
    ) -> Result<ExistingEvents> {
        let may_exist = |event: &&StreamEvent| match &self.current {
            Some(current) if current.object_id == event.object_id => {
                let existing = current.streams.get(&event.stream_id).and_then(|stream| stream.existing);
                matches!(current.state, State::Equal | State::Replaced) && existing >= Some(event.version)
            }
            _ => heads.contains_key(&event.object_id),
        };
        let keys: Vec<_> = events.iter().filter(may_exist).map(key_of).collect();
        if keys.is_empty() {
            return Ok(ExistingEvents::new());
        }
        let found = self.target.writer.events_at(self.target.decisions.object, &keys).await?;
        Ok(found.into_iter().map(|event| (key_of(&event), event)).collect())
    }

    async fn begin_aggregate(&mut self, object_id: &str, heads: Option<StreamHeads>) -> Result<()> {
        self.end_aggregate().await?;
        if heads.is_some() {
            self.target.decisions.refuse_existing(object_id)?;
        }
        if self.target.decisions.options.replace_existing && !self.target.decisions.was_empty {
            self.remove_others(Some(object_id)).await?;
        }
        let mut state = if heads.is_some() { State::Equal } else { State::Missing };
        let streams = heads.into_iter().flat_map(|heads| heads.streams);
        let mut streams: BTreeMap<_, _> = streams
            .map(|head| (head.stream_id, Stream { existing: Some(head.version), ..Stream::default() }))
            .collect();
        for (stream_id, removed) in self.early_removals.take(self.target.decisions.object, object_id) {
            let stream = streams.entry(stream_id).or_default();
            (stream.existing, stream.removed) = (removed.last(), Some(removed));
            let difference = format!("version {} has another position", removed.from);
            if self.target.decisions.differs(object_id, &difference)? == Difference::Replaced {
                state = State::Replaced;
            }
        }
        self.current = Some(Aggregate { object_id: object_id.to_owned(), state, streams });
        Ok(())
    }

    /// Removes the aggregates before `next` that the backup does not contain, or all remaining ones.
    async fn remove_others(&mut self, next: Option<&str>) -> Result<()> {
        let Self { target, others, early_removals, .. } = self;
        while let Some(id) = others.next(&mut target.writer, target.decisions.object, next).await? {
            target.remove_aggregate(&id).await?;
            let early = early_removals.take(target.decisions.object, &id);
            target.counts.deleted += early.values().map(|removed| removed.count).sum::<u64>();
        }
        Ok(())
    }

    /// Decides about the next event of the current aggregate.
    async fn restore(&mut self, event: StreamEvent, existing: &ExistingEvents) -> Result<()> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let stream = current.streams.entry(event.stream_id.clone()).or_default();
        stream.archived = Some(event.version);
        let is_equal =
            || existing.get(&key_of(&event)).is_some_and(|existing| existing.is_stored_form_of(&event));
        if current.state == State::Equal && !is_equal() {
            let difference = match stream.existing >= Some(event.version) {
                true => format!("version {} differs", event.version),
                false => format!("version {} is missing", event.version),
            };
            current.state = match self.target.decisions.differs(&event.object_id, &difference)? {
                Difference::Kept => State::Kept,
                Difference::Replaced => State::Replaced,
            };
        }
        let counts = &mut self.target.counts;
        match current.state {
            State::Equal => counts.unchanged += 1,
            State::Kept => counts.kept += 1,
            State::Replaced if stream.still_has(event.version) && is_equal() => counts.unchanged += 1,
            State::Missing => {
                counts.inserted += 1;
                self.pending.push(event);
            }
            State::Replaced => {
                if stream.still_has(event.version) {
                    self.cut(&event.object_id, &event.stream_id, event.version).await?;
                }
                self.add_replaced(event);
            }
        }
        Ok(())
    }

    /// Adds an event of a stream that was cut.
    fn add_replaced(&mut self, event: StreamEvent) {
        let streams = self.current.as_mut().map(|current| &mut current.streams);
        match streams.and_then(|streams| streams.get_mut(&event.stream_id)) {
            Some(stream) if stream.existing >= Some(event.version) => {
                stream.rewritten += 1;
                self.target.counts.updated += 1;
            }
            _ => self.target.counts.inserted += 1,
        }
        self.pending.push(event);
    }

    /// Removes the events of an existing stream from a version on. Pending events are added later: none of them is before
    /// this version in this stream.
    async fn cut(&mut self, object_id: &str, stream_id: &str, from: u64) -> Result<()> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let Some(stream) = current.streams.get_mut(stream_id) else { return Ok(()) };
        let end = stream.removed.map(|removed| removed.from);
        let end = end.or(stream.existing.map(|last| last.saturating_add(1))).unwrap_or_default();
        let count = match self.target.decisions.is_writing() {
            true => {
                let object = self.target.decisions.object;
                self.target.writer.truncate(object, object_id, stream_id, from).await?
            }
            false => end.saturating_sub(from),
        };
        let count = stream.removed.map_or(0, |removed| removed.count).saturating_add(count);
        stream.removed = Some(RemovedEvents { from, count });
        Ok(())
    }

    async fn add_pending(&mut self) -> Result<()> {
        let events = std::mem::take(&mut self.pending);
        if events.is_empty() || !self.target.decisions.is_writing() {
            return Ok(());
        }
        self.free_positions(&events).await?;
        let count = events.len();
        let added = self.target.writer.append(self.target.decisions.object, events).await?;
        self.target.decisions.require_count(count, added)
    }

    /// Removes existing events that have the positions of these events, if the restore replaces them later anyway.
    async fn free_positions(&mut self, events: &[StreamEvent]) -> Result<()> {
        let (decisions, Some(current)) = (&mut self.target.decisions, &mut self.current) else {
            return Ok(());
        };
        let positions: Vec<_> = events.iter().filter_map(|event| event.position).collect();
        if !decisions.options.replace_existing || !decisions.store.positions || positions.is_empty() {
            return Ok(());
        }
        let object_id = current.object_id.clone();
        let subject = (decisions.object, object_id.as_str());
        let of_current = self.early_removals.free(&mut self.target.writer, subject, &positions).await?;
        let mut firsts: BTreeMap<String, u64> = BTreeMap::new();
        for key in of_current {
            // An event that was compared has its position in the backup.
            let stream = current.streams.get(&key.stream_id);
            if stream
                .is_some_and(|stream| stream.archived < Some(key.version) && stream.still_has(key.version))
            {
                let first = firsts.entry(key.stream_id).or_insert(key.version);
                *first = key.version.min(*first);
            }
        }
        for (stream_id, from) in firsts {
            if let Some(current) = self.current.as_mut().filter(|current| current.state != State::Replaced) {
                let difference = format!("version {from} has another position");
                self.target.decisions.differs(&object_id, &difference)?;
                current.state = State::Replaced;
            }
            self.cut(&object_id, &stream_id, from).await?;
        }
        Ok(())
    }

    /// Compares the ends of the streams of the current aggregate, after its last archived event.
    async fn end_aggregate(&mut self) -> Result<()> {
        let Some(current) = &mut self.current else { return Ok(()) };
        if current.state == State::Equal
            && let Some(stream) = current.streams.values().find(|stream| stream.has_more())
        {
            let difference = match stream.archived {
                None => "it has a stream that the backup does not contain".to_owned(),
                Some(archived) => format!(
                    "it has later events up to version {}, and the backup ends at version {archived}",
                    stream.existing.unwrap_or_default()
                ),
            };
            let object_id = current.object_id.clone();
            current.state = match self.target.decisions.differs(&object_id, &difference)? {
                Difference::Kept => State::Kept,
                Difference::Replaced => State::Replaced,
            };
        }
        if current.state != State::Replaced {
            self.current = None;
            return Ok(());
        }
        let object_id = current.object_id.clone();
        let longer = current.streams.iter().filter(|(_, stream)| stream.has_more());
        let longer: Vec<_> = longer
            .map(|(id, stream)| (id.clone(), stream.archived.map_or(0, |last| last.saturating_add(1))))
            .collect();
        for (stream_id, from) in longer {
            self.cut(&object_id, &stream_id, from).await?;
        }
        let streams = self.current.take().map(|current| current.streams).unwrap_or_default();
        let removed = |stream: &Stream| stream.removed.map_or(0, |removed| removed.count);
        let deleted = streams.values().map(|stream| removed(stream).saturating_sub(stream.rewritten));
        self.target.counts.deleted += deleted.sum::<u64>();
        self.remove_parts_without_entry(&object_id).await
    }

    /// Removes the document and the snapshots of a replaced aggregate if the restore does not write them later, because
    /// they describe the removed events.
    async fn remove_parts_without_entry(&mut self, object_id: &str) -> Result<()> {
        let Target { writer, decisions, .. } = &mut self.target;
        if !decisions.is_writing() {
            return Ok(());
        }
        let ids = [object_id.to_owned()];
        if !decisions.parts.contains(&StreamPart::Documents)
            && !writer.documents_of(decisions.object, &ids).await?.is_empty()
        {
            writer.remove_document(decisions.object, object_id).await?;
        }
        if !decisions.parts.contains(&StreamPart::Snapshots) {
            let keys = writer.snapshot_keys(decisions.object, &ids).await?;
            if !keys.is_empty() {
                let removed = writer.remove_snapshots(decisions.object, &keys).await?;
                decisions.require_count(keys.len(), removed)?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl TargetWriter for EventTarget<'_> {
    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let StreamRecords::Events(mut events) = batch.into_stream_records()? else {
            return Err(other_part());
        };
        if !self.target.decisions.store.positions {
            events.iter_mut().for_each(|event| event.position = None);
        }
        events.iter().for_each(|event| self.target.order.push(RecordPosition::from(event)));
        self.target.decisions.require_order(&self.target.order)?;
        let mut heads = self.heads(&events).await?;
        let existing = self.existing(&events, &heads).await?;
        for event in events {
            if self.current.as_ref().is_none_or(|current| current.object_id != event.object_id) {
                let heads = heads.remove(&event.object_id);
                self.begin_aggregate(&event.object_id, heads).await?;
            }
            self.restore(event, &existing).await?;
        }
        self.add_pending().await
    }

    async fn finish(mut self: Box<Self>) -> Result<WriteCounts> {
        self.end_aggregate().await?;
        if self.target.decisions.options.replace_existing && !self.target.decisions.was_empty {
            self.remove_others(None).await?;
        }
        // What remains are aggregates that the backup does not contain, and of which nothing was left to list.
        self.target.counts.deleted += self.early_removals.take_rest(self.target.decisions.object);
        Ok(self.target.counts)
    }
}

fn key_of(event: &StreamEvent) -> EventKey {
    EventKey {
        object_id: event.object_id.clone(),
        stream_id: event.stream_id.clone(),
        version: event.version,
    }
}
