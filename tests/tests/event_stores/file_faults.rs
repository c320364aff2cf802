//! Changes of the event store of JSON files that fail, end early, or meet other changes.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt as _;
use futures::future::join_all;
use koan_backup::event_store::{EventReader, EventStore as _, JsonText, NewEvent, StreamEvent, StreamPart};
use koan_backup::provider::SessionIntent;
use koan_backup::{ErrorKind, EventFiles, ExpectedVersion, Result, Storage};
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use koan_backup_tests::wait::dropped_at;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt as _};

/// Returns events with these types.
fn events(names: &[&str]) -> Vec<NewEvent> {
    names.iter().map(|name| NewEvent::new(*name, name).expect("text is JSON")).collect()
}

async fn append(store: &EventFiles, id: &str, names: &[&str]) -> Result<Option<u64>> {
    store.append("order", id, ExpectedVersion::Any, events(names)).await
}

/// Returns the types of all events.
async fn types(store: &EventFiles) -> Vec<String> {
    let reader = store.reader().await.expect("a reader");
    let events = read(reader.as_ref()).await.expect("the events are read");
    events.into_iter().map(|event| event.event_type).collect()
}

async fn read(reader: &dyn EventReader) -> Result<Vec<StreamEvent>> {
    let batches: Vec<Vec<_>> = reader.all_events("order").await?.try_collect().await?;
    Ok(batches.into_iter().flatten().collect())
}

/// Returns the paths of all files.
async fn files(store: &Arc<InMemory>) -> Vec<String> {
    let listed: Vec<_> = store.list(None).try_collect().await.expect("the files are listed");
    let mut paths: Vec<_> = listed.into_iter().map(|meta| meta.location.to_string()).collect();
    paths.sort();
    paths
}

/// A store in memory, and the same store with faults.
fn faulty() -> (Arc<InMemory>, FaultyStore, EventFiles, EventFiles) {
    let memory = Arc::new(InMemory::new());
    let faulty = FaultyStore::over(Arc::clone(&memory) as Arc<dyn ObjectStore>);
    let other = EventFiles::in_storage(Storage::object_store(Arc::clone(&memory) as _, "memory"));
    let store = EventFiles::in_storage(faulty.storage());
    (memory, faulty, store, other)
}

#[tokio::test]
async fn a_change_that_ends_before_its_commit_is_invisible_and_removable() {
    for stopped_at in [".jsonl", "journal", "0000000002-", "outcome"] {
        let (memory, faulty, store, other) = faulty();
        append(&store, "1", &["A"]).await.expect("an event is appended");
        let complete = files(&memory).await;
        faulty.fail([Fault::always(Operation::Put, stopped_at, Failure::Never)]);
        dropped_at(faulty.until_called(Operation::Put, stopped_at, 1), append(&store, "1", &["B", "C"]))
            .await;
        assert_eq!(types(&other).await, ["A"], "the process ended at `{stopped_at}`");
        assert_eq!(append(&other, "1", &["D"]).await.expect("another process appends"), Some(1));
        assert_eq!(types(&other).await, ["A", "D"], "the process ended at `{stopped_at}`");
        assert_eq!(other.remove_unused(Duration::from_secs(3600)).await.expect("nothing is old"), 0);
        let (memory_before, mut unused) = (files(&memory).await, 0);
        // The clock of the store has the resolution of a second.
        koan_backup_tests::wait::until("the files are old", async || {
            unused += other.remove_unused(Duration::ZERO).await.expect("unused files are removed");
            // The outcome of the first change is removed, and there is a file of the event of the other process.
            files(&memory).await.len() == complete.len()
        })
        .await;
        assert!(unused > 0, "the process ended at `{stopped_at}`: {memory_before:?}");
        assert_eq!(types(&other).await, ["A", "D"], "the process ended at `{stopped_at}`");
    }
}

#[tokio::test]
async fn a_committed_change_is_visible_and_completed_by_the_next_change() {
    let (memory, faulty, store, other) = faulty();
    faulty.fail([Fault::always(Operation::Delete, "journals", Failure::Never)]);
    dropped_at(faulty.until_called(Operation::Delete, "journals", 1), append(&store, "1", &["A"])).await;
    assert_eq!(types(&other).await, ["A"], "the process ended at the removal of the journal");
    append(&other, "1", &["B"]).await.expect("another process appends");
    assert_eq!(types(&other).await, ["A", "B"], "the process ended at the removal of the journal");
    let journals = files(&memory).await.into_iter().filter(|path| path.contains("journals"));
    assert_eq!(journals.count(), 0, "the journal of the ended process was not removed");
}

