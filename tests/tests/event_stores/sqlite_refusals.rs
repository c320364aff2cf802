//! Tables, rows and records that an event store in SQLite refuses, because a backup or a restore would change them.

use koan_backup::event_store::{EventKey, SnapshotKey, StreamEvent, StreamPart, StreamSnapshot};
use koan_backup::prelude::*;
use koan_backup::provider::{Provider as _, SessionOptions};
use koan_backup::{CqrsEs, ErrorKind, EventTables, Result, SnapshotTable};
use koan_backup_tests::cqrs_es_tables::SQLITE as CQRS_ES;
use koan_backup_tests::order_events::{minimal_event as event, minimal_snapshot as snapshot};

use super::sqlite::{Database, read, snapshots_of, text_of};

async fn write(store: &Sqlite, object: &str, events: Vec<StreamEvent>) -> Result<()> {
    let mut session = store.begin_restore(&SessionOptions::default()).await?;
    session.events().expect("an event store").append(object, events).await?;
    session.commit().await.map(drop)
}

async fn add_snapshots(store: &Sqlite, object: &str, snapshots: Vec<StreamSnapshot>) -> Result<()> {
    let mut session = store.begin_restore(&SessionOptions::default()).await?;
    session.events().expect("an event store").add_snapshots(object, snapshots).await?;
    session.commit().await.map(drop)
}

