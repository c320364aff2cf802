//! The cases for writing events in one session.

use futures::FutureExt as _;

use super::case::Case;
use super::sample::{
    ensure, event, events, require_equal, require_events, snapshot, without_assigned_positions,
};
use super::subject::{OBJECT, Subject, Writing, all};
use crate::foundation::error::Result;
use crate::provider::SessionIntent;
use crate::provider::event_store::{EventKey, RemovedObject, StreamHead, StreamHeads};

pub(super) const CASES: &[Case] = &[
    Case::new("a session reads what it has written", |store| own_changes(store).boxed()),
    Case::new("a stream is removed from a version on", |store| truncated(store).boxed()),
    Case::new("an aggregate is removed completely, and the removal is counted", |store| {
        removed(store).boxed()
    }),
    Case::new("a stream that is written again contains each event once", |store| again(store).boxed()),
    Case::new("an event that exists is refused", |store| existing(store).boxed()),
    Case::new("a gap in the versions is refused, or found by the read", |store| gap(store).boxed()),
    Case::new("events without a document are read", |store| no_document(store).boxed()),
    Case::new("a session that was rolled back or dropped leaves nothing", |store| undone(store).boxed()),
    Case::new("a dry run writes nothing", |store| dry_run(store).boxed()),
];

fn key(object_id: &str, version: u64) -> EventKey {
    EventKey { object_id: object_id.to_owned(), stream_id: object_id.to_owned(), version }
}

async fn own_changes(store: &Subject) -> Result<()> {
    store.write(OBJECT, events("1", 2)).await?;
    let mut writing = store.begin().await?;
    store.add(&mut writing, OBJECT, vec![event("1", 2)]).await?;
    store.add(&mut writing, OBJECT, events("2", 1)).await?;
    let writer = writing.events();
    require_equal("whether it is empty", &writer.is_empty(OBJECT).await?, &false)?;
    let ids = vec!["1".to_owned(), "2".to_owned()];
    require_equal("the ids", &writer.object_ids(OBJECT, None, 10).await?, &ids)?;
    let mut heads = writer.heads(OBJECT, &[ids.clone(), vec!["3".to_owned()]].concat()).await?;
    heads.sort_by(|a, b| a.object_id.cmp(&b.object_id));
    let head = |id: &str, version| StreamHeads {
        object_id: id.to_owned(),
        streams: vec![StreamHead { stream_id: id.to_owned(), version }],
    };
    require_equal("the last versions", &heads, &vec![head("1", 2), head("2", 0)])?;
    let keys = [key("1", 0), key("1", 2), key("1", 3), key("2", 0), key("9", 0)];
    let mut found = writer.events_at(OBJECT, &keys).await?;
    found.sort_by(|a, b| (&a.object_id, a.version).cmp(&(&b.object_id, b.version)));
    require_events(found, &[event("1", 0), event("1", 2), event("2", 0)])?;
    writing.commit().await?;
    let expected: Vec<_> = events("1", 3).into_iter().chain(events("2", 1)).collect();
    store.require(OBJECT, &expected).await
}

async fn truncated(store: &Subject) -> Result<()> {
    let all: Vec<_> = events("1", 5).into_iter().chain(events("2", 3)).collect();
    store.write(OBJECT, all).await?;
    let mut writing = store.begin().await?;
    let writer = writing.events();
    require_equal("the removed events", &writer.truncate(OBJECT, "1", "1", 3).await?, &2)?;
    require_equal("the removed events again", &writer.truncate(OBJECT, "1", "1", 3).await?, &0)?;
    require_equal("those of an absent stream", &writer.truncate(OBJECT, "9", "9", 0).await?, &0)?;
    let heads = writer.heads(OBJECT, &["1".to_owned()]).await?;
    let version = heads.first().and_then(|heads| heads.streams.first()).map(|head| head.version);
    require_equal("the last version", &version, &Some(2))?;
    put_document(store, &mut writing, "1", 3).await?;
    writing.commit().await?;
    let expected: Vec<_> = events("1", 3).into_iter().chain(events("2", 3)).collect();
    store.require(OBJECT, &expected).await
}

/// Replaces the document, if the store has documents.
async fn put_document(store: &Subject, writing: &mut Writing, id: &str, length: u64) -> Result<()> {
    if store.capabilities.documents {
        let document = super::sample::document(id, length);
        writing.events().put_document(OBJECT, document).await?;
    }
    Ok(())
}

