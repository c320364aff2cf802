//! A restore into an event store in memory.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use koan_backup_core::event_store::{
    EventKey, EventStoreCapabilities, EventStoreSession, EventWriter, StreamEvent,
};
use koan_backup_core::provider::SessionIntent;
use koan_backup_core::{Error, ErrorKind, Result};

use super::content::{Content, SharedContent};

/// A restore. It changes a copy of the content. The commit applies the changes to the current content.
#[derive(Debug)]
pub(super) struct MemoryEventSession {
    current: SharedContent,
    pub(super) capabilities: EventStoreCapabilities,
    pub(super) intent: SessionIntent,
    before: Arc<Content>,
    pub(super) after: Content,
    /// The aggregates that were read or written.
    pub(super) used: BTreeSet<(String, String)>,
    /// The events whose position the store assigned.
    pub(super) assigned: BTreeSet<(String, EventKey)>,
    pub(super) state: SessionState,
}

/// Whether a session can be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionState {
    Intact,
    /// A change failed.
    Failed,
}

impl MemoryEventSession {
    pub(super) fn new(
        current: SharedContent,
        capabilities: EventStoreCapabilities,
        intent: SessionIntent,
    ) -> Self {
        let before = current.current();
        let after = Content::clone(&before);
        let (used, assigned) = (BTreeSet::new(), BTreeSet::new());
        Self { current, capabilities, intent, before, after, used, assigned, state: SessionState::Intact }
    }

    fn apply(self, content: &mut Content) -> Result<()> {
        for (object, id) in &self.used {
            let (before, now) = (self.before.aggregate(object, id), content.aggregate(object, id));
            let is_same = match (before, now) {
                (None, None) => true,
                (Some(before), Some(now)) => Arc::ptr_eq(before, now),
                _ => false,
            };
            if !is_same {
                let text = format!("`{object}` `{id}` was changed by others during the restore");
                return Err(Error::new(ErrorKind::Conflict, text).with_help("repeat the restore"));
            }
        }
        let mut changed: Vec<_> = Vec::new();
        for (object, id) in &self.used {
            let before = self.before.aggregate(object, id);
            for event in events(before) {
                content.remove_position(event.position);
            }
            let after = self.after.aggregate(object, id);
            if let Some(after) = after {
                after.check(object, id)?;
            }
            changed.push((object, id, after.map(Arc::clone)));
        }
        for (object, id, after) in changed {
            let mut aggregate = after.map(|after| after.as_ref().clone());
            for stream in aggregate.iter_mut().flat_map(|aggregate| &mut aggregate.streams) {
                for event in &mut stream.events {
                    let key = EventKey {
                        object_id: id.clone(),
                        stream_id: stream.id.clone(),
                        version: event.version,
                    };
                    let is_assigned = self.assigned.contains(&(object.clone(), key));
                    let Some(position) = event.position else { continue };
                    if content.add_position(position) {
                        continue;
                    }
                    if !is_assigned {
                        let text =
                            format!("position {position} was assigned to another event during the restore");
                        return Err(Error::new(ErrorKind::Conflict, text).with_help("repeat the restore"));
                    }
                    Arc::make_mut(event).position = Some(content.assign_position());
                }
            }
            content.set(object, id, aggregate.map(Arc::new));
        }
        Ok(())
    }
}

fn events(aggregate: Option<&Arc<super::aggregate::Aggregate>>) -> impl Iterator<Item = &Arc<StreamEvent>> {
    aggregate.into_iter().flat_map(|aggregate| aggregate.streams.iter().flat_map(|stream| &stream.events))
}

#[async_trait]
impl EventStoreSession for MemoryEventSession {
    fn writer(&mut self) -> &mut dyn EventWriter {
        self
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        if self.state == SessionState::Failed {
            let text = "a change of this session failed, so the session cannot be committed";
            return Err(Error::new(ErrorKind::Conflict, text).with_help("repeat the restore"));
        }
        if self.intent == SessionIntent::Compare {
            return Ok(());
        }
        let shared = self.current.clone();
        let mut current = shared.lock();
        if Arc::ptr_eq(&current, &self.before) {
            for (object, id) in &self.used {
                if let Some(aggregate) = self.after.aggregate(object, id) {
                    aggregate.check(object, id)?;
                }
            }
            *current = Arc::new(self.after);
            return Ok(());
        }
        let mut content = Content::clone(&current);
        self.apply(&mut content)?;
        *current = Arc::new(content);
        Ok(())
    }

    async fn rollback(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
