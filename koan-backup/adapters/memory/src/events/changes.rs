//! The changes of a content that sessions and applications have in common.

use std::sync::Arc;

use koan_backup_core::event_store::{
    EventStoreCapabilities, RemovedObject, StreamDocument, StreamEvent, StreamSnapshot,
};
use koan_backup_core::{Error, ErrorKind, Result};

use super::aggregate::count;
use super::content::Content;

/// Appends an event with its version. Returns whether the store assigned its position.
pub(super) fn append(
    content: &mut Content,
    capabilities: EventStoreCapabilities,
    object: &str,
    mut event: StreamEvent,
) -> Result<bool> {
    let subject = format!("event {} of stream `{}` of `{object}`", event.version, event.stream_id);
    if !capabilities.terminated_streams && event.stream_id != event.object_id {
        let text = format!("{subject} cannot be stored, because the store has one stream for each aggregate");
        return Err(Error::new(ErrorKind::Unsupported, text)
            .with_help("restore into a store with terminated streams"));
    }
    let existing = content.aggregate(object, &event.object_id);
    let next = existing.and_then(|aggregate| aggregate.stream(&event.stream_id)?.version());
    let next = next.map_or(0, |version| version + 1);
    if event.version < next {
        return Err(Error::new(ErrorKind::Conflict, format!("{subject} exists already")));
    }
    if event.version > next {
        let text = format!("{subject} leaves a gap: the next version of the stream is {next}");
        return Err(Error::new(ErrorKind::Corrupt, text));
    }
    let is_assigned = match event.position {
        Some(position) if !capabilities.positions => {
            let text = format!("{subject} has position {position}, and the store has no positions");
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        Some(position) if !content.add_position(position) => {
            let text = format!("position {position} of {subject} belongs to another event");
            return Err(Error::new(ErrorKind::Conflict, text));
        }
        Some(_) => false,
        None if capabilities.positions => {
            event.position = Some(content.assign_position());
            true
        }
        None => false,
    };
    let aggregate = content.aggregate_mut(object, &event.object_id.clone());
    let stream_id = event.stream_id.clone();
    aggregate.stream_mut(&stream_id).events.push(Arc::new(event));
    aggregate.update_document(&stream_id);
    Ok(is_assigned)
}

/// Removes the events of a stream from a version on. Returns their number.
pub(super) fn truncate(
    content: &mut Content,
    object: &str,
    object_id: &str,
    stream_id: &str,
    from: u64,
) -> u64 {
    let Some(aggregate) = content.existing_mut(object, object_id) else { return 0 };
    let Some(index) = aggregate.streams.iter().position(|stream| stream.id == stream_id) else { return 0 };
    let events = &mut aggregate.streams[index].events;
    let kept = usize::try_from(from).map_or(events.len(), |from| from.min(events.len()));
    let removed = events.split_off(kept);
    if aggregate.streams[index].events.is_empty() {
        aggregate.streams.remove(index);
    }
    aggregate.update_document(stream_id);
    for event in &removed {
        content.remove_position(event.position);
    }
    content.remove_if_empty(object, object_id);
    count(removed.len())
}

/// Removes everything of an aggregate.
pub(super) fn remove(content: &mut Content, object: &str, object_id: &str) -> RemovedObject {
    let Some(aggregate) = content.aggregate(object, object_id).map(Arc::clone) else {
        return RemovedObject::default();
    };
    for event in aggregate.streams.iter().flat_map(|stream| &stream.events) {
        content.remove_position(event.position);
    }
    content.set(object, object_id, None);
    aggregate.counts()
}

/// Adds or replaces the document of an aggregate.
pub(super) fn put_document(
    content: &mut Content,
    capabilities: EventStoreCapabilities,
    object: &str,
    document: StreamDocument,
) -> Result<()> {
    let id = document.object_id.clone();
    if !capabilities.documents {
        let text = format!("the document of `{object}` `{id}` cannot be stored: the store has no documents");
        return Err(Error::new(ErrorKind::Unsupported, text));
    }
    content.aggregate_mut(object, &id).document = Some(document);
    Ok(())
}

/// Adds a snapshot, which does not exist.
pub(super) fn add_snapshot(
    content: &mut Content,
    capabilities: EventStoreCapabilities,
    object: &str,
    snapshot: StreamSnapshot,
) -> Result<()> {
    let subject =
        format!("the snapshot of `{object}` `{}` at version {}", snapshot.object_id, snapshot.version);
    if !capabilities.snapshots {
        let text = format!("{subject} cannot be stored: the store has no snapshots");
        return Err(Error::new(ErrorKind::Unsupported, text));
    }
    let aggregate = content.aggregate_mut(object, &snapshot.object_id.clone());
    let is_same =
        |other: &StreamSnapshot| other.stream_id == snapshot.stream_id && other.version == snapshot.version;
    if aggregate.snapshots.iter().any(is_same) {
        return Err(Error::new(ErrorKind::Conflict, format!("{subject} exists already")));
    }
    aggregate.snapshots.push(snapshot);
    Ok(())
}
