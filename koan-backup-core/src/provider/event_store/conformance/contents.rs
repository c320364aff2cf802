//! The cases for documents, chunks, terminated streams, snapshots and positions.

use futures::FutureExt as _;

use super::case::Case;
use super::sample::{
    document, ensure, event, event_of, events, events_of, failed, json, require_equal, require_events,
    snapshot,
};
use super::subject::{OBJECT, Subject, all};
use crate::entity::stream::{StreamChunk, StreamDocument, StreamPart, StreamSnapshot, TerminatedStream};
use crate::foundation::error::Result;
use crate::provider::event_store::{EventKey, PositionedEvent, SnapshotKey, StreamState};

pub(super) const CASES: &[Case] = &[
    Case::new("documents are read as they were written", |store| documents(store).boxed())
        .needing(|contents| contents.documents),
    Case::new("a document is replaced, and removed without the events", |store| {
        replaced_documents(store).boxed()
    })
    .needing(|contents| contents.documents),
    Case::new("an aggregate that has only a document is found", |store| only_document(store).boxed())
        .needing(|contents| contents.documents),
    Case::new("a document is refused", |store| no_documents(store).boxed())
        .needing(|contents| !contents.documents),
    Case::new("a stream in chunks is read completely", |store| chunks(store).boxed())
        .needing(|contents| contents.documents),
    Case::new("terminated streams are read before the active stream", |store| terminated(store).boxed())
        .needing(|contents| contents.terminated_streams && contents.documents),
    Case::new("an aggregate whose last stream was terminated has no active stream", |store| {
        without_active(store).boxed()
    })
    .needing(|contents| contents.terminated_streams && contents.documents),
    Case::new("a second stream of an aggregate is refused", |store| no_second_stream(store).boxed())
        .needing(|contents| !contents.terminated_streams),
    Case::new("snapshots are read as they were written", |store| snapshots(store).boxed())
        .needing(|contents| contents.snapshots),
    Case::new("each optional value of a snapshot is preserved or refused", |store| {
        optional_snapshot(store).boxed()
    })
    .needing(|contents| contents.snapshots),
    Case::new("snapshots after the opened version are omitted", |store| later_snapshots(store).boxed())
        .needing(|contents| contents.snapshots),
    Case::new("a snapshot without its event is refused, or found by the read of its aggregate", |store| {
        snapshots_without_events(store).boxed()
    })
    .needing(|contents| contents.snapshots),
    Case::new("snapshots are removed by stream and version", |store| removed_snapshots(store).boxed())
        .needing(|contents| contents.snapshots),
    Case::new("a snapshot is refused", |store| no_snapshots(store).boxed())
        .needing(|contents| !contents.snapshots),
    Case::new("positions are preserved, and assigned where they are missing", |store| {
        positions(store).boxed()
    })
    .needing(|contents| contents.positions),
    Case::new("events of all object names are found by their positions", |store| {
        events_of_positions(store).boxed()
    })
    .needing(|contents| contents.positions),
    Case::new("a position that belongs to another event is refused", |store| {
        duplicate_position(store).boxed()
    })
    .needing(|contents| contents.positions),
    Case::new("a position is preserved or refused", |store| no_positions(store).boxed())
        .needing(|contents| !contents.positions),
];

/// Returns a document with a value in every field that a store with one stream for each aggregate can have.
fn full_document(object_id: &str, length: u64) -> StreamDocument {
    let mut document = document(object_id, length);
    document.attributes.insert("tenant".to_owned(), serde_json::json!({"id": 7, "name": "ä"}));
    document.attributes.insert("closed".to_owned(), serde_json::Value::Null);
    document
}

