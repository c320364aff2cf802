//! Tests that reproduce, with small inputs, failures of event streams that users of other event stores and backup tools
//! have reported. The doc comment of each test links the reports.

mod database;

use std::collections::BTreeMap;
use std::time::Duration;

use koan_backup::archive::BackupStatus;
use koan_backup::event_store::NewEvent;
use koan_backup::prelude::*;
use koan_backup::report::EntityRestore;
use koan_backup::streams::StreamBackupRef;
use koan_backup::{ConflictMode, EventFiles, EventTables, MemoryEvents};
use koan_backup_tests::cqrs_es_tables;

use self::database::{Database, OBJECT};
use crate::shop::{FULL, PLAIN, Shop, content, event, json};

const HOUR: Duration = Duration::from_secs(3_600);

/// A table whose positions are unique, with a clause that says what happens to a row whose position exists.
fn positions(on_conflict: &str) -> String {
    format!(
        "CREATE TABLE event (position INTEGER PRIMARY KEY {on_conflict}, object_name TEXT NOT NULL, object_id TEXT NOT NULL,
            version INTEGER NOT NULL, type TEXT NOT NULL, payload TEXT NOT NULL, UNIQUE (object_name, object_id, version));
         INSERT INTO event VALUES (1, 'order', 'first', 0, 'Placed', '1'), (2, 'order', 'first', 1, 'Paid', '2');"
    )
}

/// <https://github.com/Quchaosheng/workbench-mobile-home-robot/issues/46>,
/// <https://github.com/Mimetis/Dotmim.Sync/issues/460>: the conflict clause of a table in SQLite silently discards an appended
/// event, or deletes an existing one, and the writer reports success.
#[tokio::test]
async fn a_restored_event_neither_replaces_nor_yields_to_an_event_with_its_position() {
    for clause in ["ON CONFLICT REPLACE", "ON CONFLICT IGNORE", "ON CONFLICT FAIL"] {
        let database = Database::new(&positions(clause));
        let tables = EventTables::new("event").position_column("position");
        let koan = database.koan(tables).await;
        let single = koan.streams(OBJECT).expect("declared").backup("first").await.expect("made");
        let archive = koan.backup("nightly").await.expect("made");
        database.run("UPDATE event SET object_id = 'second'");
        let before = database.dump("event");
        let refused = koan.streams(OBJECT).expect("declared").restore(&single).await.expect_err(clause);
        assert_eq!(refused.kind(), ErrorKind::Conflict, "{clause}: {refused:?}");
        let refused = koan.restore(archive.id()).await.expect_err(clause);
        assert_eq!(refused.kind(), ErrorKind::Conflict, "{clause}: {refused:?}");
        assert_eq!(database.dump("event"), before, "{clause}: the other aggregate is unchanged");
    }
}

/// <https://github.com/akka/akka-core/issues/18559>,
/// <https://github.com/okumin/akka-persistence-sql-async/issues/6>, <https://github.com/nstoredev/NStore/issues/35>: events are
/// removed and a snapshot of them remains, so the next events have versions that the snapshot already includes, and the
/// application never reads them.
#[tokio::test]
async fn no_snapshot_of_removed_events_remains_after_a_restore() {
    for round in ["a single backup", "a single backup with snapshots that are omitted", "an archive"] {
        let database = Database::new(cqrs_es_tables::SQLITE);
        database.run(
            "INSERT INTO events SELECT 'order', 'a', value, 'Placed', '1.0', '{}', '{}' FROM json_each('[1,2,3]');
             INSERT INTO snapshots VALUES ('order', 'a', 2, 1, '\"of the backup\"')",
        );
        let koan = database.koan(koan_backup::CqrsEs::tables()).await;
        let orders = koan.streams(OBJECT).expect("declared");
        let without = orders.backup("a").await.expect("made");
        let with = orders.backup("a").full().await.expect("made");
        let archive = koan.backup("nightly").await.expect("made");
        database.run(
            "INSERT INTO events SELECT 'order', 'a', value, 'Late', '1.0', '{}', '{}' FROM json_each('[4,5,6,7,8]');
             DELETE FROM snapshots; INSERT INTO snapshots VALUES ('order', 'a', 6, 2, '\"of later events\"')",
        );
        match round {
            "a single backup" => {
                orders.restore(&without).on_conflict(ConflictMode::Overwrite).await.map(drop).expect(round);
            }
            "an archive" => koan.restore(archive.id()).replace_existing().await.map(drop).expect(round),
            _ => {
                let restore = orders.restore(&with).without_snapshots();
                restore.on_conflict(ConflictMode::Overwrite).await.map(drop).expect(round);
            }
        }
        let expected = if round == "an archive" { vec!["2".to_owned()] } else { Vec::new() };
        assert_eq!(database.column("SELECT last_sequence FROM snapshots"), expected, "{round}");
        assert_eq!(database.column("SELECT max(sequence) FROM events"), ["3"], "{round}");
    }
}