fn require(error: &koan_backup::Error, expected: &str) {
    let text = text_of(error);
    assert!(text.contains(expected), "{expected}: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_a_table_in_sqlite_cannot_contain_is_refused_and_nothing_is_written() {
    let database = Database::new(
        "CREATE TABLE event (object_id TEXT, version INTEGER, type TEXT, payload TEXT, position INTEGER)",
    );
    let store = database.store(EventTables::new("event").only_object("order").position_column("position"));
    let at = |id: &str, version, position| StreamEvent { position: Some(position), ..event(id, version) };
    for (object, events, expected) in [
        ("order", vec![StreamEvent { stream_id: "b".to_owned(), ..event("a", 0) }], "belongs to stream `b`"),
        ("invoice", vec![event("a", 0)], "contains only the object name order"),
        ("order", vec![StreamEvent { action: Some("x".to_owned()), ..event("a", 0) }], "action_column"),
        ("order", vec![event("a", 1)], "does not continue the stream"),
        ("order", vec![event("a", 0), event("a", 0)], "exists already"),
        ("order", vec![at("a", 0, 5), at("b", 0, 5)], "position 5 of a restored event"),
        ("order", vec![at("a", 0, i64::MAX), event("b", 0)], "has no position after the last event"),
    ] {
        require(&write(&store, object, events).await.expect_err(expected), expected);
    }
    assert_eq!(database.value::<i64>("SELECT count(*) FROM event"), 0);
    // Another object name is not that of the table.
    write(&store, "order", vec![event("a", 0)]).await.expect("written");
    let reader = store.snapshot().await.expect("a snapshot");
    let reader = reader.events().expect("an event store");
    assert_eq!(reader.object_ids("invoice", None, 10).await.expect("read"), Vec::<String>::new());
    assert!(reader.open("invoice", "a").await.expect("read").is_none());
    assert_eq!(reader.count("invoice", StreamPart::Events).await.expect("read"), 0);
    let mut session = store.begin_restore(&SessionOptions::default()).await.expect("a session");
    let writer = session.events().expect("an event store");
    assert!(writer.is_empty("invoice").await.expect("read"));
    assert_eq!(writer.heads("invoice", &["a".to_owned()]).await.expect("read"), []);
    assert_eq!(writer.remove("invoice", "a").await.expect("removed").events, 0);
    // Neither does another stream of the aggregate exist.
    let key = EventKey { object_id: "a".to_owned(), stream_id: "b".to_owned(), version: 0 };
    assert_eq!(writer.events_at("order", &[key]).await.expect("read"), []);
    assert_eq!(writer.truncate("order", "a", "b", 0).await.expect("removed"), 0);
    session.commit().await.expect("committed");
    assert_eq!(database.value::<i64>("SELECT count(*) FROM event"), 1);
    database.run("INSERT INTO event SELECT * FROM event");
    let mut session = store.begin_restore(&SessionOptions::default()).await.expect("a session");
    let key = EventKey { object_id: "a".to_owned(), stream_id: "a".to_owned(), version: 0 };
    let refused = session.events().expect("an event store").events_at("order", &[key]).await;
    require(&refused.expect_err("two events"), "there are two events with this version");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_a_table_in_sqlite_cannot_contain_is_refused_and_nothing_is_written() {
    let database = Database::new(
        "CREATE TABLE event (object_id TEXT, version INTEGER, type TEXT, payload TEXT);
         CREATE TABLE state (aggregate_id TEXT, last_sequence INTEGER, payload TEXT)",
    );
    let table = SnapshotTable::new("state").without_object_column().without_number_column();
    let store = database.store(EventTables::new("event").only_object("order").snapshots(table));
    for (object, snapshots, expected) in [
        ("order", vec![StreamSnapshot { name: Some("state".to_owned()), ..snapshot("a", 0) }], "has a name"),
        ("order", vec![StreamSnapshot { number: Some(1), ..snapshot("a", 0) }], "has a number"),
        (
            "order",
            vec![StreamSnapshot { timestamp: Some("now".to_owned()), ..snapshot("a", 0) }],
            "has a timestamp",
        ),
        (
            "order",
            vec![StreamSnapshot { stream_id: "b".to_owned(), ..snapshot("a", 0) }],
            "belongs to stream `b`",
        ),
        ("invoice", vec![snapshot("a", 0)], "contains only the object name order"),
        ("order", vec![snapshot("a", 0), snapshot("a", 0)], "the snapshot exists already"),
    ] {
        require(&add_snapshots(&store, object, snapshots).await.expect_err(expected), expected);
    }
    assert_eq!(database.value::<i64>("SELECT count(*) FROM state"), 0);
    add_snapshots(&store, "order", vec![snapshot("a", 0)]).await.expect("added");
    let mut session = store.begin_restore(&SessionOptions::default()).await.expect("a session");
    let key = SnapshotKey { object_id: "a".to_owned(), stream_id: "b".to_owned(), version: 0 };
    let removed = session.events().expect("an event store").remove_snapshots("order", &[key]).await;
    assert_eq!(removed.expect("removed"), 0, "another stream");
    session.commit().await.expect("committed");
    database.run("INSERT INTO state SELECT * FROM state");
    require(&snapshots_of(&store, "order").await.expect_err("two snapshots"), "there are two snapshots");
    let mut session = store.begin_restore(&SessionOptions::default()).await.expect("a session");
    let key = SnapshotKey { object_id: "a".to_owned(), stream_id: "a".to_owned(), version: 0 };
    let refused = session.events().expect("an event store").snapshots_at("order", &[key]).await;
    require(&refused.expect_err("two snapshots"), "there are two snapshots with this version");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_in_sqlite_that_belongs_to_no_stream_fails_the_backup() {
    let table = CQRS_ES
        .replace(" NOT NULL", "")
        .replace("PRIMARY KEY", "UNIQUE")
        .replace("CHECK (current_snapshot >= 0)", "");
    for (row, expected) in [
        ("(NULL, 'a', 1, 'A', '1', '{}', '{}')", "an object name that is not stored as text"),
        ("('order', NULL, 1, 'A', '1', '{}', '{}')", "column `aggregate_id` of table `events` is NULL"),
        ("('order', 'a', NULL, 'A', '1', '{}', '{}')", "column `sequence` of table `events` is NULL"),
        ("('order', 'a', 0, 'A', '1', '{}', '{}')", "is 0, but versions begin with 1"),
        ("('order', 'a', 1, NULL, '1', '{}', '{}')", "column `event_type` of table `events` is NULL"),
        ("('order', 'a', 1, 'A', '1', NULL, '{}')", "column `payload` of table `events` is NULL"),
    ] {
        let database = Database::new(&format!("{table}; INSERT INTO events VALUES {row}"));
        let store = database.store(CqrsEs::tables());
        require(&read(&store, "order").await.expect_err(expected), expected);
        let snapshot = store.snapshot().await.expect("a snapshot");
        let reader = snapshot.events().expect("an event store");
        if row.starts_with("(NULL") {
            require(&reader.object_names().await.expect_err("no name"), expected);
        } else if row.contains("NULL, 1") {
            require(&reader.object_ids("order", None, 10).await.expect_err("no id"), "is NULL");
        } else if row.contains("'a', NULL") {
            require(&reader.open("order", "a").await.expect_err("no version"), "is NULL");
        } else if row.contains("'a', 0") {
            require(&reader.open("order", "a").await.expect_err("no version"), "is below the first version");
        }
    }
    let database =
        Database::new(&format!("{table}; INSERT INTO snapshots VALUES ('order', 'a', 1, -1, '{{}}')"));
    let store = database.store(CqrsEs::tables());
    require(&snapshots_of(&store, "order").await.expect_err("negative"), "`snapshots` is negative");
    let database = Database::new(
        "CREATE TABLE event (object_name TEXT, object_id TEXT, version INTEGER, type TEXT, payload TEXT, position INTEGER);
         INSERT INTO event VALUES ('order', 'a', 0, 'A', '{}', NULL)",
    );
    let store = database.store(EventTables::new("event").position_column("position"));
    require(
        &read(&store, "order").await.expect_err("no position"),
        "column `position` of table `event` is NULL",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_in_sqlite_that_cannot_contain_an_event_store_is_refused_with_the_remedy() {
    let table =
        "CREATE TABLE event (object_name TEXT, object_id TEXT, version INTEGER, type TEXT, payload TEXT);";
    for (sql, expected) in [
        (format!("PRAGMA encoding = 'UTF-16'; {table}"), "stores text as UTF-16"),
        (
            table.replace("type TEXT", "type TEXT AS ('x') STORED"),
            "column `type` of table `event` of the event store is computed",
        ),
        (table.replace("object_id TEXT", "object_id NUMERIC"), "would convert some names to numbers"),
        (
            format!("{} CREATE VIEW event AS SELECT * FROM other", table.replace("event", "other")),
            "is a view",
        ),
    ] {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("shop.db");
        rusqlite::Connection::open(&path).expect("a database").execute_batch(&sql).expect("valid SQL");
        let store = Sqlite::open(&path).expect("a database").event_store(EventTables::new("event"));
        require(&store.describe(&[]).await.expect_err(expected), expected);
    }
    let database = Database::new(table);
    for (tables, expected) in [
        (EventTables::new("event").snapshots("event"), "cannot contain both the events and the snapshots"),
        (EventTables::new("event").action_column("type"), "`type`"),
    ] {
        let error = database.store(tables).describe(&[]).await.expect_err(expected);
        assert_eq!(error.kind(), ErrorKind::Configuration);
        require(&error, expected);
    }
    database.run("CREATE TABLE snapshots (aggregate_type TEXT, aggregate_id TEXT, last_sequence INTEGER, current_snapshot INTEGER,
        payload TEXT, trace TEXT)");
    let store = database.store(EventTables::new("event").snapshots("snapshots"));
    let warnings = store.describe(&[]).await.expect("described").warnings.join("\n");
    assert!(warnings.contains("`trace` of table `snapshots`"), "{warnings}");
}
