//! The ids of the restored aggregate: those of the backup, or those of a clone.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::entity::stream::{StreamDocument, StreamEvent, StreamSnapshot};

/// Rewrites the ids of a backup.
///
/// In a clone, a stream id that equals the object id becomes the new object id, and every other stream gets a new id,
/// because a store may require unique ids.
#[derive(Debug)]
pub(super) struct IdRewrite {
    source: String,
    /// The object id of the clone.
    target: Option<String>,
    streams: BTreeMap<String, String>,
}

impl IdRewrite {
    /// Keeps all ids.
    pub(super) fn unchanged(object_id: &str) -> Self {
        Self { source: object_id.to_owned(), target: None, streams: BTreeMap::new() }
    }

    /// Replaces the ids by those of a clone.
    pub(super) fn clone_as(source: &str, target: &str) -> Self {
        Self { source: source.to_owned(), target: Some(target.to_owned()), streams: BTreeMap::new() }
    }

    /// Returns the object id of the restored aggregate.
    pub(super) fn object_id(&self) -> &str {
        self.target.as_ref().unwrap_or(&self.source)
    }

    /// Returns the restored id of a stream of the backup.
    pub(super) fn stream(&mut self, stream: &str) -> String {
        let Some(target) = &self.target else { return stream.to_owned() };
        if stream == self.source {
            return target.clone();
        }
        let new = || Uuid::now_v7().to_string();
        self.streams.entry(stream.to_owned()).or_insert_with(new).clone()
    }

    /// Rewrites an event. The store assigns new positions to the events of a clone.
    pub(super) fn event(&mut self, event: &mut StreamEvent) {
        if self.target.is_some() {
            self.object_id().clone_into(&mut event.object_id);
            event.stream_id = self.stream(&event.stream_id);
            event.position = None;
        }
    }

    pub(super) fn snapshot(&mut self, snapshot: &mut StreamSnapshot) {
        if self.target.is_some() {
            self.object_id().clone_into(&mut snapshot.object_id);
            snapshot.stream_id = self.stream(&snapshot.stream_id);
        }
    }

    pub(super) fn document(&mut self, document: &mut StreamDocument) {
        if self.target.is_some() {
            self.object_id().clone_into(&mut document.object_id);
            document.active_stream = self.stream(&document.active_stream);
            for stream in &mut document.terminated_streams {
                stream.stream_id = self.stream(&stream.stream_id);
                stream.continued_by = stream.continued_by.as_ref().map(|next| self.stream(next));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_has_new_stream_ids_that_refer_to_each_other_as_before() {
        let mut ids = IdRewrite::clone_as("order-17", "order-18");
        assert_eq!(ids.stream("order-17"), "order-18");
        let (other, third) = (ids.stream("b"), ids.stream("c"));
        assert_eq!(ids.stream("b"), other, "a stream has one new id");
        assert!(other != third && other != "b" && third != "c");
        let mut unchanged = IdRewrite::unchanged("order-17");
        assert_eq!((unchanged.stream("b").as_str(), unchanged.object_id()), ("b", "order-17"));
    }
}