async fn documents(store: &Subject) -> Result<()> {
    let mut writing = store.begin().await?;
    for id in ["a", "b", "c/1"] {
        writing.events().append(OBJECT, events(id, 3)).await?;
        writing.events().put_document(OBJECT, full_document(id, 3)).await?;
    }
    let found = writing.events().documents_of(OBJECT, &["b".to_owned(), "absent".to_owned()]).await?;
    require_equal("the documents in the session", &found, &vec![full_document("b", 3)])?;
    writing.commit().await?;
    let reading = store.read().await?;
    let expected: Vec<_> = ["a", "b", "c/1"].iter().map(|id| full_document(id, 3)).collect();
    let read = all(reading.events().all_documents(OBJECT).await?).await?;
    require_equal("all documents", &read, &expected)?;
    require_equal("the count", &reading.events().count(OBJECT, StreamPart::Documents).await?, &3)?;
    let opened = reading.open("c/1").await?;
    require_equal("the opened document", &opened.document, &Some(full_document("c/1", 3)))
}

async fn replaced_documents(store: &Subject) -> Result<()> {
    store.write(OBJECT, events("1", 2)).await?;
    let mut writing = store.begin().await?;
    writing.events().put_document(OBJECT, full_document("1", 2)).await?;
    writing.commit().await?;
    let opened = store.read().await?.open("1").await?;
    require_equal("the replaced document", &opened.document, &Some(full_document("1", 2)))?;
    let mut writing = store.begin().await?;
    require_equal("whether it was removed", &writing.events().remove_document(OBJECT, "1").await?, &true)?;
    require_equal(
        "whether it was removed again",
        &writing.events().remove_document(OBJECT, "1").await?,
        &false,
    )?;
    writing.commit().await?;
    let opened = store.read().await?.open("1").await?;
    require_equal("the document after its removal", &opened.document, &None)?;
    store.require(OBJECT, &events("1", 2)).await
}

async fn only_document(store: &Subject) -> Result<()> {
    let mut writing = store.begin().await?;
    writing.events().put_document(OBJECT, full_document("empty", 0)).await?;
    require_equal("whether the object name is empty", &writing.events().is_empty(OBJECT).await?, &false)?;
    let heads = writing.events().heads(OBJECT, &["empty".to_owned()]).await?;
    require_equal("the number of found aggregates", &heads.len(), &1)?;
    writing.commit().await?;
    let reading = store.read().await?;
    let ids = reading.events().object_ids(OBJECT, None, 10).await?;
    require_equal("the ids", &ids, &vec!["empty".to_owned()])?;
    let opened = reading.open("empty").await?;
    require_equal("the document", &opened.document, &Some(full_document("empty", 0)))?;
    let versions: Vec<_> = opened.streams.iter().filter_map(|stream| stream.version).collect();
    require_equal("the versions", &versions, &Vec::new())?;
    drop(reading);
    store.require(OBJECT, &[]).await
}

async fn no_documents(store: &Subject) -> Result<()> {
    let mut writing = store.begin().await?;
    let put = writing.events().put_document(OBJECT, document("1", 0)).await;
    ensure(put.is_err(), || "a store without documents accepted a document".to_owned())?;
    writing.rollback().await
}

async fn chunks(store: &Subject) -> Result<()> {
    let mut document = full_document("1", 10);
    document.chunks = vec![
        StreamChunk { number: 0, first_version: 0, last_version: Some(3) },
        StreamChunk { number: 1, first_version: 4, last_version: Some(7) },
        StreamChunk { number: 2, first_version: 8, last_version: Some(9) },
    ];
    let mut writing = store.begin().await?;
    writing.events().append(OBJECT, events("1", 10)).await?;
    writing.events().put_document(OBJECT, document.clone()).await?;
    writing.commit().await?;
    store.require(OBJECT, &events("1", 10)).await?;
    let reading = store.read().await?;
    let opened = reading.open("1").await?;
    require_equal("the document", &opened.document, &Some(document))?;
    require_equal("the count of an opened stream", &opened.streams[0].event_count(), &10)?;
    require_events(reading.stream(&opened, "1").await?, &events("1", 10))
}

