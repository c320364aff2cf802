//! Writing a copy of the content.

use async_trait::async_trait;
use koan_backup_core::event_store::{
    EventKey, EventWriter, PositionedEvent, RemovedObject, SnapshotKey, StreamDocument, StreamEvent,
    StreamHeads, StreamSnapshot,
};
use koan_backup_core::provider::SessionIntent;
use koan_backup_core::{Error, ErrorKind, Result};

use super::aggregate::{Aggregate, count};
use super::changes;
use super::session::{MemoryEventSession, SessionState};

impl MemoryEventSession {
    /// Returns aggregates, and remembers that the session depends on them.
    fn aggregates<'s>(
        &'s mut self,
        object: &str,
        object_ids: &[String],
    ) -> impl Iterator<Item = (String, &'s Aggregate)> {
        self.used.extend(object_ids.iter().map(|id| (object.to_owned(), id.clone())));
        let after = &self.after;
        let aggregate = |id: &String| Some((id.clone(), after.aggregate(object, id)?.as_ref()));
        object_ids.iter().filter_map(aggregate).collect::<Vec<_>>().into_iter()
    }

    /// Performs a change of an aggregate. After an error, the session cannot be committed.
    fn change<T>(
        &mut self,
        object: &str,
        object_id: &str,
        change: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let result = if self.state == SessionState::Failed {
            let text = format!("`{object}` `{object_id}` cannot be written, because the session has failed");
            Err(Error::new(ErrorKind::Conflict, text).with_help("repeat the restore"))
        } else if self.intent == SessionIntent::Compare {
            let text = format!("`{object}` `{object_id}` cannot be written in a dry run");
            Err(Error::new(ErrorKind::Unsupported, text))
        } else {
            self.used.insert((object.to_owned(), object_id.to_owned()));
            change(self)
        };
        if result.is_err() {
            self.state = SessionState::Failed;
        }
        result
    }
}

#[async_trait]
impl EventWriter for MemoryEventSession {
    async fn is_empty(&mut self, object: &str) -> Result<bool> {
        Ok(self.after.aggregates(object).is_none())
    }

    async fn object_ids(&mut self, object: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        Ok(self.after.object_ids(object, after, limit))
    }

    async fn heads(&mut self, object: &str, object_ids: &[String]) -> Result<Vec<StreamHeads>> {
        let heads =
            |(object_id, aggregate): (_, &Aggregate)| StreamHeads { object_id, streams: aggregate.heads() };
        Ok(self.aggregates(object, object_ids).map(heads).collect())
    }

    async fn events_at(&mut self, object: &str, keys: &[EventKey]) -> Result<Vec<StreamEvent>> {
        self.used.extend(keys.iter().map(|key| (object.to_owned(), key.object_id.clone())));
        let event = |key: &EventKey| {
            let aggregate = self.after.aggregate(object, &key.object_id)?;
            aggregate.event(&key.stream_id, key.version).map(|event| StreamEvent::clone(event))
        };
        Ok(keys.iter().filter_map(event).collect())
    }

    async fn events_with_positions(&mut self, _: &str, positions: &[i64]) -> Result<Vec<PositionedEvent>> {
        let found = self.after.events_with_positions(positions);
        self.used.extend(found.iter().map(|event| (event.object.clone(), event.key.object_id.clone())));
        Ok(found)
    }

    async fn documents_of(&mut self, object: &str, object_ids: &[String]) -> Result<Vec<StreamDocument>> {
        Ok(self.aggregates(object, object_ids).filter_map(|(_, stored)| stored.document.clone()).collect())
    }

    async fn snapshot_keys(&mut self, object: &str, object_ids: &[String]) -> Result<Vec<SnapshotKey>> {
        let snapshots = self.aggregates(object, object_ids).flat_map(|(_, stored)| &stored.snapshots);
        Ok(snapshots.map(SnapshotKey::from).collect())
    }

    async fn snapshots_at(&mut self, object: &str, keys: &[SnapshotKey]) -> Result<Vec<StreamSnapshot>> {
        self.used.extend(keys.iter().map(|key| (object.to_owned(), key.object_id.clone())));
        let snapshot = |key: &SnapshotKey| {
            let mut snapshots = self.after.aggregate(object, &key.object_id)?.snapshots.iter();
            snapshots.find(|snapshot| SnapshotKey::from(*snapshot) == *key).cloned()
        };
        Ok(keys.iter().filter_map(snapshot).collect())
    }

    async fn append(&mut self, object: &str, events: Vec<StreamEvent>) -> Result<u64> {
        let capabilities = self.capabilities;
        let appended = count(events.len());
        for event in events {
            let id = event.object_id.clone();
            self.change(object, &id, |session| {
                let key = EventKey {
                    object_id: event.object_id.clone(),
                    stream_id: event.stream_id.clone(),
                    version: event.version,
                };
                if changes::append(&mut session.after, capabilities, object, event)? {
                    session.assigned.insert((object.to_owned(), key));
                }
                Ok(())
            })?;
        }
        Ok(appended)
    }

    async fn truncate(&mut self, object: &str, object_id: &str, stream_id: &str, from: u64) -> Result<u64> {
        self.change(object, object_id, |session| {
            Ok(changes::truncate(&mut session.after, object, object_id, stream_id, from))
        })
    }

    async fn remove(&mut self, object: &str, object_id: &str) -> Result<RemovedObject> {
        self.change(object, object_id, |session| Ok(changes::remove(&mut session.after, object, object_id)))
    }

    async fn put_document(&mut self, object: &str, document: StreamDocument) -> Result<()> {
        let capabilities = self.capabilities;
        let id = document.object_id.clone();
        self.change(object, &id, |session| {
            changes::put_document(&mut session.after, capabilities, object, document)
        })
    }

    async fn remove_document(&mut self, object: &str, object_id: &str) -> Result<bool> {
        self.change(object, object_id, |session| {
            let aggregate = session.after.existing_mut(object, object_id);
            let removed = aggregate.and_then(|aggregate| aggregate.document.take());
            session.after.remove_if_empty(object, object_id);
            Ok(removed.is_some())
        })
    }

    async fn add_snapshots(&mut self, object: &str, snapshots: Vec<StreamSnapshot>) -> Result<u64> {
        let capabilities = self.capabilities;
        let added = count(snapshots.len());
        for snapshot in snapshots {
            let id = snapshot.object_id.clone();
            self.change(object, &id, |session| {
                changes::add_snapshot(&mut session.after, capabilities, object, snapshot)
            })?;
        }
        Ok(added)
    }

    async fn remove_snapshots(&mut self, object: &str, keys: &[SnapshotKey]) -> Result<u64> {
        let mut removed = 0;
        for key in keys {
            removed += self.change(object, &key.object_id, |session| {
                let Some(aggregate) = session.after.existing_mut(object, &key.object_id) else {
                    return Ok(0);
                };
                let before = aggregate.snapshots.len();
                let is_removed = |snapshot: &StreamSnapshot| {
                    snapshot.stream_id == key.stream_id && snapshot.version == key.version
                };
                aggregate.snapshots.retain(|snapshot| !is_removed(snapshot));
                let removed = before - aggregate.snapshots.len();
                session.after.remove_if_empty(object, &key.object_id);
                Ok(count(removed))
            })?;
        }
        Ok(removed)
    }
}
