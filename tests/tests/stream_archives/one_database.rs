//! Entities and events of one database in one archive: one snapshot, and one transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use koan_backup::CqrsEs;
use koan_backup::Event;
use koan_backup::prelude::*;
use koan_backup_tests::cqrs_es_tables;
use serde::{Deserialize, Serialize};

use super::database::Database;

/// The number of events of the aggregate `1`, which the application updates with each event.
#[derive(Serialize, Deserialize, Entity)]
#[entity(table = "summary")]
#[entity_backup]
struct Summary {
    id: i64,
    events: i64,
}

#[derive(Serialize, Deserialize, EventStream)]
#[event_stream(object = "order")]
#[entity_backup]
enum Ordered {
    Done,
}

/// Creates the tables with one event, and with these limits of the columns `sequence` and `events`.
fn prepare(database: &Database, limits: (u32, u32)) {
    let tables = match database {
        Database::Sqlite(_) => cqrs_es_tables::SQLITE,
        Database::Postgres(_) => cqrs_es_tables::POSTGRES,
    };
    database.run("DROP TABLE IF EXISTS summary; DROP TABLE IF EXISTS events; DROP TABLE IF EXISTS snapshots");
    database.run(&tables.replace("sequence >= 0", &format!("sequence <= {}", limits.0)));
    database.run(&format!(
        "CREATE TABLE summary (id bigint NOT NULL PRIMARY KEY, events bigint NOT NULL CHECK (events <= {}));
         INSERT INTO summary VALUES (1, 0)",
        limits.1
    ));
    add_event(database);
}

/// Adds an event and updates the summary in one transaction.
fn add_event(database: &Database) {
    database.run(
        "BEGIN;
         UPDATE summary SET events = events + 1;
         INSERT INTO events SELECT 'order', '1', events, 'Done', '1.0', '\"Done\"', '{}' FROM summary;
         COMMIT",
    );
}

/// Returns the number in the summary, and the number of events.
fn counts(database: &Database) -> Vec<String> {
    database
        .lines("SELECT CAST(events AS text) FROM summary UNION ALL SELECT CAST(count(*) AS text) FROM events")
}

async fn koan(database: &Database, storage: &Storage) -> Koan {
    let builder = Koan::builder().only_registered().register::<Summary>().register_stream::<Ordered>();
    let builder = database.add_to(builder.storage(storage.clone()), CqrsEs::tables());
    builder.build().await.expect("a context")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entities_and_events_of_one_database_are_read_from_one_snapshot() {
    for database in Database::each() {
        prepare(&database, (9, 9));
        let (storage, database) = (Storage::memory(), Arc::new(database));
        let koan = koan(&database, &storage).await;
        let (changed, changes) = (Arc::clone(&database), Arc::new(AtomicU32::new(0)));
        let count = Arc::clone(&changes);
        let backup = koan.backup("nightly").on_event(move |event| {
            if let Event::EntityStarted { .. } = event {
                add_event(&changed);
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        let backup = backup.await.expect("a backup");
        assert_eq!(changes.load(Ordering::Relaxed), 3, "the database changes before each entry is read");
        assert_eq!(counts(&database), ["4", "4"]);
        let _ = koan.restore(backup.id()).replace_existing().await.expect("restored");
        assert_eq!(counts(&database), ["1", "1"], "the backup contains the state of one moment");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entities_and_events_of_one_database_are_restored_in_one_transaction() {
    for database in Database::each() {
        prepare(&database, (9, 9));
        add_event(&database);
        let storage = Storage::memory();
        let backup = koan(&database, &storage).await.backup("nightly").await.expect("a backup");
        for (refusing, limits) in [("events", (1, 9)), ("summary", (9, 1))] {
            prepare(&database, limits);
            let restored = koan(&database, &storage).await.restore(backup.id()).replace_existing().await;
            let refused = restored.expect_err(refusing);
            assert_eq!(refused.kind(), ErrorKind::Constraint, "{refusing}: {refused:?}");
            assert_eq!(counts(&database), ["1", "1"], "{refusing}: nothing was restored");
        }
        prepare(&database, (9, 9));
        let _ =
            koan(&database, &storage).await.restore(backup.id()).replace_existing().await.expect("restored");
        assert_eq!(counts(&database), ["2", "2"]);
    }
}