/// <https://github.com/kurrent-io/KurrentDB/issues/1541>, <https://github.com/Krzysztof318/MailFathom/issues/2131>,
/// <https://github.com/hookdeck/outpost/pull/718>: numbers of stored events are rounded, and the names in their JSON get
/// another order, so the application cannot read them.
#[tokio::test]
async fn numbers_and_the_order_of_names_survive_each_store_and_each_kind_of_backup() {
    let texts = [
        r#"{"block":0.1234567890123456789,"event":12345678901234567890,"big":1.7976931348623157E+400}"#,
        "{ \"b\" : -0.0,\n \"a\" : 1.50, \"a\" : 1e2, \"t\" : \"\\u00e4 \\/ \\ud83e\\udd80\" }",
        "null",
    ];
    let shop = Shop::new();
    let events = texts.map(|text| {
        NewEvent::with_payload("Imported", json(text)).metadata(&json(text).as_json()).expect("metadata")
    });
    shop.events.append("legacy", "numbers", events).expect("appended");
    shop.events.add_snapshot("legacy", "numbers", "state", json(texts[1])).expect("a snapshot");
    let before = content(&shop.events, "legacy", "numbers").await;
    let koan = shop.koan().await;
    let single = koan.streams("legacy").expect("declared").backup("numbers").full().await.expect("made");
    let archive = koan.backup("nightly").entities(["legacy"]).await.expect("made");
    for kind in ["single backup", "archive"] {
        let restored = MemoryEvents::new();
        let koan = shop.koan_for(&restored).await;
        match kind {
            "archive" => koan.restore(archive.id()).await.map(drop).expect("restored"),
            _ => {
                koan.streams("legacy").expect("declared").restore(&single).await.map(drop).expect("restored");
            }
        }
        let after = content(&restored, "legacy", "numbers").await;
        assert_eq!(after, before, "{kind}");
        let stored: Vec<_> = after.events.iter().map(|event| event.payload.stored_text()).collect();
        assert_eq!(stored, texts, "{kind}: the exact text");
    }
}

/// <https://github.com/kurrent-io/KurrentDB/issues/2622>, <https://github.com/AxonIQ/AxonFramework/issues/1005>: a copy of a stream
/// whose first events were removed is empty, or ends at the first remaining event, and reports success.
#[tokio::test]
async fn a_stream_without_its_first_events_is_refused_by_name_and_does_not_prevent_the_others() {
    let database = Database::new(cqrs_es_tables::SQLITE);
    database.run(
        "INSERT INTO events SELECT 'order', 'truncated', value, 'Placed', '1.0', '{}', '{}' FROM json_each('[21,22,23]');
         INSERT INTO events SELECT 'order', 'whole', value, 'Placed', '1.0', '{}', '{}' FROM json_each('[1,2,3]')",
    );
    let koan = database.koan(koan_backup::CqrsEs::tables()).await;
    let report =
        koan.streams(OBJECT).expect("declared").backup_all().continue_on_error().await.expect("done");
    let made: Vec<_> = report.handles.iter().map(|handle| handle.object_id.as_deref()).collect();
    assert_eq!(made, [Some("whole")]);
    let failure = &report.failures()[0];
    assert_eq!(failure.object_id.as_deref(), Some("truncated"));
    assert!(failure.error.chain().contains("begins with version 20 instead of 0"), "{:?}", failure.error);
    let refused = koan.backup("nightly").await.expect_err("events are missing").chain();
    assert!(refused.contains("`truncated`") && refused.contains("version 20"), "{refused}");
    let listed = koan.backups().await.expect("listed");
    assert!(listed.iter().all(|manifest| manifest.status == BackupStatus::Failed), "{listed:?}");
}

