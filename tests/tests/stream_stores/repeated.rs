//! Archives that are restored twice, from each kind of event store into each other.

use koan_backup::event_store::{JsonText, NewEvent};
use koan_backup::prelude::*;
use koan_backup_tests::cqrs_es_tables;
use koan_backup_tests::postgres::Server;

use crate::stores::{Machine, TestEvents, TestStorage};

/// JSON whose text a column of type `jsonb` changes.
const TEXTS: [&str; 4] = [
    "{ \"b\" : 1.50,\n \"a\" : [1E2, -0.0, 12345678901234567890], \"ä\" : \"\\u00fc\\/\" }",
    "\"\\ud83e\\udd80\"",
    " null ",
    "{\"bb\":{\"y\":1,\"x\":[]},\"a\":true}",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_is_restored_into_each_store_and_a_second_restore_changes_nothing() {
    let (machine, postgres) = (Machine::new(), Server::start());
    let (directory, databases) = (TestStorage::directory(), tempfile::tempdir().expect("a directory"));
    let jsonb = cqrs_es_tables::POSTGRES.replace(" json ", " jsonb ");
    for source in ["sqlite", "json", "jsonb"] {
        let storage = Storage::memory();
        let new = |kind: &str, name: &str| match kind {
            "memory" => TestEvents::memory(),
            "files" => TestEvents::files(directory.open(name)),
            "sqlite" => TestEvents::sqlite(databases.path(), name),
            "json" => TestEvents::postgres(&postgres, name),
            _ => TestEvents::postgres_with(&postgres, name, &jsonb),
        };
        let events = new(source, &format!("from_{source}"));
        let event = |(version, text): (u64, &str)| {
            let json = |text: &str| JsonText::exact(text).expect("JSON");
            let event = NewEvent::with_payload("Placed", json(text)).schema_version("1.0");
            event.metadata(&json(text).as_json()).expect("metadata").into_stream_event("a", "a", version)
        };
        events.append_all((0..).zip(TEXTS).map(event).collect()).await;
        events.add_snapshot("a", 2).await;
        let backup = machine.koan(&events, &storage).await.backup("nightly").await.expect("a backup");
        for target in ["memory", "files", "sqlite", "json", "jsonb"] {
            let name = format!("{source}_to_{target}");
            let restored = new(target, &name);
            let koan = machine.koan(&restored, &storage).await;
            for round in ["first", "second"] {
                let report = koan.restore(backup.id()).await;
                let report = report.unwrap_or_else(|error| panic!("{name}, {round}: {}", error.chain()));
                let counts =
                    report.entities.iter().fold((0, 0, 0), |(inserted, unchanged, others), entity| {
                        let counts = entity.counts;
                        let changed = counts.updated + counts.kept + counts.deleted;
                        (inserted + counts.inserted, unchanged + counts.unchanged, others + changed)
                    });
                let all = backup.item_count();
                let expected = if round == "first" { (all, 0, 0) } else { (0, all, 0) };
                assert_eq!(counts, expected, "{name}, {round} restore: inserted, unchanged, others");
            }
            let replaced = koan.restore(backup.id()).replace_existing().await.expect("equal streams");
            let written =
                replaced.entities.iter().map(|entity| entity.counts.inserted + entity.counts.updated);
            assert_eq!(written.sum::<u64>(), 0, "{name}: nothing is replaced");
        }
    }
}
