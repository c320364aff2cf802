//! Readers of the event store of JSON files while the store changes.

use std::path::Path;
use std::time::{Duration, SystemTime};

use futures::TryStreamExt as _;
use koan_backup::event_store::{EventReader, EventStore as _, NewEvent};
use koan_backup::{ErrorKind, EventFiles, ExpectedVersion, Result, Storage};

const HOUR: Duration = Duration::from_secs(3600);

/// A store in a directory, whose aggregate `1` has one event.
async fn store() -> (tempfile::TempDir, EventFiles) {
    let folder = tempfile::tempdir().expect("a directory");
    let store = EventFiles::in_storage(Storage::local(folder.path()).expect("a storage"));
    append(&store, "A").await;
    (folder, store)
}

async fn append(store: &EventFiles, name: &str) {
    let event = NewEvent::new(name, &name).expect("text is JSON");
    store.append("order", "1", ExpectedVersion::Any, [event]).await.expect("an event is appended");
}

/// Makes all files two hours older.
fn age(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            age(&path);
        } else {
            let file = std::fs::File::options().write(true).open(&path).expect("a file");
            let modified =
                file.metadata().and_then(|found| found.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            file.set_modified(modified - 2 * HOUR).expect("the time is set");
        }
    }
}

/// Returns the version in the document of each aggregate.
async fn document_versions(reader: &dyn EventReader) -> Result<Vec<Option<u64>>> {
    let documents: Vec<_> = reader.all_documents("order").await?.try_concat().await?;
    Ok(documents.into_iter().map(|document| document.version).collect())
}

async fn event_count(reader: &dyn EventReader) -> usize {
    reader.all_events("order").await.expect("a read").try_concat().await.expect("the events are read").len()
}

#[tokio::test]
async fn a_document_that_was_replaced_recently_remains_for_its_readers() {
    let (folder, store) = store().await;
    age(folder.path());
    let reader = store.reader().await.expect("a reader");
    assert_eq!(event_count(reader.as_ref()).await, 1);
    append(&store, "B").await;
    assert_eq!(
        store.remove_unused(HOUR).await.expect("files are examined"),
        1,
        "only the outcome of the first change is unused: the document was in use until now"
    );
    assert_eq!(document_versions(reader.as_ref()).await.expect("the document is read"), [Some(0)]);
    let current = store.reader().await.expect("a reader");
    assert_eq!(document_versions(current.as_ref()).await.expect("the document is read"), [Some(1)]);
    age(folder.path());
    assert_eq!(store.remove_unused(HOUR).await.expect("the document and an outcome are removed"), 2);
    assert_eq!(document_versions(current.as_ref()).await.expect("the document is read"), [Some(1)]);
    let error = document_versions(reader.as_ref()).await.expect_err("its document was removed");
    assert_eq!(error.kind(), ErrorKind::Provider, "{error}");
    assert!(error.to_string().contains("`order` `1`"), "{error}");
}

#[tokio::test]
async fn a_removed_aggregate_with_replaced_documents_stays_removed() {
    let (_folder, store) = store().await;
    append(&store, "B").await;
    append(&store, "C").await;
    let reader = store.reader().await.expect("a reader");
    assert_eq!(event_count(reader.as_ref()).await, 3);
    assert_eq!(store.remove("order", "1").await.expect("the aggregate is removed").events, 3);
    let error = document_versions(reader.as_ref()).await.expect_err("the aggregate was removed");
    assert_eq!(error.kind(), ErrorKind::Provider, "{error}");
    let reader = store.reader().await.expect("a reader");
    assert_eq!(reader.object_names().await.expect("the names are read"), Vec::<String>::new());
    assert!(
        reader.open("order", "1").await.expect("a read").is_none(),
        "an earlier document is visible again"
    );
    let event = NewEvent::new("D", &"D").expect("text is JSON");
    let version = store.append("order", "1", ExpectedVersion::NoEvents, [event]).await;
    assert_eq!(version.expect("the aggregate is created again"), Some(0));
}