async fn removed(store: &Subject) -> Result<()> {
    let mut writing = store.begin().await?;
    let all: Vec<_> = events("1", 5).into_iter().chain(events("2", 3)).collect();
    store.add(&mut writing, OBJECT, all).await?;
    if store.capabilities.snapshots {
        writing.events().add_snapshots(OBJECT, vec![snapshot("1", 1, 1), snapshot("1", 3, 2)]).await?;
    }
    writing.commit().await?;
    let mut writing = store.begin().await?;
    let counts = writing.events().remove(OBJECT, "1").await?;
    let expected = RemovedObject {
        events: 5,
        documents: u64::from(store.capabilities.documents),
        snapshots: if store.capabilities.snapshots { 2 } else { 0 },
    };
    require_equal("what was removed", &counts, &expected)?;
    let again = writing.events().remove(OBJECT, "1").await?;
    require_equal("what was removed again", &again, &RemovedObject::default())?;
    writing.commit().await?;
    store.require(OBJECT, &events("2", 3)).await?;
    let opened = store.read().await?.events().open(OBJECT, "1").await?;
    require_equal("whether the removed aggregate is found", &opened.is_some(), &false)?;
    let mut writing = store.begin().await?;
    writing.events().remove(OBJECT, "2").await?;
    writing.commit().await?;
    store.require_nothing(OBJECT).await
}

async fn again(store: &Subject) -> Result<()> {
    store.write(OBJECT, events("1", 6)).await?;
    for _ in 0..2 {
        let mut writing = store.begin().await?;
        writing.events().truncate(OBJECT, "1", "1", 0).await?;
        store.add(&mut writing, OBJECT, events("1", 4)).await?;
        writing.commit().await?;
        store.require(OBJECT, &events("1", 4)).await?;
    }
    let mut writing = store.begin().await?;
    writing.events().remove(OBJECT, "1").await?;
    store.add(&mut writing, OBJECT, events("1", 2)).await?;
    writing.commit().await?;
    store.require(OBJECT, &events("1", 2)).await
}

/// Appends an event to a session that is then committed if it can be, and returns whether it was.
async fn is_committed(store: &Subject, event: crate::entity::stream::StreamEvent) -> Result<bool> {
    let mut writing = store.begin().await?;
    store.add(&mut writing, OBJECT, events("other", 1)).await?;
    let is_appended = writing.events().append(OBJECT, vec![event]).await.is_ok();
    let is_committed = writing.commit().await.is_ok();
    ensure(is_appended || !is_committed, || "a session was committed after an append failed".to_owned())?;
    Ok(is_committed)
}

async fn existing(store: &Subject) -> Result<()> {
    store.write(OBJECT, events("1", 3)).await?;
    let mut changed = event("1", 1);
    changed.event_type = "Changed".to_owned();
    let is_committed = is_committed(store, changed).await?;
    ensure(!is_committed, || "an event that exists was appended".to_owned())?;
    store.require(OBJECT, &events("1", 3)).await
}

async fn gap(store: &Subject) -> Result<()> {
    store.write(OBJECT, events("1", 2)).await?;
    if !is_committed(store, event("1", 3)).await? {
        return store.require(OBJECT, &events("1", 2)).await;
    }
    let reading = store.read().await?;
    let read = async { all(reading.events().all_events(OBJECT).await?).await };
    ensure(read.await.is_err(), || "a stream with a gap was read without an error".to_owned())
}

async fn no_document(store: &Subject) -> Result<()> {
    let mut writing = store.begin().await?;
    writing.events().append(OBJECT, events("1", 3)).await?;
    writing.commit().await?;
    store.require(OBJECT, &events("1", 3)).await?;
    let opened = store.read().await?.open("1").await?;
    require_equal("whether it has an active stream", &opened.active().is_some(), &true)
}

async fn undone(store: &Subject) -> Result<()> {
    store.write(OBJECT, events("1", 2)).await?;
    for is_dropped in [false, true] {
        let mut writing = store.begin().await?;
        store.add(&mut writing, OBJECT, vec![event("1", 2)]).await?;
        store.add(&mut writing, OBJECT, events("2", 3)).await?;
        writing.events().truncate(OBJECT, "1", "1", 1).await?;
        if is_dropped {
            drop(writing);
        } else {
            writing.rollback().await?;
        }
        store.require(OBJECT, &events("1", 2)).await?;
    }
    // The store can be written after both.
    store.write(OBJECT, vec![event("1", 2)]).await?;
    store.require(OBJECT, &events("1", 3)).await
}

async fn dry_run(store: &Subject) -> Result<()> {
    store.write(OBJECT, events("1", 2)).await?;
    let mut writing = store.begin_with(SessionIntent::Compare).await?;
    let writer = writing.events();
    require_equal("whether it is empty", &writer.is_empty(OBJECT).await?, &false)?;
    require_equal("the ids", &writer.object_ids(OBJECT, None, 10).await?, &vec!["1".to_owned()])?;
    let found = writer.events_at(OBJECT, &[key("1", 1), key("1", 2)]).await?;
    let expected = [event("1", 1)];
    require_equal("the events", &without_assigned_positions(found, &expected), &expected.to_vec())?;
    require_equal("the heads", &writer.heads(OBJECT, &["1".to_owned()]).await?.len(), &1)?;
    writing.rollback().await?;
    store.require(OBJECT, &events("1", 2)).await
}