#[tokio::test]
async fn a_removal_that_was_committed_is_visible_and_completed_by_the_next_change() {
    let (memory, faulty, store, other) = faulty();
    append(&store, "1", &["A"]).await.expect("an event is appended");
    append(&store, "2", &["B"]).await.expect("an event is appended");
    faulty.fail([Fault::always(Operation::Delete, ".jsonl", Failure::Never)]);
    dropped_at(faulty.until_called(Operation::Delete, ".jsonl", 1), store.remove("order", "1")).await;
    assert_eq!(types(&other).await, ["B"], "the removal was committed");
    let reader = other.reader().await.expect("a reader");
    assert_eq!(reader.object_ids("order", None, 9).await.expect("listed"), ["2"]);
    assert!(reader.open("order", "1").await.expect("opened").is_none());
    append(&other, "1", &["D"]).await.expect("another process appends");
    assert_eq!(types(&other).await, ["D", "B"]);
    let paths = files(&memory).await;
    assert!(paths.iter().all(|path| !path.contains("journal")), "{paths:?}");
    assert_eq!(paths.iter().filter(|path| path.contains("/1/")).count(), 2, "{paths:?}");
}

#[tokio::test]
async fn of_two_undecided_changes_of_an_aggregate_one_is_discarded() {
    for begins in ["the held change", "the other change"] {
        let (_, faulty, store, other) = faulty();
        append(&store, "1", &["A"]).await.expect("an event is appended");
        let mut session = None;
        if begins == "the other change" {
            session = Some(other.begin_restore(SessionIntent::Apply).await.expect("a session"));
        }
        faulty.fail([Fault::always(Operation::Put, "outcome", Failure::Held)]);
        let held = tokio::spawn(async move { append(&store, "1", &["B"]).await });
        faulty.until_called(Operation::Put, "outcome", 1).await;
        let mut session = match session {
            Some(session) => session,
            None => other.begin_restore(SessionIntent::Apply).await.expect("a session"),
        };
        let event = events(&["C"]).remove(0).into_stream_event("1", "1", 1);
        session.writer().append("order", vec![event]).await.expect("appended");
        session.commit().await.expect("the change that waits for its outcome is discarded");
        faulty.resume();
        assert_eq!(held.await.expect("the task ends").expect("the append is repeated"), Some(2));
        assert_eq!(types(&other).await, ["A", "C", "B"], "{begins} began first");
    }
}

#[tokio::test]
async fn a_commit_whose_response_was_lost_is_recognized() {
    for lost in ["outcome", "journal"] {
        let (_, faulty, store, other) = faulty();
        faulty.fail([Fault::once(Operation::Put, lost, Failure::ResponseLost)]);
        let appended = append(&store, "1", &["A"]).await;
        let found = types(&other).await;
        assert_eq!(found.len(), usize::from(appended.is_ok()), "{lost}: {appended:?}, {found:?}");
        append(&store, "1", &["B"]).await.expect("the store is usable");
        assert_eq!(types(&other).await.len(), found.len() + 1, "{lost}");
    }
}

