//! Event stores in tables of SQLite databases, on real files.

use std::sync::Arc;

use futures::TryStreamExt as _;
use koan_backup::event_store::{EventReader, JsonText, StreamEvent, StreamPart, StreamSnapshot};
use koan_backup::prelude::*;
use koan_backup::provider::{Provider, SessionIntent, SessionOptions};
use koan_backup::{CqrsEs, ErrorKind, EventTables, Result};
use koan_backup_tests::cqrs_es_tables::SQLITE as CQRS_ES;
use rusqlite::Connection;
use tempfile::TempDir;

use super::conforms;

/// A table with every column that settings can name.
const OWN: &str = "
    CREATE TABLE event (position INTEGER PRIMARY KEY AUTOINCREMENT, object_name TEXT NOT NULL COLLATE NOCASE,
        object_id TEXT NOT NULL COLLATE NOCASE, version INTEGER NOT NULL, type TEXT NOT NULL, schema_version TEXT,
        sequencer TEXT, action TEXT, recorded_at DATETIME, metadata JSON, payload BLOB NOT NULL);
    CREATE UNIQUE INDEX by_version ON event (object_name COLLATE BINARY, object_id COLLATE BINARY, version);";

fn own_tables() -> EventTables {
    EventTables::new("event")
        .schema_version_column("schema_version")
        .external_sequencer_column("sequencer")
        .action_column("action")
        .timestamp_column("recorded_at")
        .position_column("position")
        .metadata_column("metadata")
}

/// A database file with an event store, and a connection of the application.
pub(super) struct Database {
    folder: TempDir,
    sql: Connection,
}

impl Database {
    pub(super) fn new(sql: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let connection = Connection::open(folder.path().join("shop.db")).expect("a database");
        connection.execute_batch("PRAGMA journal_mode = WAL").expect("valid SQL");
        connection.execute_batch(sql).expect("valid SQL");
        Self { folder, sql: connection }
    }

    pub(super) fn store(&self, tables: EventTables) -> Sqlite {
        Sqlite::open(self.folder.path().join("shop.db")).expect("a database").event_store(tables)
    }

    pub(super) fn run(&self, sql: &str) {
        self.sql.execute_batch(sql).expect("valid SQL");
    }

    pub(super) fn value<T: rusqlite::types::FromSql>(&self, query: &str) -> T {
        self.sql.query_row(query, [], |row| row.get(0)).expect("one row")
    }

    /// Returns each row of a table, with the storage class and the literal of each value.
    fn dump(&self, table: &str) -> Vec<String> {
        let statement = self.sql.prepare(&format!("SELECT * FROM {table}")).expect("a table");
        let columns: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
        let terms: Vec<String> =
            columns.iter().map(|column| format!("typeof({column}) || quote({column})")).collect();
        let query = format!("SELECT {} FROM {table} ORDER BY 1", terms.join(" || ',' || "));
        let mut statement = self.sql.prepare(&query).expect("a table");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        rows.collect::<rusqlite::Result<_>>().expect("text")
    }
}

async fn events_of(reader: &dyn EventReader, object: &str) -> Result<Vec<StreamEvent>> {
    reader.all_events(object).await?.try_concat().await
}

pub(super) async fn read(store: &Sqlite, object: &str) -> Result<Vec<StreamEvent>> {
    let snapshot = store.snapshot().await?;
    events_of(snapshot.events().expect("the provider has an event store"), object).await
}

pub(super) async fn snapshots_of(store: &Sqlite, object: &str) -> Result<Vec<StreamSnapshot>> {
    let snapshot = store.snapshot().await?;
    let reader = snapshot.events().expect("the provider has an event store");
    reader.all_snapshots(object).await?.try_concat().await
}

pub(super) fn text_of(error: &koan_backup::Error) -> String {
    format!("{} {}", error.chain(), error.help().unwrap_or_default())
}