/// <https://github.com/prooph/pdo-event-store/issues/226>, <https://github.com/EventStore/documentation/issues/204>,
/// <https://github.com/kurrent-io/KurrentDB/issues/865>, <https://github.com/OctopusDeploy/Issues/issues/6915>: ids with dots, slashes
/// and a thousand characters break exports or are mixed up.
#[tokio::test]
async fn every_id_is_an_aggregate_of_its_own_in_backups_and_in_event_files() {
    let uri = |end: &str| format!("https://shop.example/{}/{end}", "x".repeat(1_000));
    let ids = [
        "",
        ".",
        "..",
        "a",
        "A",
        "a/b",
        "a%2Fb",
        "a/../b",
        "patrick.kusebauch",
        "ä",
        "a\u{308}",
        "a\\b",
        "a\nb",
        "CON",
    ];
    let ids: Vec<String> = ids.into_iter().map(str::to_owned).chain([uri("1"), uri("2")]).collect();
    let shop = Shop::new();
    for (number, id) in ids.iter().enumerate() {
        let events = (0..=number).map(|_| event("Imported", "{}"));
        shop.events.append("legacy", id, events).expect("appended");
    }
    let koan = shop.koan().await;
    let report = koan.streams("legacy").expect("declared").backup_all().full().await.expect("done");
    assert!(report.is_fully_successful(), "{:?}", report.failures());
    let archive = koan.backup("nightly").entities(["legacy"]).await.expect("made");
    for (number, id) in ids.iter().enumerate() {
        let page = koan.stream_backups().object("legacy").object_id(id).await.expect("listed");
        let counts: Vec<_> = page.backups.iter().map(|backup| backup.event_count).collect();
        assert_eq!(counts, [u64::try_from(number).expect("a number") + 1], "{id:?}");
    }
    for kind in ["single backups", "archive"] {
        let folder = tempfile::tempdir().expect("a directory");
        let files = EventFiles::in_storage(Storage::local(folder.path()).expect("a directory"));
        let builder = shop.builder().storage(shop.storage()).keys(shop.keys()).event_store(files);
        let koan = builder.build().await.expect("a context");
        match kind {
            "archive" => koan.restore(archive.id()).await.map(drop).expect("restored"),
            _ => {
                let restored = koan.restore_streams(&report.handles).await.expect("done");
                assert!(restored.is_fully_successful(), "{:?}", restored.failures());
            }
        }
        let again = koan.streams("legacy").expect("declared").backup_all().await.expect("done");
        let counts: BTreeMap<_, _> =
            again.handles.iter().map(|handle| (handle.object_id.clone(), handle.event_count)).collect();
        let expected = (1..).zip(&ids).map(|(count, id)| (Some(id.clone()), count)).collect();
        assert_eq!(counts, expected, "{kind}");
    }
}

/// <https://github.com/pathosDev/actor-ts/issues/707>: a collation without case merges the streams of two aggregates.
#[tokio::test]
async fn two_ids_that_a_database_considers_equal_are_refused_and_never_merged() {
    let database = Database::new(cqrs_es_tables::SQLITE);
    database.run(
        "INSERT INTO events VALUES ('order', 'a-1', 1, 'Placed', '1.0', '{}', '{}'), ('order', 'A-1', 1, 'Placed', '1.0', '{}', '{}')",
    );
    let koan = database.koan(koan_backup::CqrsEs::tables()).await;
    let archive = koan.backup("nightly").await.expect("made");
    database.run(
        "DELETE FROM events; CREATE UNIQUE INDEX same ON events (aggregate_id COLLATE NOCASE, sequence)",
    );
    let refused = koan.restore(archive.id()).await.expect_err("the database considers the ids equal");
    assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused:?}");
    assert_eq!(database.dump("events"), Vec::<String>::new(), "nothing was written");
}