/// Returns the document of an aggregate with two terminated streams and an active one.
fn continued(object_id: &str) -> StreamDocument {
    let closed = |stream_id: &str, version, next: Option<&str>| TerminatedStream {
        stream_id: stream_id.to_owned(),
        version,
        terminated_at: Some("2026-07-01T12:00:00Z".to_owned()),
        reason: Some("a new year".to_owned()),
        continued_by: next.map(str::to_owned),
    };
    let mut document = full_document(object_id, 2);
    document.active_stream = "active".to_owned();
    document.terminated_streams =
        vec![closed("z-first", Some(2), Some("a-second")), closed("a-second", None, None)];
    document
}

async fn terminated(store: &Subject) -> Result<()> {
    let mut expected = events_of("1", "z-first", 3);
    expected.extend(events_of("1", "active", 2));
    let mut writing = store.begin().await?;
    writing.events().append(OBJECT, expected.clone()).await?;
    writing.events().put_document(OBJECT, continued("1")).await?;
    writing.commit().await?;
    store.require(OBJECT, &expected).await?;
    let reading = store.read().await?;
    let opened = reading.open("1").await?;
    let streams: Vec<_> =
        opened.streams.iter().map(|stream| (stream.stream_id.as_str(), stream.state)).collect();
    let terminated = StreamState::Terminated;
    let order = vec![("z-first", terminated), ("a-second", terminated), ("active", StreamState::Active)];
    require_equal("the streams", &streams, &order)?;
    require_equal("the document", &opened.document, &Some(continued("1")))?;
    require_events(reading.stream(&opened, "z-first").await?, &events_of("1", "z-first", 3))?;
    require_events(reading.stream(&opened, "a-second").await?, &[])?;
    require_events(reading.stream(&opened, "active").await?, &events_of("1", "active", 2))?;
    drop(reading);
    let mut writing = store.begin().await?;
    let heads = writing.events().heads(OBJECT, &["1".to_owned()]).await?;
    require_equal("the streams with events", &heads.first().map(|heads| heads.streams.len()), &Some(2))?;
    writing.events().truncate(OBJECT, "1", "active", 1).await?;
    let mut document = continued("1");
    document.version = Some(0);
    writing.events().put_document(OBJECT, document).await?;
    writing.commit().await?;
    expected.pop();
    store.require(OBJECT, &expected).await
}

async fn without_active(store: &Subject) -> Result<()> {
    let mut document = document("1", 2);
    document.terminated_streams = vec![TerminatedStream {
        stream_id: "1".to_owned(),
        version: Some(1),
        terminated_at: None,
        reason: None,
        continued_by: None,
    }];
    let mut writing = store.begin().await?;
    writing.events().append(OBJECT, events("1", 2)).await?;
    writing.events().put_document(OBJECT, document.clone()).await?;
    writing.commit().await?;
    store.require(OBJECT, &events("1", 2)).await?;
    let opened = store.read().await?.open("1").await?;
    require_equal("the active stream", &opened.active(), &None)?;
    require_equal("the document", &opened.document, &Some(document))
}

async fn no_second_stream(store: &Subject) -> Result<()> {
    let mut writing = store.begin().await?;
    let appended = writing.events().append(OBJECT, vec![event_of("1", "other", 0)]).await;
    ensure(appended.is_err(), || {
        "a store with one stream for each aggregate accepted a stream with another id".to_owned()
    })?;
    writing.rollback().await
}

/// Writes five events of `1` and `2`, and snapshots of `1` at versions 1 and 3 and of `2` at version 4.
async fn write_snapshots(store: &Subject) -> Result<Vec<StreamSnapshot>> {
    let expected = vec![snapshot("1", 1, 1), snapshot("1", 3, 2), snapshot("2", 4, 1)];
    let mut writing = store.begin().await?;
    let all: Vec<_> = events("1", 5).into_iter().chain(events("2", 5)).collect();
    store.add(&mut writing, OBJECT, all).await?;
    let added = writing.events().add_snapshots(OBJECT, expected.clone()).await?;
    require_equal("the number of added snapshots", &added, &3)?;
    writing.commit().await?;
    Ok(expected)
}