async fn require_conformance(sql: &str, tables: impl Fn() -> EventTables) {
    let mut databases = Vec::new();
    let _ = conforms(async || {
        let database = Database::new(sql);
        let store = Arc::new(database.store(tables())) as Arc<dyn Provider>;
        databases.push(database);
        Ok(store)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_of_cqrs_es_in_sqlite_conform() {
    require_conformance(CQRS_ES, CqrsEs::tables).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn own_tables_in_sqlite_with_positions_and_timestamps_conform() {
    require_conformance(OWN, own_tables).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_in_sqlite_without_a_unique_index_conforms() {
    require_conformance(
        "CREATE TABLE event (object_name, object_id, version, type, schema_version, metadata, payload, position INTEGER)",
        || {
            EventTables::new("event")
                .schema_version_column("schema_version")
                .metadata_column("metadata")
                .position_column("position")
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_writes_each_row_as_it_was() {
    let database = Database::new(CQRS_ES);
    database.run(
        r#"WITH RECURSIVE o(o) AS (VALUES (1) UNION ALL SELECT o + 1 FROM o WHERE o < 30),
            s(s) AS (VALUES (1) UNION ALL SELECT s + 1 FROM s WHERE s < 50)
        INSERT INTO events SELECT 'order', 'o-' || o, s, 'Placed', '1.0',
            '{ "n" : 1.50, "n":12345678901234567890, "t":"\u00e4 \/' || printf('%.*c', 3000, 'x') || '" } ', 'null' FROM o, s;
        INSERT INTO events VALUES ('Order', 'x', 1, 'Other', '1', '{}', '{}');
        INSERT INTO snapshots VALUES ('order', 'o-1', 3, 1, '{"a":  1}'), ('order', 'only', 9, 2, '[]')"#,
    );
    let before = (database.dump("events"), database.dump("snapshots"));
    let store = database.store(CqrsEs::tables());
    let snapshot = store.snapshot().await.expect("a snapshot");
    let reader = snapshot.events().expect("an event store");
    assert_eq!(reader.object_names().await.expect("names"), ["Order", "order"]);
    let opened = reader.open("order", "o-1").await.expect("opened").expect("it exists");
    let mut growing = reader.events(&opened, "o-1").await.expect("a stream");
    let mut first = growing.try_next().await.expect("a batch").expect("events");
    database.run("INSERT INTO events VALUES ('order', 'o-1', 51, 'Late', '1.0', '{}', '{}')");
    // Another read of the same snapshot runs while the stream is not finished.
    assert_eq!(reader.count("order", StreamPart::Events).await.expect("a count"), 1500);
    first.extend(growing.try_concat().await.expect("the other events"));
    assert_eq!(first.iter().map(|event| event.version).collect::<Vec<_>>(), (0..50).collect::<Vec<u64>>());
    let batches: Vec<_> =
        reader.all_events("order").await.expect("a read").try_collect().await.expect("batches");
    let lengths: Vec<usize> = batches.iter().map(Vec::len).collect();
    assert!(lengths.len() > 4 && lengths.iter().all(|&length| length < 400), "bounded batches: {lengths:?}");
    let events: Vec<_> = batches.into_iter().flatten().collect();
    assert_eq!(events.len(), 1500, "the event that was appended later is not read");
    let other = events_of(reader, "Order").await.expect("events");
    let snapshots: Vec<StreamSnapshot> =
        reader.all_snapshots("order").await.expect("a read").try_concat().await.expect("snapshots");
    assert_eq!(snapshots.iter().map(|snapshot| snapshot.version).collect::<Vec<_>>(), [2, 8]);
    drop(snapshot);

    database.run("DELETE FROM events; DELETE FROM snapshots");
    for intent in [SessionIntent::Compare, SessionIntent::Apply] {
        let mut options = SessionOptions::default();
        options.intent = intent;
        let mut session = store.begin_restore(&options).await.expect("a session");
        let writer = session.events().expect("an event store");
        assert_eq!(writer.append("order", events.clone()).await.expect("appended"), 1500);
        session.rollback().await.expect("rolled back");
        assert_eq!(database.value::<i64>("SELECT count(*) FROM events"), 0, "a rollback leaves nothing");
    }
    let mut session = store.begin_restore(&SessionOptions::default()).await.expect("a session");
    let writer = session.events().expect("an event store");
    writer.append("order", events).await.expect("appended");
    writer.append("Order", other).await.expect("appended");
    writer.add_snapshots("order", snapshots).await.expect("added");
    session.commit().await.expect("committed");
    assert_eq!((database.dump("events"), database.dump("snapshots")), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_and_a_duplicate_in_sqlite_are_errors_that_name_the_stream() {
    let database = Database::new(
        "CREATE TABLE event (object_name TEXT, object_id TEXT, version INTEGER, type TEXT, payload TEXT);
        INSERT INTO event VALUES ('order', 'o-7', 0, 'A', '1'), ('order', 'o-7', 2, 'A', '1')",
    );
    let store = database.store(EventTables::new("event"));
    let warnings = store.describe(&[]).await.expect("described").warnings.join("\n");
    assert!(warnings.contains("no unique index"), "{warnings}");
    let gap = read(&store, "order").await.expect_err("a gap");
    assert!(gap.to_string().contains("order `o-7` has no event between the versions 0 and 2"), "{gap}");
    database.run("UPDATE event SET version = 1 WHERE version = 2; INSERT INTO event SELECT * FROM event WHERE version = 1");
    let duplicate = read(&store, "order").await.expect_err("a duplicate");
    assert!(duplicate.to_string().contains("order `o-7` has two events with version 1"), "{duplicate}");
    // Each batch contains one event, so the duplicate begins a batch.
    database.run("UPDATE event SET payload = '\"' || printf('%.*c', 1500000, 'x') || '\"'");
    let duplicate = read(&store, "order").await.expect_err("a duplicate");
    assert!(duplicate.to_string().contains("order `o-7` has two events with version 1"), "{duplicate}");
}

#[tokio::test(flavor = "multi_thread")]
async fn triggers_of_event_tables_do_not_fire_and_the_sequence_of_positions_is_advanced() {
    let database = Database::new(OWN);
    database.run(
        "CREATE TABLE outbox (id TEXT);
        INSERT INTO event VALUES (900, 'order', 'a', 0, 'A', NULL, NULL, NULL, 1700000000, 12, x'7b7d'),
            (7, 'order', 'A', 0, 'A', '1', '2', '3', '2024-01-02 03:04:05', NULL, x'6e756c6c');
        CREATE TRIGGER publish AFTER INSERT ON event BEGIN INSERT INTO outbox VALUES (NEW.object_id); END;",
    );
    let before = database.dump("event");
    let store = database.store(own_tables());
    let events = read(&store, "order").await.expect("events");
    assert_eq!(events.iter().map(|event| event.object_id.as_str()).collect::<Vec<_>>(), ["A", "a"]);
    assert_eq!(events[1].timestamp.as_deref(), Some("1700000000"));
    assert_eq!(events[1].metadata, Some(JsonText::exact("12").expect("JSON")));
    database.run("DELETE FROM event; DELETE FROM sqlite_sequence");
    let mut session = store.begin_restore(&SessionOptions::default()).await.expect("a session");
    session.events().expect("an event store").append("order", events).await.expect("appended");
    let suspended = session.commit().await.expect("committed").suspended;
    assert!(suspended.iter().any(|object| object.name == "publish"), "{suspended:?}");
    assert_eq!(database.dump("event"), before, "storage classes and positions are preserved");
    assert_eq!(database.value::<i64>("SELECT count(*) FROM outbox"), 0, "no trigger fired");
    database.run("INSERT INTO event (object_name, object_id, version, type, payload) VALUES ('order', 'n', 0, 'A', x'31')");
    assert_eq!(database.value::<i64>("SELECT position FROM event WHERE object_id = 'n'"), 901);
    assert_eq!(database.value::<i64>("SELECT count(*) FROM outbox"), 1, "the trigger fires again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_would_be_changed_is_refused_without_its_content() {
    let row = |change: &str| {
        format!(
            "INSERT INTO events VALUES ('order', 'o', 1, 'A', '1', '{{}}', '{{}}'); UPDATE events SET {change}"
        )
    };
    for (change, expected) in [
        (
            "payload = 'secret'",
            "order `o`, version 0: the value of column `payload` of table `events` is not JSON",
        ),
        ("metadata = x'7b7d'", "column `metadata` of table `events` is stored as a BLOB"),
        ("aggregate_id = x'6f'", "column `aggregate_id` of table `events` is stored as a BLOB"),
        ("aggregate_type = x'6f'", "contains an object name that is not stored as text"),
        ("event_type = CAST(x'ff' AS TEXT)", "not valid UTF-8"),
        ("sequence = 0", "is 0, but versions begin with 1"),
        ("sequence = 1.5", "is not stored as INTEGER"),
    ] {
        let database = Database::new(CQRS_ES);
        database.run(&row(change));
        let error = read(&database.store(CqrsEs::tables()), "order").await.expect_err(change);
        assert_eq!(error.kind(), ErrorKind::Record, "{error}");
        let text = text_of(&error);
        assert!(text.contains(expected) && !text.contains("secret"), "{change}: {text}");
    }
    let database = Database::new(CQRS_ES);
    database.run("INSERT INTO snapshots VALUES ('order', 'o', 0, 1, '{}')");
    let error = snapshots_of(&database.store(CqrsEs::tables()), "order").await.expect_err("no version");
    assert!(error.to_string().contains("is 0, but versions begin with 1"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_of_snapshots_does_not_read_the_payloads_of_the_others() {
    let database = Database::new(CQRS_ES);
    database.run("INSERT INTO snapshots VALUES ('order', 'o', 1, 1, 'not JSON')");
    let store = database.store(CqrsEs::tables());
    let mut session = store.begin_restore(&SessionOptions::default()).await.expect("a session");
    let writer = session.events().expect("an event store");
    let keys = writer.snapshot_keys("order", &["o".to_owned()]).await.expect("only keys are read");
    let removed = writer.remove_snapshots("order", &keys).await.expect("removed");
    assert_eq!((keys.len(), removed), (1, 1));
    session.rollback().await.expect("rolled back");
    let snapshot = |version| StreamSnapshot {
        object_id: "o".to_owned(),
        stream_id: "o".to_owned(),
        version,
        number: Some(2),
        name: None,
        timestamp: None,
        payload: JsonText::exact("{}").expect("JSON"),
    };
    let mut session = store.begin_restore(&SessionOptions::default()).await.expect("a session");
    let writer = session.events().expect("an event store");
    assert_eq!(writer.add_snapshots("order", vec![snapshot(1)]).await.expect("added"), 1);
    let error = writer.add_snapshots("order", vec![snapshot(0)]).await.expect_err("it exists");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_call_leaves_a_session_that_cannot_be_committed() {
    let database = Database::new(CQRS_ES);
    database.run("INSERT INTO events VALUES ('order', 'o', 1, 'A', '1', '{}', '{}')");
    let store = database.store(CqrsEs::tables());
    let events = read(&store, "order").await.expect("events");
    let mut session = store.begin_restore(&SessionOptions::default()).await.expect("a session");
    let writer = session.events().expect("an event store");
    assert_eq!(writer.remove("order", "o").await.expect("removed").events, 1);
    writer.append("order", events.clone()).await.expect("appended");
    let conflict = writer.append("order", events).await.expect_err("the event exists");
    assert_eq!(conflict.kind(), ErrorKind::Conflict, "{conflict}");
    session.commit().await.expect_err("a failed session");
    assert_eq!(database.value::<i64>("SELECT count(*) FROM events"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_tables_and_columns_in_sqlite_are_errors_when_the_context_is_built() {
    let database = Database::new("CREATE TABLE other (id INTEGER)");
    let store = database.store(CqrsEs::tables());
    let missing = text_of(&store.describe(&[]).await.expect_err("no table"));
    assert!(missing.contains("`events`") && missing.contains("CREATE TABLE \"events\""), "{missing}");
    database.run(CQRS_ES);
    database.run("ALTER TABLE events ADD trace TEXT");
    let description = store.describe(&[]).await.expect("described");
    assert_eq!(description.unmapped_tables, ["other"], "the event tables are covered");
    let warnings = description.warnings.join("\n");
    assert!(warnings.contains("`trace`") && !warnings.contains("no unique index"), "{warnings}");
    database.run(
        "DROP TABLE events; CREATE TABLE events (aggregate_type TEXT, aggregate_id TEXT, sequence INTEGER,
        event_type TEXT, event_version TEXT, payload TEXT, tenant INTEGER NOT NULL)",
    );
    let missing = text_of(&store.describe(&[]).await.expect_err("no column"));
    assert!(missing.contains("`metadata`") && missing.contains("metadata_column"), "{missing}");
    database.run("ALTER TABLE events ADD metadata TEXT");
    let refused = text_of(&store.describe(&[]).await.expect_err("a column without a value"));
    assert!(refused.contains("`tenant`"), "{refused}");
    read(&store, "order").await.expect_err("a restore could not write the rows");
    database.run("ALTER TABLE events DROP tenant; ALTER TABLE events DROP sequence; ALTER TABLE events ADD sequence TEXT");
    let refused = text_of(&store.describe(&[]).await.expect_err("a version as text"));
    assert!(refused.contains("`sequence`") && refused.contains("INTEGER"), "{refused}");
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, Entity)]
#[entity(table = "events")]
struct EventRow {
    aggregate_id: String,
    #[serde(rename = "sequence")]
    #[entity(key)]
    number: i64,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_an_entity_in_sqlite_cannot_belong_to_the_event_store() {
    let database = Database::new(CQRS_ES);
    let provider = database.store(CqrsEs::tables());
    let builder = Koan::builder().only_registered().provider(provider).register::<EventRow>();
    let error =
        builder.storage(Storage::memory()).build().await.map(drop).expect_err("the table is shared").chain();
    assert!(error.contains("`events`") && error.contains("EventRow"), "{error}");
}
