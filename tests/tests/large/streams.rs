//! Tests documents of event streams whose JSON is as long as a line of an archive can be.

use koan_backup::event_store::{EventStore as _, NewEvent, StreamDocument};
use koan_backup::prelude::*;
use koan_backup::provider::SessionIntent;
use koan_backup::{ConflictMode, MemoryEvents};
use koan_backup_tests::order_events::json;

/// The maximum length of a line of an archive with its line feed, and of a document in a single backup.
const MAX_BYTES: usize = 128 << 20;
const OBJECT: &str = "order";

async fn koan(events: &MemoryEvents, storage: &Storage) -> Koan {
    let builder = Koan::builder().only_registered().register_raw(OBJECT).storage(storage.clone());
    builder.event_store(events.clone()).build().await.expect("a context")
}

/// Sets a document of this length as JSON.
async fn put_document(events: &MemoryEvents, length: usize) -> StreamDocument {
    let snapshot = events.reader().await.expect("a reader");
    let opened = snapshot.open(OBJECT, "1").await.expect("opened").expect("it exists");
    let mut document = opened.document.expect("a document");
    document.attributes.insert("text".to_owned(), "".into());
    let rest = serde_json::to_vec(&document).expect("JSON").len();
    document.attributes.insert("text".to_owned(), "x".repeat(length - rest).into());
    let mut session = events.begin_restore(SessionIntent::Apply).await.expect("a session");
    session.writer().put_document(OBJECT, document.clone()).await.expect("written");
    session.commit().await.expect("committed");
    document
}

async fn document_of(events: &MemoryEvents) -> Option<StreamDocument> {
    let reader = events.reader().await.expect("a reader");
    reader.open(OBJECT, "1").await.expect("opened").and_then(|opened| opened.document)
}

#[tokio::test]
async fn a_document_of_almost_the_maximum_length_is_restored_and_a_longer_one_fails_the_backup() {
    let (events, storage) = (MemoryEvents::new(), Storage::memory());
    events.append(OBJECT, "1", [NewEvent::with_payload("Placed", json("1"))]).expect("appended");
    let document = put_document(&events, MAX_BYTES - 1).await;
    let source = koan(&events, &storage).await;
    let single = source.streams(OBJECT).expect("declared").backup("1").await.expect("a single backup");
    let archive = source.backup("nightly").await.expect("an archive");
    let restored = MemoryEvents::new();
    let target = koan(&restored, &storage).await;
    target
        .streams(OBJECT)
        .expect("declared")
        .restore(&single)
        .await
        .expect("restored from the single backup");
    assert!(document_of(&restored).await.as_ref() == Some(&document), "the document of the single backup");
    restored.remove(OBJECT, "1");
    let _ = target.restore(archive.id()).await.expect("restored from the archive");
    assert!(document_of(&restored).await.as_ref() == Some(&document), "the document of the archive");
    let overwrite = target.streams(OBJECT).expect("declared").restore(&single);
    overwrite.on_conflict(ConflictMode::Overwrite).await.expect("overwritten");

    put_document(&events, MAX_BYTES + 1).await;
    let refused = source.streams(OBJECT).expect("declared").backup("1").await.expect_err("it is too long");
    assert!(refused.chain().contains("134217729") && refused.chain().contains("134217728"), "{refused:?}");
    let refused = source.backup("nightly").await.expect_err("it is too long");
    assert!(refused.chain().contains("134217728"), "{refused:?}");
    assert_eq!(source.stream_backups().await.expect("listed").backups, [single], "no other backup exists");
}