async fn snapshots(store: &Subject) -> Result<()> {
    let expected = write_snapshots(store).await?;
    let reading = store.read().await?;
    let read = all(reading.events().all_snapshots(OBJECT).await?).await?;
    require_equal("all snapshots", &read, &expected)?;
    require_equal("the count", &reading.events().count(OBJECT, StreamPart::Snapshots).await?, &3)?;
    let opened = reading.open("1").await?;
    require_equal("the count of an aggregate", &opened.snapshot_count, &2)?;
    require_equal("its snapshots", &reading.snapshots(&opened).await?, &expected[..2].to_vec())?;
    drop(reading);
    let mut writing = store.begin().await?;
    let ids = ["1".to_owned(), "absent".to_owned()];
    let mut keys = writing.events().snapshot_keys(OBJECT, &ids).await?;
    keys.sort();
    let expected_keys: Vec<_> = expected[..2].iter().map(SnapshotKey::from).collect();
    require_equal("the keys of the snapshots in a session", &keys, &expected_keys)?;
    let absent = |stream_id: &str, version| SnapshotKey {
        object_id: "1".to_owned(),
        stream_id: stream_id.to_owned(),
        version,
    };
    keys.extend([absent("1", 2), absent("absent", 1), SnapshotKey::from(&expected[2])]);
    let mut found = writing.events().snapshots_at(OBJECT, &keys).await?;
    found.sort_by_key(|snapshot| (snapshot.object_id.clone(), snapshot.version));
    require_equal("the snapshots in a session", &found, &expected)?;
    writing.rollback().await
}

async fn optional_snapshot(store: &Subject) -> Result<()> {
    let changes: [fn(&mut StreamSnapshot); 4] = [
        |snapshot| snapshot.number = None,
        |snapshot| snapshot.name = Some("OrderState/\"ä\"".to_owned()),
        |snapshot| snapshot.timestamp = Some("2026-07-01 12:00:00+02".to_owned()),
        |snapshot| snapshot.payload = json("{ \"b\" : 1.50, \"a\":[ ] }"),
    ];
    for (index, change) in changes.iter().enumerate() {
        let id = format!("optional-{index}");
        let mut changed = snapshot(&id, 0, 1);
        change(&mut changed);
        let mut writing = store.begin().await?;
        store.add(&mut writing, OBJECT, events(&id, 1)).await?;
        let is_added = writing.events().add_snapshots(OBJECT, vec![changed.clone()]).await.is_ok();
        if !is_added {
            writing.rollback().await?;
        } else if writing.commit().await.is_ok() {
            let reading = store.read().await?;
            let opened = reading.open(&id).await?;
            require_equal("the snapshot", &reading.snapshots(&opened).await?, &vec![changed])?;
        }
    }
    Ok(())
}

async fn later_snapshots(store: &Subject) -> Result<()> {
    store.write(OBJECT, events("1", 2)).await?;
    let reading = store.read().await?;
    let opened = reading.open("1").await?;
    let mut writing = store.begin().await?;
    store.add(&mut writing, OBJECT, vec![event("1", 2)]).await?;
    writing.events().add_snapshots(OBJECT, vec![snapshot("1", 2, 1)]).await?;
    writing.commit().await?;
    require_equal("the snapshots of the opened version", &reading.snapshots(&opened).await?, &Vec::new())
}

async fn snapshots_without_events(store: &Subject) -> Result<()> {
    store.write(OBJECT, events("1", 2)).await?;
    let expected = [snapshot("1", 1, 1), snapshot("1", 5, 2), snapshot("2", 0, 1)];
    let mut writing = store.begin().await?;
    if writing.events().add_snapshots(OBJECT, expected.to_vec()).await.is_err() {
        return writing.rollback().await;
    }
    if writing.commit().await.is_err() {
        return Ok(());
    }
    let reading = store.read().await?;
    let read = all(reading.events().all_snapshots(OBJECT).await?).await?;
    require_equal("all snapshots", &read.as_slice(), &expected.as_slice())?;
    for (id, version, count) in [("1", 5, 2), ("2", 0, 1)] {
        let opened = reading.open(id).await?;
        require_equal("the count of an aggregate", &opened.snapshot_count, &count)?;
        let Err(error) = reading.snapshots(&opened).await else {
            return Err(failed(format!(
                "the snapshots of aggregate `{id}` were read without an error, and version {version} has no event"
            )));
        };
        let text = error.to_string();
        ensure(text.contains(&format!("`{id}`")) && text.contains(&version.to_string()), || {
            format!("`{text}` does not name aggregate `{id}` and version {version}")
        })?;
    }
    Ok(())
}

