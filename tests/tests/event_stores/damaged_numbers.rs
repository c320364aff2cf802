//! Numbers in damaged event stores that are too large to calculate with.

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use koan_backup::event_store::{
    Batches, EventReader, EventStore as _, NewEvent, OpenedStream, OpenedStreams, StreamEvent, StreamPart,
    StreamSnapshot, StreamState,
};
use koan_backup::{ErrorKind, EventFiles, ExpectedVersion, Result, Storage};
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt as _};

async fn append(store: &EventFiles, names: &[&str]) -> Result<Option<u64>> {
    let events = names.iter().map(|name| NewEvent::new(*name, name).expect("text is JSON"));
    store.append("order", "1", ExpectedVersion::Any, events.collect::<Vec<_>>()).await
}

/// Replaces texts in all files of aggregates.
async fn replace(memory: &InMemory, replaced: &[(&str, String)]) {
    let listed: Vec<_> = memory.list(None).try_collect().await.expect("listed");
    for path in listed.into_iter().map(|meta| meta.location) {
        let content = memory.get(&path).await.expect("read").bytes().await.expect("read");
        let mut text = String::from_utf8(content.to_vec()).expect("JSON is text");
        for (from, to) in replaced {
            text = text.replace(from, to);
        }
        memory.put(&path, text.into()).await.expect("written");
    }
}

#[tokio::test]
async fn versions_without_a_successor_are_damage() {
    let memory = Arc::new(InMemory::new());
    let store = EventFiles::in_storage(Storage::object_store(Arc::clone(&memory) as _, "memory"));
    append(&store, &["A"]).await.expect("an event is appended");
    store.terminate("order", "1", "full").await.expect("terminated");
    store.continue_as("order", "1", "1-b").await.expect("continued");
    append(&store, &["B"]).await.expect("an event is appended");
    let number = |name: &str, number: u64| format!("\"{name}\":{number}");
    let damage = [
        ("\"lastVersion\":0", number("lastVersion", u64::MAX)),
        ("\"version\":0", number("version", u64::MAX)),
    ];
    replace(&memory, &damage).await;
    let reader = store.reader().await.expect("a reader");
    assert_eq!(reader.count("order", StreamPart::Events).await.expect("a count"), u64::MAX);
    let error = append(&store, &["C"]).await.expect_err("there is no next version");
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains("`1-b`"), "{error}");
}

#[tokio::test]
async fn a_file_with_the_highest_version_is_damaged() {
    let memory = Arc::new(InMemory::new());
    let store = EventFiles::in_storage(Storage::object_store(Arc::clone(&memory) as _, "memory"));
    append(&store, &["A", "B"]).await.expect("events are appended");
    let damage: Vec<_> = [("lastVersion", 1), ("version", 1), ("firstVersion", 0), ("version", 0)]
        .map(|(name, number)| {
            let (from, to) = (format!("\"{name}\":{number}"), u64::MAX - 1 + number);
            (from, format!("\"{name}\":{to}"))
        })
        .into();
    let damage: Vec<_> = damage.iter().map(|(from, to)| (from.as_str(), to.clone())).collect();
    replace(&memory, &damage).await;
    let reader = store.reader().await.expect("a reader");
    let read: Result<Vec<_>> = reader.all_events("order").await.expect("a read").try_collect().await;
    assert_eq!(read.expect_err("the highest version has no successor").kind(), ErrorKind::Corrupt);
}

/// A reader of one aggregate with two streams of the greatest possible length.
#[derive(Debug)]
struct LongStreams;

#[async_trait]
impl EventReader for LongStreams {
    async fn object_names(&self) -> Result<Vec<String>> {
        Ok(vec!["order".to_owned()])
    }

    async fn object_ids(&self, _: &str, after: Option<&str>, _: usize) -> Result<Vec<String>> {
        Ok(if after.is_none() { vec!["1".to_owned()] } else { Vec::new() })
    }

    async fn open(&self, object: &str, object_id: &str) -> Result<Option<OpenedStreams>> {
        let stream =
            |id: &str, state| OpenedStream { stream_id: id.to_owned(), state, version: Some(u64::MAX) };
        Ok(Some(OpenedStreams {
            object: object.to_owned(),
            object_id: object_id.to_owned(),
            streams: vec![stream("a", StreamState::Terminated), stream("b", StreamState::Active)],
            document: None,
            snapshot_count: 0,
        }))
    }

    async fn events(&self, _: &OpenedStreams, _: &str) -> Result<Batches<'_, StreamEvent>> {
        Ok(stream::empty().boxed())
    }

    async fn snapshots(&self, _: &OpenedStreams) -> Result<Batches<'_, StreamSnapshot>> {
        Ok(stream::empty().boxed())
    }
}

#[tokio::test]
async fn a_count_does_not_overflow() {
    assert_eq!(LongStreams.count("order", StreamPart::Events).await.expect("a count"), u64::MAX);
}
