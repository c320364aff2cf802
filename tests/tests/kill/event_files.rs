//! Tests that killing the process of a restore into an event store of JSON files leaves either the old or the restored
//! streams.

use std::path::{Path, PathBuf};

use futures::TryStreamExt as _;
use koan_backup::event_store::{EventStore as _, EventStoreSession, NewEvent, StreamEvent};
use koan_backup::prelude::*;
use koan_backup::provider::SessionIntent;
use koan_backup::{EventFiles, Memory};

use super::harness::{JobEffect, KillOutcome, OutputTexts, Scenario};
use super::process;

const OBJECT: &str = "order";

/// The scenario of a restore that changes, removes and adds aggregates.
pub(super) struct KilledEventRestore {
    folder: PathBuf,
}

impl Scenario for KilledEventRestore {
    const TEXTS: OutputTexts =
        OutputTexts { job: "restore of event files", before: "before the commit", after: "after it" };
    const KILLS: u32 = 20;

    async fn prepare(folder: &Path, _: u32) -> Self {
        write(folder, &before()).await.commit().await.expect("committed");
        Self { folder: folder.to_owned() }
    }

    fn reset(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async { write(&self.folder, &before()).await.commit().await }).expect("committed");
    }

    async fn context(folder: &Path) -> Koan {
        Koan::builder()
            .provider(Memory::new())
            .event_store(store(folder))
            .storage(Storage::memory())
            .state_directory(folder.join("state"))
            .build()
            .await
            .expect("a context")
    }

    async fn work(_: &Koan, on_last_record: fn()) {
        let folder = process::folder().expect("this process runs the job");
        let session = write(&folder, &after()).await;
        on_last_record();
        session.commit().await.expect("committed");
    }

    async fn check(&mut self) -> KillOutcome {
        let names = |folder: &str| -> Vec<_> {
            let entries = std::fs::read_dir(self.folder.join("events/event-store").join(folder));
            entries
                .map(|entries| entries.map(|entry| entry.expect("an entry").file_name()).collect())
                .unwrap_or_default()
        };
        let outcomes = names("outcomes");
        let leftover = match names("journals").first() {
            Some(journal) if outcomes.contains(journal) => Some("a change that was not completed"),
            Some(_) => Some("a journal without an outcome"),
            None => None,
        };
        let found = read(&self.folder).await;
        let effect = if found == before() {
            JobEffect::NotApplied
        } else if found == after() {
            JobEffect::Applied
        } else {
            panic!("the {} events are neither those before the restore nor the restored ones", found.len());
        };
        KillOutcome { effect, leftover }
    }
}

fn store(folder: &Path) -> EventFiles {
    EventFiles::in_storage(Storage::local(folder.join("events")).expect("a directory"))
}

/// Returns events of the aggregates with these numbers.
fn events(numbers: std::ops::Range<u32>, length: u64, name: &str) -> Vec<StreamEvent> {
    let event = |id: &str, version| {
        NewEvent::new(name, &version).expect("a number is JSON").into_stream_event(id, id, version)
    };
    let ids = numbers.map(|number| format!("order-{number:02}"));
    ids.flat_map(|id| (0..length).map(move |version| event(&id, version))).collect()
}

/// Returns the events before the restore.
fn before() -> Vec<StreamEvent> {
    events(0..12, 3, "Before")
}

/// Returns the events that the restore writes.
fn after() -> Vec<StreamEvent> {
    events(4..16, 5, "After")
}

/// Begins a session in which the store contains exactly these events.
async fn write(folder: &Path, events: &[StreamEvent]) -> Box<dyn EventStoreSession> {
    let mut session = store(folder).begin_restore(SessionIntent::Apply).await.expect("a session");
    let writer = session.writer();
    for id in writer.object_ids(OBJECT, None, 1_000).await.expect("listed") {
        writer.remove(OBJECT, &id).await.expect("removed");
    }
    writer.append(OBJECT, events.to_vec()).await.expect("appended");
    session
}

async fn read(folder: &Path) -> Vec<StreamEvent> {
    let reader = store(folder).reader().await.expect("a reader");
    let batches = reader.all_events(OBJECT).await.expect("a read");
    let batches: Vec<Vec<_>> = batches.try_collect().await.expect("the events are read");
    batches.into_iter().flatten().collect()
}