async fn removed_snapshots(store: &Subject) -> Result<()> {
    let expected = write_snapshots(store).await?;
    let key = |version| SnapshotKey { object_id: "1".to_owned(), stream_id: "1".to_owned(), version };
    let mut writing = store.begin().await?;
    let removed = writing.events().remove_snapshots(OBJECT, &[key(3), key(2)]).await?;
    require_equal("the number of removed snapshots", &removed, &1)?;
    writing.commit().await?;
    let read = all(store.read().await?.events().all_snapshots(OBJECT).await?).await?;
    require_equal("the other snapshots", &read, &vec![expected[0].clone(), expected[2].clone()])
}

async fn no_snapshots(store: &Subject) -> Result<()> {
    let mut writing = store.begin().await?;
    let added = writing.events().add_snapshots(OBJECT, vec![snapshot("1", 0, 1)]).await;
    ensure(added.is_err(), || "a store without snapshots accepted a snapshot".to_owned())?;
    writing.rollback().await
}

async fn positions(store: &Subject) -> Result<()> {
    let (mut first, mut second) = (events("1", 2), events("2", 2));
    for (event, position) in first.iter_mut().chain(&mut second).zip([5, 90, 7, 40]) {
        event.position = Some(position);
    }
    let written: Vec<_> = first.into_iter().chain(second).collect();
    store.write(OBJECT, written.clone()).await?;
    store.require(OBJECT, &written).await?;
    store.write("koan-invoice", events("3", 2)).await?;
    let read = all(store.read().await?.events().all_events("koan-invoice").await?).await?;
    let assigned: Vec<_> = read.iter().filter_map(|event| event.position).collect();
    let is_new =
        assigned.iter().all(|position| !written.iter().any(|event| event.position == Some(*position)));
    ensure(assigned.len() == 2 && assigned.is_sorted_by(|a, b| a < b) && is_new, || {
        format!("positions {assigned:?} were assigned to two events after positions 5, 7, 40 and 90")
    })
}

async fn events_of_positions(store: &Subject) -> Result<()> {
    let (mut first, mut second) = (events("1", 2), events("2", 1));
    for (event, position) in first.iter_mut().chain(&mut second).zip([5, 90, 7]) {
        event.position = Some(position);
    }
    store.write(OBJECT, first).await?;
    store.write("koan-invoice", second).await?;
    let mut writing = store.begin().await?;
    let mut found = writing.events().events_with_positions(OBJECT, &[90, 7, 6]).await?;
    found.sort();
    let expected =
        [("koan-invoice", "2", 0), (OBJECT, "1", 1)].map(|(object, id, version)| PositionedEvent {
            object: object.to_owned(),
            key: EventKey { object_id: id.to_owned(), stream_id: id.to_owned(), version },
        });
    require_equal("the events with the positions 6, 7 and 90", &found, &expected.to_vec())?;
    writing.rollback().await
}

async fn duplicate_position(store: &Subject) -> Result<()> {
    let mut first = event("1", 0);
    first.position = Some(5);
    store.write(OBJECT, vec![first.clone()]).await?;
    let mut second = event("2", 0);
    second.position = Some(5);
    if store.write(OBJECT, vec![second]).await.is_ok() {
        return Err(failed("two events got the same position".to_owned()));
    }
    store.require(OBJECT, &[first]).await
}

async fn no_positions(store: &Subject) -> Result<()> {
    let mut event = event("1", 0);
    event.position = Some(5);
    match store.write(OBJECT, vec![event.clone()]).await {
        Ok(()) => store.require(OBJECT, &[event]).await,
        Err(_) => store.require_nothing(OBJECT).await,
    }
}
