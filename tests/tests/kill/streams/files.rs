//! An event store of JSON files in a directory.

use std::fs;
use std::path::{Path, PathBuf};

use futures::TryStreamExt as _;
use koan_backup::event_store::{EventStore as _, JsonText, NewEvent};
use koan_backup::provider::SessionIntent;
use koan_backup::{EventFiles, ExpectedVersion, KoanBuilder, Storage};
use serde::Serialize;

use super::super::shop::{Dump, files_below};
use super::database::{EventDatabase, JobNames, LARGE, OBJECT};

/// The number of small aggregates.
const SMALL: usize = 16;

/// The event store in a folder.
pub(in super::super) struct Files(PathBuf);

impl Files {
    fn store(folder: &Path) -> EventFiles {
        EventFiles::in_storage(Storage::local(folder.join("events")).expect("a directory"))
    }

    async fn append(&self, id: &str, event_type: &str, count: usize) {
        let event = |number| {
            let payload = format!("{{ \"number\": {number}, \"text\": \"{}\" }}", "x".repeat(100));
            NewEvent::with_payload(event_type, JsonText::exact(&payload).expect("JSON"))
        };
        let store = Self::store(&self.0);
        store
            .append(OBJECT, id, ExpectedVersion::Any, (0..count).map(event))
            .await
            .expect("events are appended");
    }

    async fn remove(&self, id: &str) {
        Self::store(&self.0).remove(OBJECT, id).await.expect("the aggregate is removed");
    }
}

impl EventDatabase for Files {
    const JOBS: JobNames = JobNames {
        backup: "backup of event files",
        restore: "restore of an archive into event files",
        single_backup: "single backup of event files",
        single_restore: "single restore of event files",
    };
    const PARTS: usize = 3;

    async fn create(folder: &Path) -> Self {
        let files = Self(folder.to_owned());
        for number in 0..SMALL {
            files.append(&format!("small-{number}"), "Placed", 3).await;
        }
        let store = Self::store(folder);
        files.append(LARGE, "Placed", 100).await;
        store.terminate(OBJECT, LARGE, "moved").await.expect("terminated");
        store.continue_as(OBJECT, LARGE, "continued").await.expect("continued");
        files.append(LARGE, "Paid", 1_000).await;
        let state = JsonText::exact("{ \"paid\": true }").expect("JSON");
        store.add_snapshot(OBJECT, LARGE, "state", state).await.expect("a snapshot");
        files
    }

    fn register(folder: &Path, builder: KoanBuilder) -> KoanBuilder {
        builder.event_store(Self::store(folder))
    }

    async fn damage(&self) {
        for number in 0..SMALL {
            let id = format!("small-{number}");
            match number % 4 {
                0 => self.append(&id, "Late", 2).await,
                1 => {
                    self.remove(&id).await;
                    self.append(&id, "Changed", 3).await;
                }
                2 => self.remove(&id).await,
                _ => self.append(&format!("additional-{number}"), "Placed", 3).await,
            }
        }
        self.remove(LARGE).await;
        self.append(LARGE, "Placed", 100).await;
        let store = Self::store(&self.0);
        store.terminate(OBJECT, LARGE, "moved").await.expect("terminated");
        store.continue_as(OBJECT, LARGE, "continued").await.expect("continued");
        self.append(LARGE, "Paid", 500).await;
        self.append(LARGE, "Changed", 600).await;
    }

    fn remember(&self) {
        copy(&self.0.join("events"), &self.0.join("original"));
    }

    fn reset(&self) {
        let events = self.0.join("events");
        fs::remove_dir_all(&events).expect("removed");
        copy(&self.0.join("original"), &events);
    }

    async fn recover(&self) -> Option<&'static str> {
        let files = files_below(&self.0.join("events/event-store"));
        let ids = |folder: &str| -> Vec<_> {
            let is_in = |file: &&PathBuf| file.parent().is_some_and(|parent| parent.ends_with(folder));
            files.iter().filter(is_in).filter_map(|file| file.file_name()).collect()
        };
        let outcomes = ids("outcomes");
        let leftover = match ids("journals").first() {
            Some(journal) if outcomes.contains(journal) => Some("a journal with an outcome"),
            Some(_) => Some("a journal without an outcome"),
            None => None,
        };
        // A reader sees the same content before and after the next session completes the journal.
        let before = self.dump().await;
        let session = Self::store(&self.0).begin_restore(SessionIntent::Apply).await.expect("a session");
        session.rollback().await.expect("rolled back");
        let after = self.dump().await;
        assert!(before == after, "the completed journal changed {}", after.additional_lines(&before));
        leftover
    }

    async fn dump(&self) -> Dump {
        let reader = Self::store(&self.0).reader().await.expect("a reader");
        let events: Vec<_> =
            reader.all_events(OBJECT).await.expect("read").try_concat().await.expect("events");
        let documents: Vec<_> =
            reader.all_documents(OBJECT).await.expect("read").try_concat().await.expect("documents");
        let snapshots: Vec<_> =
            reader.all_snapshots(OBJECT).await.expect("read").try_concat().await.expect("snapshots");
        let mut lines = lines("event", &events, |event| &event.object_id);
        lines.extend(self::lines("document", &documents, |document| &document.object_id));
        lines.extend(self::lines("snapshot", &snapshots, |snapshot| &snapshot.object_id));
        lines.sort();
        Dump(lines)
    }
}

/// Returns a line for each record, which begins with the object id.
fn lines<R: Serialize>(part: &str, records: &[R], id: fn(&R) -> &str) -> Vec<String> {
    let text = |record| serde_json::to_string(record).expect("JSON");
    records.iter().map(|record| format!("{} {part} {}", id(record), text(record))).collect()
}

/// Copies all files of a folder.
fn copy(from: &Path, to: &Path) {
    for file in files_below(from) {
        let target = to.join(file.strip_prefix(from).expect("the file is below the folder"));
        fs::create_dir_all(target.parent().expect("a folder")).expect("created");
        fs::copy(&file, &target).expect("copied");
    }
}
