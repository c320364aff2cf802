//! The cases for reading events.

use futures::{FutureExt as _, TryStreamExt as _};

use super::case::Case;
use super::sample::{document, ensure, event, events, failed, json, require_equal, require_events, snapshot};
use super::subject::{OBJECT, Subject, all};
use crate::entity::stream::{StreamEvent, StreamPart};
use crate::foundation::error::Result;
use crate::provider::event_store::{BatchValue as _, EventReader, StreamState};

/// A change of an event.
type Change = fn(&mut StreamEvent);

pub(super) const CASES: &[Case] = &[
    Case::new("events are read as they were written", |store| round_trip(store).boxed()),
    Case::new("each optional value of an event is preserved or refused", |store| optional(store).boxed()),
    Case::new("the exact text of payloads and metadata is preserved", |store| texts(store).boxed()),
    Case::new("many streams and long streams are read completely", |store| many(store).boxed()),
    Case::new("a batch contains about a mebibyte", |store| batch_size(store).boxed()),
    Case::new("a stream is read up to the version at which it was opened", |store| growing(store).boxed()),
    Case::new("a reader uses the same state of an aggregate for all that it reads", |store| {
        same_state(store).boxed()
    }),
    Case::new("a read that is cancelled leaves the reader usable", |store| cancelled(store).boxed()),
];

async fn round_trip(store: &Subject) -> Result<()> {
    let written: Vec<_> = ["a", "b", "c"].iter().flat_map(|id| events(id, 5)).collect();
    store.write(OBJECT, written.clone()).await?;
    store.require(OBJECT, &written).await?;
    let reading = store.read().await?;
    let opened = reading.open("b").await?;
    let [stream] = opened.streams.as_slice() else {
        return Err(failed(format!("{} streams were opened instead of one", opened.streams.len())));
    };
    require_equal("the state of the stream", &stream.state, &StreamState::Active)?;
    require_equal("the version of the stream", &stream.version, &Some(4))?;
    require_events(reading.stream(&opened, &stream.stream_id).await?, &events("b", 5))?;
    let names = reading.events().object_names().await?;
    require_equal("the object names", &names, &vec![OBJECT.to_owned()])?;
    let absent = reading.events().open(OBJECT, "d").await?;
    require_equal("whether an absent aggregate is found", &absent.is_some(), &false)
}

async fn optional(store: &Subject) -> Result<()> {
    let changes: [(&str, Change); 8] = [
        ("no version of the type", |event| event.schema_version = None),
        ("an external sequencer", |event| event.external_sequencer = Some("seq/17".to_owned())),
        ("an empty external sequencer", |event| event.external_sequencer = Some(String::new())),
        ("an action", |event| event.action = Some("import".to_owned())),
        ("a timestamp", |event| event.timestamp = Some("2026-07-01T12:00:00.123456+02:00".to_owned())),
        ("no metadata", |event| event.metadata = None),
        ("metadata that is JSON null", |event| event.metadata = Some(json("null"))),
        ("a type with special characters", |event| event.event_type = "Über/\"x\"\n%".to_owned()),
    ];
    let mut expected = Vec::new();
    for (index, (name, change)) in changes.iter().enumerate() {
        let id = format!("optional-{index}");
        let mut changed = event(&id, 0);
        change(&mut changed);
        // What the store cannot represent is refused, and never dropped.
        if store.write(OBJECT, vec![changed.clone()]).await.is_ok() {
            let reading = store.read().await?;
            let opened = reading.open(&id).await?;
            let read = reading.stream(&opened, &id).await?;
            require_events(read, std::slice::from_ref(&changed))
                .map_err(|error| failed(format!("{name}: {error}")))?;
            expected.push(changed);
        }
    }
    store.require(OBJECT, &expected).await
}

async fn texts(store: &Subject) -> Result<()> {
    let long = format!("\"{}\"", "long ".repeat(50_000));
    let texts = [
        "{}",
        "[]",
        "null",
        "true",
        "\"\"",
        "0",
        "-0.0",
        "1.50",
        "1e400",
        "12345678901234567890123456789",
        "{\"b\":1,\"a\":2}",
        "{\"a\":1,\"a\":2}",
        "{ \"a\" : 1 }",
        "{\"a\":\"\\u00e4 \\/ \\n\"}",
        "\"ä 日本 🦀 \u{202e}\"",
        "[1, 2,\t3]",
        &long,
    ];
    let mut written = events("texts", 17);
    for (event, text) in written.iter_mut().zip(texts) {
        event.payload = json(text);
        event.metadata = Some(json(&format!("{{ \"payload\":{} }}", text.len())));
    }
    store.write(OBJECT, written.clone()).await?;
    store.require(OBJECT, &written).await?;
    let reading = store.read().await?;
    let opened = reading.open("texts").await?;
    for (event, text) in reading.stream(&opened, "texts").await?.iter().zip(texts) {
        require_equal("the text of a payload", &event.payload.stored_text(), &text)?;
    }
    Ok(())
}

async fn many(store: &Subject) -> Result<()> {
    let ids: Vec<_> = (0..200).map(|number| format!("many-{number:03}")).collect();
    let mut written: Vec<_> = ids.iter().flat_map(|id| events(id, 10)).collect();
    let long = events("zlong", 5_000);
    let mut writing = store.begin().await?;
    store.add(&mut writing, OBJECT, written.clone()).await?;
    for batch in long.chunks(700) {
        store.add(&mut writing, OBJECT, batch.to_vec()).await?;
    }
    writing.commit().await?;
    written.extend(long);
    store.require(OBJECT, &written).await
}