#[tokio::test]
async fn a_change_that_the_storage_refuses_leaves_nothing() {
    for refused in ["mark.json", ".jsonl", "journal", "0000000001-", "outcome"] {
        let (memory, faulty, store, other) = faulty();
        faulty.fail([Fault::always(Operation::Put, refused, Failure::Forbidden)]);
        append(&store, "1", &["A"]).await.expect_err("the storage refuses the file");
        assert_eq!(types(&other).await, [""; 0], "{refused}");
        let left = files(&memory).await;
        // The mark of the withdrawn change remains until unused files are removed.
        let is_expected = |path: &String| path.ends_with("mark.json") || path.contains("/withdrawals/");
        assert!(left.iter().all(is_expected), "{refused}: {left:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_appends_at_the_same_time_lose_nothing() {
    let folder = tempfile::tempdir().expect("a directory");
    let open = || EventFiles::in_storage(Storage::local(folder.path()).expect("a directory"));
    let ids: Vec<_> = (0..50).map(|number| format!("order-{number:02}")).collect();
    let appends = ids.iter().map(async |id| append(&open(), id, &["A", "B"]).await);
    for result in join_all(appends).await {
        assert_eq!(result.expect("the events are appended"), Some(1));
    }
    let reader = open().reader().await.expect("a reader");
    assert_eq!(reader.object_ids("order", None, 100).await.expect("listed"), ids);
    assert_eq!(reader.count("order", StreamPart::Events).await.expect("counted"), 100);
    let same =
        (0..4).map(async |_| open().append("order", "same", ExpectedVersion::NoEvents, events(&["A"])).await);
    let successes = join_all(same).await.into_iter().filter(Result::is_ok).count();
    assert!(successes <= 1, "{successes} appends found a stream without events");
}

#[tokio::test]
async fn an_append_with_another_version_is_refused() {
    let store = EventFiles::in_storage(Storage::memory());
    append(&store, "1", &["A", "B"]).await.expect("events are appended");
    for expected in [ExpectedVersion::NoEvents, ExpectedVersion::Version(0), ExpectedVersion::Version(2)] {
        let error = store.append("order", "1", expected, events(&["C"])).await.expect_err("the version is 1");
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    }
    let appended = store.append("order", "1", ExpectedVersion::Version(1), events(&["C"])).await;
    assert_eq!(appended.expect("the version is expected"), Some(2));
}

#[tokio::test]
async fn streams_are_terminated_continued_and_described_by_snapshots() {
    let store = EventFiles::in_storage(Storage::memory());
    append(&store, "1", &["A", "B"]).await.expect("events are appended");
    let state = JsonText::exact("{ \"total\": 20 }").expect("JSON");
    assert_eq!(store.add_snapshot("order", "1", "Order", state.clone()).await.expect("added"), 1);
    store.add_snapshot("order", "1", "Order", state).await.expect_err("there is a snapshot at this version");
    store.continue_as("order", "1", "1-b").await.expect_err("the stream is active");
    store.terminate("order", "1", "migrated").await.expect("the stream is terminated");
    let error = append(&store, "1", &["C"]).await.expect_err("the stream was terminated");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    store.continue_as("order", "1", "1-b").await.expect("the stream is continued");
    append(&store, "1", &["C"]).await.expect("an event is appended");
    let reader = store.reader().await.expect("a reader");
    let opened = reader.open("order", "1").await.expect("opened").expect("it exists");
    assert_eq!(opened.streams.iter().map(|stream| stream.version).collect::<Vec<_>>(), [Some(1), Some(0)]);
    assert_eq!(opened.active().map(|stream| stream.stream_id.as_str()), Some("1-b"));
    assert_eq!(types(&store).await, ["A", "B", "C"]);
    let removed = store.remove("order", "1").await.expect("removed");
    assert_eq!((removed.events, removed.documents, removed.snapshots), (3, 1, 1));
}

#[tokio::test]
async fn damaged_and_missing_files_are_errors() {
    for (file, damage) in
        [(".jsonl", "truncated"), (".jsonl", "changed"), (".jsonl", "missing"), ("-", "changed")]
    {
        let memory = Arc::new(InMemory::new());
        let store = EventFiles::in_storage(Storage::object_store(Arc::clone(&memory) as _, "memory"));
        append(&store, "1", &["A", "B", "C"]).await.expect("events are appended");
        let listed: Vec<_> = memory.list(None).try_collect().await.expect("listed");
        let path = listed.into_iter().map(|meta| meta.location).find(|path| {
            path.as_ref().contains("/order/") && path.filename().is_some_and(|name| name.contains(file))
        });
        let path = path.expect("the file exists");
        let content = memory.get(&path).await.expect("read").bytes().await.expect("read");
        let line = content.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        match damage {
            // A whole line is missing.
            "truncated" => memory.put(&path, content.slice(..line).into()).await.map(drop),
            "changed" => {
                let text =
                    String::from_utf8(content.to_vec()).expect("JSON is text").replacen("\"A\"", "\"X\"", 2);
                memory.put(&path, text.replacen("\"format\":1", "\"format\":9", 1).into()).await.map(drop)
            }
            _ => memory.delete(&path).await,
        }
        .expect("the file is damaged");
        let reader = store.reader().await.expect("a reader");
        let error = read(reader.as_ref()).await.expect_err("the file is damaged");
        let expected = [ErrorKind::Corrupt, ErrorKind::Incompatible, ErrorKind::Provider];
        assert!(expected.contains(&error.kind()), "{file} {damage}: {error:?}");
    }
}

#[tokio::test]
async fn a_store_that_has_disappeared_is_refused() {
    let folder = tempfile::tempdir().expect("a directory");
    let state =
        koan_backup::storage::MachineState::open(folder.path().join("state")).expect("a state directory");
    let path = folder.path().join("events");
    let open = || EventFiles::in_storage(Storage::local(&path).expect("a directory"));
    let store = open();
    store.attach(&state).await.expect("the store is new");
    append(&store, "1", &["A"]).await.expect("an event is appended");
    open().attach(&state).await.expect("the store has its mark");
    std::fs::remove_dir_all(&path).expect("the directory is removed");
    let error = open().attach(&state).await.expect_err("the store has disappeared");
    assert!(error.to_string().contains("was used before"), "{error}");
}