/// <https://github.com/borgbackup/borg/issues/1790>, <https://github.com/borgbackup/borg/issues/3908>,
/// <https://github.com/muoncore/newton/issues/47>, <https://github.com/eventflow/EventFlow/pull/821>: the removal of old backups counts
/// those of another source whose name begins with the same characters, and streams of two types with the same id are mixed up.
#[tokio::test]
async fn the_last_backup_is_determined_for_each_object_name_and_id() {
    let shop = Shop::new();
    for (object, id) in [("legacy", FULL), ("legacy", "order-1"), ("order", "order-1")] {
        shop.events.append(object, id, [event("Paid", r#""Paid""#)]).expect("appended");
    }
    let koan = shop.koan().await;
    let backup = async |object: &str, id: &str, expires: Option<Duration>| {
        let backup = koan.streams(object).expect("declared").backup(id);
        let backup = match expires {
            Some(after) => backup.expires_after(after),
            None => backup,
        };
        backup.await.expect("made").id
    };
    let (kept, removed) =
        (backup("order", "order-1", Some(HOUR)).await, backup("order", FULL, Some(HOUR)).await);
    shop.clock.pass(1);
    let others = [
        backup("order", FULL, None).await,
        backup("legacy", FULL, None).await,
        backup("legacy", "order-1", None).await,
    ];
    shop.clock.pass(5);
    let report = koan.cleanup_expired_stream_backups().await.expect("done");
    assert_eq!(report.removed.iter().map(|backup| backup.id).collect::<Vec<_>>(), [removed]);
    assert_eq!(report.kept.iter().map(|kept| kept.backup.id).collect::<Vec<_>>(), [kept]);
    for (object, id, expected) in
        [("order", "order-1", kept), ("order", FULL, others[0]), ("legacy", "order-1", others[2])]
    {
        let page = koan.stream_backups().object(object).object_id(id).await.expect("listed");
        assert_eq!(
            page.backups.iter().map(|backup| backup.id).collect::<Vec<_>>(),
            [expected],
            "{object} {id}"
        );
    }
}

/// <https://github.com/eventflow/EventFlow/pull/566>, <https://github.com/vectorize-io/hindsight/issues/3841>,
/// <https://github.com/datalust/seq-tickets/issues/812>: a gap in the positions ends a replay, and after a restore the next event gets
/// a position that exists.
#[tokio::test]
async fn positions_with_gaps_are_restored_and_the_next_event_gets_a_new_one() {
    let database = Database::new(&positions("AUTOINCREMENT"));
    database.run(
        "INSERT INTO event VALUES (9000000, 'order', 'second', 0, 'Placed', '3'), (9000001, 'order', 'first', 2, 'Late', '4')",
    );
    let tables = || EventTables::new("event").position_column("position");
    let koan = database.koan(tables()).await;
    let orders = koan.streams(OBJECT).expect("declared");
    let single = orders.backup("first").await.expect("made");
    assert_eq!(single.event_count, 3, "the events after the gap");
    let archive = koan.backup("nightly").await.expect("made");
    let before = database.dump("event");
    database.run("DELETE FROM event; DELETE FROM sqlite_sequence");
    let _ = koan.restore(archive.id()).await.expect("restored");
    assert_eq!(database.dump("event"), before);
    let _ = orders.restore_as(&single, "third").await.expect("cloned");
    let clone = "SELECT position FROM event WHERE object_id = 'third' ORDER BY version";
    assert_eq!(database.column(clone), ["9000002", "9000003", "9000004"]);

    database.run("INSERT INTO event VALUES (9223372036854775806, 'order', 'last', 0, 'Placed', '5')");
    let before = database.dump("event");
    let refused =
        orders.restore_as(&single, "fourth").await.expect_err("there is one position for three events");
    assert_eq!(database.dump("event"), before, "nothing was written: {refused:?}");
}

/// <https://github.com/yugabyte/yugabyte-db/issues/9167>: two restores of the same subject run at the same time, and what remains is
/// not determined.
#[tokio::test]
async fn two_backups_of_one_aggregate_are_not_restored_by_one_operation() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let orders = koan.streams("order").expect("declared");
    let older = orders.backup(PLAIN).await.expect("made");
    shop.events.append("order", PLAIN, [event("Paid", r#""Paid""#)]).expect("appended");
    let newer = orders.backup(PLAIN).await.expect("made");
    let other = orders.backup(FULL).await.expect("made");
    let before = content(&shop.events, "order", PLAIN).await;
    let missing = koan_backup::BackupId::from_uuid(uuid::Uuid::now_v7());
    let by_handles = [&older, &other, &newer].map(StreamBackupRef::from);
    let by_ids = [older.id, missing, newer.id].map(StreamBackupRef::from);
    let mixed = [StreamBackupRef::from(&newer), older.id.into()];
    for backups in [by_handles.to_vec(), by_ids.to_vec(), mixed.to_vec()] {
        let overwrite = koan.restore_streams(backups).on_conflict(ConflictMode::Overwrite);
        let refused = overwrite.await.expect_err("the result would depend on the order");
        assert_eq!(refused.kind(), ErrorKind::Configuration);
        let text = refused.to_string();
        assert!(text.contains(&older.id.to_string()) && text.contains(&newer.id.to_string()), "{text}");
    }
    let twice = koan.restore_streams([older.id, older.id]).on_conflict(ConflictMode::Overwrite);
    assert!(twice.await.expect_err("one backup twice").to_string().contains("restored twice"));
    assert_eq!(content(&shop.events, "order", PLAIN).await, before, "nothing was begun");
}

/// <https://github.com/msemys/esjc/issues/23>, <https://github.com/kurrent-io/KurrentDB/issues/268>: a reader returns the first page,
/// and the copy of the others is missing.
#[tokio::test]
async fn more_streams_and_events_than_a_page_are_backed_up_restored_and_removed() {
    let database = Database::new(cqrs_es_tables::SQLITE);
    database.run(
        "CREATE TABLE number (n INTEGER PRIMARY KEY);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000) INSERT INTO number SELECT i FROM n;
         INSERT INTO events SELECT 'order', 'short-' || n, 1, 'Placed', '1.0', '{}', '{}' FROM number WHERE n <= 2100;
         INSERT INTO events SELECT 'order', 'long', n, 'Placed', '1.0', '{}', '{}' FROM number",
    );
    let koan = database.koan(koan_backup::CqrsEs::tables()).await;
    let before = database.dump("events");
    let all = koan.streams(OBJECT).expect("declared").backup_all().max_concurrency(8).await.expect("done");
    assert!(all.is_fully_successful(), "{:?}", all.failures());
    assert_eq!((all.succeeded(), all.handles[0].event_count), (2101, 12_000));
    let archive = koan.backup("nightly").await.expect("made");
    assert_eq!(archive.item_count(), 14_100);
    database.run(
        "DELETE FROM events WHERE aggregate_id >= 'short-15';
         INSERT INTO events SELECT 'order', 'additional-' || n, 1, 'Placed', '1.0', '{}', '{}' FROM number WHERE n <= 2100;
         INSERT INTO events SELECT 'order', 'z-' || n, 1, 'Placed', '1.0', '{}', '{}' FROM number WHERE n <= 2100;
         INSERT INTO snapshots SELECT DISTINCT 'order', aggregate_id, 1, 1, '{}' FROM events",
    );
    let snapshots = database.dump("snapshots").len();
    let dry = koan.restore(archive.id()).replace_existing().dry_run().await.expect("compared");
    let restored = koan.restore(archive.id()).replace_existing().await.expect("restored");
    for report in [dry, restored] {
        let events = report.entities.iter().find(|entity| entity.entity == OBJECT).expect("the events");
        assert_eq!(events.counts.deleted, 4200, "the additional streams of all pages");
        let of_snapshots = |entity: &&EntityRestore| entity.entity == "order.snapshots";
        let removed = report.entities.iter().find(of_snapshots).expect("the snapshots").counts.deleted;
        assert_eq!(usize::try_from(removed).expect("a few"), snapshots, "the backup contains no snapshots");
    }
    assert_eq!(database.dump("events"), before);
    assert!(database.dump("snapshots").is_empty());
}