async fn batch_size(store: &Subject) -> Result<()> {
    let mut written = events("batches", 34);
    let text = json(&format!("\"{}\"", "x".repeat(100 << 10)));
    let large = json(&format!("\"{}\"", "y".repeat(3 << 20)));
    written.iter_mut().for_each(|event| event.payload = text.clone());
    written[30].payload = large;
    store.write(OBJECT, written.clone()).await?;
    let reading = store.read().await?;
    let opened = reading.open("batches").await?;
    let batches =
        [reading.events().events(&opened, "batches").await?, reading.events().all_events(OBJECT).await?];
    for batches in batches {
        let batches: Vec<_> = batches.try_collect().await?;
        for batch in &batches {
            let bytes: usize = batch.iter().map(StreamEvent::size_bytes).sum();
            let largest = batch.iter().map(StreamEvent::size_bytes).max().unwrap_or(0);
            ensure(bytes - largest < 2 << 20, || {
                format!("a batch has {} events of together {bytes} bytes", batch.len())
            })?;
        }
        require_events(batches.into_iter().flatten().collect(), &written)?;
    }
    Ok(())
}

async fn growing(store: &Subject) -> Result<()> {
    store.write(OBJECT, events("grows", 3)).await?;
    store.write(OBJECT, events("stays", 2)).await?;
    let reading = store.read().await?;
    let opened = reading.open("grows").await?;
    let mut writing = store.begin().await?;
    store.add(&mut writing, OBJECT, vec![event("grows", 3), event("grows", 4)]).await?;
    writing.commit().await?;
    require_events(reading.stream(&opened, "grows").await?, &events("grows", 3))?;
    drop(reading);
    let expected: Vec<_> = events("grows", 5).into_iter().chain(events("stays", 2)).collect();
    store.require(OBJECT, &expected).await
}

async fn same_state(store: &Subject) -> Result<()> {
    let (ids, snapshots) = (["a", "b"], [snapshot("a", 1, 1), snapshot("b", 1, 1)]);
    let expected: Vec<_> = ids.iter().flat_map(|id| events(id, 3)).collect();
    store.write(OBJECT, expected.clone()).await?;
    if store.capabilities.snapshots {
        let mut writing = store.begin().await?;
        writing.events().add_snapshots(OBJECT, snapshots.to_vec()).await?;
        writing.commit().await?;
    }
    let (listing, opening) = (store.read().await?, store.read().await?);
    require_events(all(listing.events().all_events(OBJECT).await?).await?, &expected)?;
    let opened = opening.open("a").await?;
    for version in 3..6 {
        for id in ids {
            let mut writing = store.begin().await?;
            store.add(&mut writing, OBJECT, vec![event(id, version)]).await?;
            if store.capabilities.snapshots {
                let later = snapshot(id, version, version);
                writing.events().add_snapshots(OBJECT, vec![later]).await?;
            }
            writing.commit().await?;
        }
    }
    let count = |is_stored: bool, count: usize| if is_stored { count } else { 0 };
    let documents: Vec<_> = ids.iter().map(|id| document(id, 3)).collect();
    let documents = &documents[..count(store.capabilities.documents, 2)];
    let snapshots = &snapshots[..count(store.capabilities.snapshots, 2)];
    let reader = listing.events();
    let read = all(reader.all_documents(OBJECT).await?).await?;
    require_equal("the documents after the events were read", &read.as_slice(), &documents)?;
    let read = all(reader.all_snapshots(OBJECT).await?).await?;
    require_equal("the snapshots after the events were read", &read.as_slice(), &snapshots)?;
    require_equal(
        "the count of the events that were read",
        &reader.count(OBJECT, StreamPart::Events).await?,
        &6,
    )?;
    let reopened = listing.open("a").await?;
    require_equal("the streams after the events were read", &reopened.streams, &opened.streams)?;
    // The other reader has opened the aggregate before the events were appended.
    let reader = opening.events();
    require_events(reading_of(reader, "a").await?, &events("a", 3))?;
    require_equal("the aggregate that is opened again", &opening.open("a").await?, &opened)?;
    let read = opening.snapshots(&opened).await?;
    require_equal(
        "the snapshots of the opened aggregate",
        &read.as_slice(),
        &&snapshots[..snapshots.len() / 2],
    )
}

/// Reads the events of one aggregate among those of all aggregates.
async fn reading_of(reader: &dyn EventReader, object_id: &str) -> Result<Vec<StreamEvent>> {
    let mut events = all(reader.all_events(OBJECT).await?).await?;
    events.retain(|event| event.object_id == object_id);
    Ok(events)
}

async fn cancelled(store: &Subject) -> Result<()> {
    let mut written = events("cancelled", 40);
    written.iter_mut().for_each(|event| event.payload = json(&format!("\"{}\"", "z".repeat(100 << 10))));
    store.write(OBJECT, written.clone()).await?;
    let reading = store.read().await?;
    let mut batches = reading.events().all_events(OBJECT).await?;
    let first = batches.try_next().await?;
    ensure(first.is_some_and(|batch| batch.len() < 40), || "the first batch contains all events".to_owned())?;
    drop(batches);
    let opened = reading.open("cancelled").await?;
    require_events(reading.stream(&opened, "cancelled").await?, &written)
}
