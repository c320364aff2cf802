//! The content of an event store in memory at one point in time.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use koan_backup_core::event_store::{EventKey, PositionedEvent};

use super::aggregate::Aggregate;

/// The aggregates of one object name by their ids.
pub(super) type Aggregates = BTreeMap<String, Arc<Aggregate>>;

/// The current content, which all clones share.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedContent(Arc<Mutex<Arc<Content>>>);

impl SharedContent {
    /// Returns the current content.
    pub(super) fn current(&self) -> Arc<Content> {
        Arc::clone(&self.lock())
    }

    /// Locks the content for a short access.
    pub(super) fn lock(&self) -> MutexGuard<'_, Arc<Content>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The content of the store. Copies share what they have in common.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    objects: BTreeMap<String, Arc<Aggregates>>,
    /// The positions that belong to an event.
    pub(super) positions: Arc<BTreeSet<i64>>,
    /// The position after the highest that was ever assigned.
    pub(super) next_position: i64,
}

impl Content {
    pub(super) fn object_names(&self) -> impl Iterator<Item = &String> {
        self.objects.keys()
    }

    pub(super) fn aggregates(&self, object: &str) -> Option<&Arc<Aggregates>> {
        self.objects.get(object)
    }

    pub(super) fn aggregate(&self, object: &str, object_id: &str) -> Option<&Arc<Aggregate>> {
        self.objects.get(object)?.get(object_id)
    }

    /// Returns the next ids, at most `limit`.
    pub(super) fn object_ids(&self, object: &str, after: Option<&str>, limit: usize) -> Vec<String> {
        let Some(aggregates) = self.objects.get(object) else { return Vec::new() };
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        aggregates.range::<str, _>((start, Bound::Unbounded)).take(limit).map(|(id, _)| id.clone()).collect()
    }

    /// Returns an aggregate to change it. It is created if it does not exist.
    pub(super) fn aggregate_mut(&mut self, object: &str, object_id: &str) -> &mut Aggregate {
        let aggregates = Arc::make_mut(self.objects.entry(object.to_owned()).or_default());
        Arc::make_mut(aggregates.entry(object_id.to_owned()).or_default())
    }

    /// Returns an existing aggregate to change it.
    pub(super) fn existing_mut(&mut self, object: &str, object_id: &str) -> Option<&mut Aggregate> {
        self.aggregate(object, object_id)?;
        Some(self.aggregate_mut(object, object_id))
    }

    /// Replaces an aggregate, or removes it if nothing is stored about it.
    pub(super) fn set(&mut self, object: &str, object_id: &str, aggregate: Option<Arc<Aggregate>>) {
        let aggregate = aggregate.filter(|aggregate| !aggregate.is_empty());
        let aggregates = Arc::make_mut(self.objects.entry(object.to_owned()).or_default());
        match aggregate {
            Some(aggregate) => aggregates.insert(object_id.to_owned(), aggregate),
            None => aggregates.remove(object_id),
        };
        if aggregates.is_empty() {
            self.objects.remove(object);
        }
    }

    /// Removes an aggregate about which nothing is stored.
    pub(super) fn remove_if_empty(&mut self, object: &str, object_id: &str) {
        if self.aggregate(object, object_id).is_some_and(|aggregate| aggregate.is_empty()) {
            self.set(object, object_id, None);
        }
    }

    /// Returns the events that have one of these positions.
    pub(super) fn events_with_positions(&self, positions: &[i64]) -> Vec<PositionedEvent> {
        let wanted: BTreeSet<_> =
            positions.iter().filter(|position| self.positions.contains(position)).collect();
        let mut found = Vec::new();
        if wanted.is_empty() {
            return found;
        }
        for (object, aggregates) in &self.objects {
            let events = aggregates
                .values()
                .flat_map(|aggregate| aggregate.streams.iter().flat_map(|stream| &stream.events));
            for event in events.filter(|event| event.position.is_some_and(|at| wanted.contains(&at))) {
                let key = EventKey {
                    object_id: event.object_id.clone(),
                    stream_id: event.stream_id.clone(),
                    version: event.version,
                };
                found.push(PositionedEvent { object: object.clone(), key });
            }
        }
        found
    }

    /// Assigns the next position.
    pub(super) fn assign_position(&mut self) -> i64 {
        let position = self.next_position;
        self.next_position = position.saturating_add(1);
        Arc::make_mut(&mut self.positions).insert(position);
        position
    }

    /// Adds a position. Returns whether it belonged to no event.
    pub(super) fn add_position(&mut self, position: i64) -> bool {
        self.next_position = self.next_position.max(position.saturating_add(1));
        Arc::make_mut(&mut self.positions).insert(position)
    }

    pub(super) fn remove_position(&mut self, position: Option<i64>) {
        if let Some(position) = position {
            Arc::make_mut(&mut self.positions).remove(&position);
        }
    }
}
