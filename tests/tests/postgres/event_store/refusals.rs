//! Tables, rows and records that an event store in PostgreSQL refuses, because a backup or a restore would change them.

use futures::TryStreamExt as _;
use koan_backup::event_store::{StreamEvent, StreamSnapshot};
use koan_backup::prelude::*;
use koan_backup::provider::{Provider as _, SessionOptions};
use koan_backup::{CqrsEs, EventTables, SnapshotTable};
use koan_backup_tests::cqrs_es_tables::POSTGRES as CQRS_ES;
use koan_backup_tests::order_events::{json, minimal_event as event, minimal_snapshot as snapshot};
use koan_backup_tests::postgres::Server;

use super::{read, store, write};

async fn add_snapshots(
    store: &Postgres,
    object: &str,
    snapshots: Vec<StreamSnapshot>,
) -> koan_backup::Result<u64> {
    let mut session = store.begin_restore(&SessionOptions::default()).await?;
    let added = session.events().expect("an event store").add_snapshots(object, snapshots).await?;
    session.commit().await.map(|_| added)
}

async fn snapshots_of(store: &Postgres) -> koan_backup::Result<Vec<StreamSnapshot>> {
    let snapshot = store.snapshot().await?;
    snapshot.events().expect("an event store").all_snapshots("order").await?.try_concat().await
}

fn require(error: &koan_backup::Error, expected: &str) {
    let text = format!("{} {}", error.chain(), error.help().unwrap_or_default());
    assert!(text.contains(expected), "{expected}: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_the_table_cannot_contain_is_refused_and_nothing_is_written() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE event (object_id int, version int, type text, metadata jsonb, payload json, position bigint,
            PRIMARY KEY (object_id, version))",
    );
    let tables = EventTables::new("event")
        .only_object("order")
        .metadata_column("metadata")
        .position_column("position");
    let store = store(&server, tables);
    let changed = |change: fn(&mut StreamEvent)| {
        let mut event = event("7", 0);
        change(&mut event);
        vec![event]
    };
    for (object, events, expected) in [
        ("order", changed(|event| event.stream_id = "8".to_owned()), "belongs to stream `8`"),
        ("invoice", changed(|_| ()), "cannot contain the object name `invoice`"),
        ("order", changed(|event| event.object_id = "seven".to_owned()), "belongs to stream `7`"),
        ("order", vec![event("seven", 0)], "cannot contain the object id"),
        ("order", changed(|event| event.metadata = Some(json(r#"{"a":1,"a":2}"#))), "duplicate names"),
        ("order", vec![event("7", 0), event("7", 0)], "already exists"),
    ] {
        let error = write(&store, object, events).await.expect_err(expected);
        require(&error, expected);
    }
    let at = |id: &str, position| StreamEvent { position: Some(position), ..event(id, 0) };
    let twice =
        write(&store, "order", vec![at("7", 5), at("8", 5)]).await.expect_err("one position for two events");
    require(&twice, "position 5 of event table");
    assert_eq!(server.sql("SELECT count(*) FROM event"), "0");
    write(&store, "order", vec![at("7", i64::MAX)]).await.expect("written");
    let full = write(&store, "order", vec![event("8", 0)]).await.expect_err("there is no further position");
    require(&full, "has no position after the last event");
    let existing = write(&store, "order", vec![at("7", 1)]).await.expect_err("the event exists");
    assert_eq!(existing.kind(), ErrorKind::Conflict, "{existing:?}");
    assert_eq!(server.sql("SELECT count(*) FROM event"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_the_table_cannot_contain_is_refused_and_nothing_is_written() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE event (object_id text, version int, type text, payload json, PRIMARY KEY (object_id, version));
         CREATE TABLE state (aggregate_id text, last_sequence int, payload jsonb)",
    );
    let table = SnapshotTable::new("state").without_object_column().without_number_column();
    let store = store(&server, EventTables::new("event").only_object("order").snapshots(table));
    let changed = |change: fn(&mut StreamSnapshot)| {
        let mut snapshot = snapshot("a", 3);
        change(&mut snapshot);
        vec![snapshot]
    };
    for (object, snapshots, expected) in [
        ("order", changed(|snapshot| snapshot.name = Some("state".to_owned())), "has a name"),
        ("order", changed(|snapshot| snapshot.number = Some(1)), "has a number"),
        ("order", changed(|snapshot| snapshot.timestamp = Some("now".to_owned())), "has a timestamp"),
        ("order", changed(|snapshot| snapshot.stream_id = "b".to_owned()), "belongs to stream `b`"),
        ("invoice", changed(|_| ()), "cannot contain the object name `invoice`"),
        ("order", changed(|snapshot| snapshot.payload = json(r#"{"a":1,"a":2}"#)), "duplicate names"),
        ("order", vec![snapshot("a", 3), snapshot("a", 3)], "already exists"),
    ] {
        let error = add_snapshots(&store, object, snapshots).await.expect_err(expected);
        require(&error, expected);
    }
    assert_eq!(server.sql("SELECT count(*) FROM state"), "0");
    assert_eq!(add_snapshots(&store, "order", vec![snapshot("a", 3)]).await.expect("added"), 1);
    let existing = add_snapshots(&store, "order", vec![snapshot("a", 3)]).await.expect_err("it exists");
    assert_eq!(existing.kind(), ErrorKind::Conflict, "{existing:?}");
    assert_eq!(server.sql("SELECT count(*) FROM state"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_belongs_to_no_stream_or_has_no_valid_number_fails_the_backup() {
    let tables = CQRS_ES
        .replace(" NOT NULL", "")
        .replace("PRIMARY KEY", "UNIQUE")
        .replace("CHECK (current_snapshot >= 0)", "");
    let server = Server::start();
    for (row, expected) in [
        ("INSERT INTO events VALUES (NULL, 'a', 1, 'A', '1', '{}', '{}')", "NULL in column `aggregate_type`"),
        (
            "INSERT INTO events VALUES ('order', NULL, 1, 'A', '1', '{}', '{}')",
            "NULL in column `aggregate_id`",
        ),
        ("INSERT INTO events VALUES ('order', 'a', NULL, 'A', '1', '{}', '{}')", "NULL in column `sequence`"),
        ("INSERT INTO events VALUES ('order', 'a', 0, 'A', '1', '{}', '{}')", "the first version has 1"),
        ("INSERT INTO events VALUES ('order', 'a', 1, NULL, '1', '{}', '{}')", "`event_type` is NULL"),
        ("INSERT INTO events VALUES ('order', 'a', 1, 'A', '1', NULL, '{}')", "`payload` is NULL"),
    ] {
        server.sql(&format!("DROP TABLE IF EXISTS events, snapshots; {tables}; {row}"));
        let store = store(&server, CqrsEs::tables());
        let error = read(&store, "order").await.expect_err(expected);
        assert_eq!(error.kind(), ErrorKind::Record);
        require(&error, expected);
    }
    server.sql(&format!(
        "DROP TABLE events, snapshots; {tables}; INSERT INTO snapshots VALUES ('order', 'a', 1, -1, '{{}}')"
    ));
    let store = store(&server, CqrsEs::tables());
    require(&snapshots_of(&store).await.expect_err("a negative number"), "`current_snapshot` is negative");
    server.sql("TRUNCATE snapshots; INSERT INTO events VALUES ('order', 'a', NULL, 'A', '1', '{}', '{}')");
    let snapshot = store.snapshot().await.expect("a snapshot");
    let reader = snapshot.events().expect("an event store");
    require(&reader.open("order", "a").await.expect_err("no version"), "NULL in column `sequence`");
    drop(snapshot);
    server.sql("TRUNCATE events; INSERT INTO events VALUES (NULL, NULL, 1, 'A', '1', '{}', '{}')");
    let snapshot = store.snapshot().await.expect("a snapshot");
    let reader = snapshot.events().expect("an event store");
    require(&reader.object_names().await.expect_err("no name"), "with NULL in column `aggregate_type`");
    drop(snapshot);
    server.sql("UPDATE events SET aggregate_type = 'order'");
    let snapshot = store.snapshot().await.expect("a snapshot");
    let reader = snapshot.events().expect("an event store");
    require(
        &reader.object_ids("order", None, 10).await.expect_err("no id"),
        "with NULL in column `aggregate_id`",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_cannot_contain_an_event_store_is_refused_with_the_remedy() {
    let server = Server::start();
    let table = "CREATE TABLE event (object_name text, object_id text, version int, type text, payload json,
        PRIMARY KEY (object_name, object_id, version));";
    for (sql, expected) in [
        (
            table.replace("type text", "kind text, type text GENERATED ALWAYS AS (kind || 'x') STORED"),
            "column `type` of event table `event` is generated",
        ),
        (
            format!(
                "CREATE COLLATION same (provider = icu, locale = 'und-u-ks-level2', deterministic = false); {}",
                table.replace("object_id text", "object_id text COLLATE same")
            ),
            "nondeterministic collation",
        ),
        (table.replace("version int", "version numeric"), "is of type `numeric`"),
        (format!("{} CREATE VIEW event AS TABLE other", table.replace("event", "other")), "is a view"),
        (
            "CREATE TABLE all_events (object_name text, object_id text, version int, type text, payload json)
                 PARTITION BY LIST (object_name);
             CREATE TABLE event PARTITION OF all_events DEFAULT"
                .to_owned(),
            "is a partition",
        ),
    ] {
        server.sql(&format!("DROP SCHEMA public CASCADE; CREATE SCHEMA public; {sql}"));
        let error = store(&server, EventTables::new("event")).describe(&[]).await.expect_err(expected);
        require(&error, expected);
    }
    server.sql(&format!("DROP SCHEMA public CASCADE; CREATE SCHEMA public; {table}"));
    for (tables, expected) in [
        (EventTables::new("event").snapshots("event"), "cannot contain both the events and the snapshots"),
        (EventTables::new("event").action_column("type"), "`type`"),
    ] {
        require(&store(&server, tables).describe(&[]).await.expect_err(expected), expected);
    }
    server.sql("ALTER TABLE event ADD position bigint");
    let warnings = store(&server, EventTables::new("event").position_column("position")).describe(&[]).await;
    let warnings = warnings.expect("described").warnings.join("\n");
    assert!(warnings.contains("no unique index over `position`"), "{warnings}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_sees_or_locks_less_than_the_owner_is_refused() {
    let server = Server::start();
    server.sql(
        "CREATE SCHEMA shop; CREATE TABLE shop.event (object_name text, object_id text, version int, type text, payload json,
            PRIMARY KEY (object_name, object_id, version));
         INSERT INTO shop.event VALUES ('order', 'a', 0, 'A', '{}'); CREATE ROLE clerk LOGIN",
    );
    let clerk = || {
        let database = Postgres::connect(server.address_of("clerk", "test")).expect("an address");
        database.event_store(EventTables::new("shop.event"))
    };
    require(&clerk().describe(&[]).await.expect_err("no usage"), "GRANT USAGE ON SCHEMA \"shop\"");
    server.sql("GRANT USAGE ON SCHEMA shop TO clerk; GRANT SELECT ON shop.event TO clerk");
    let events = read(&clerk(), "order").await.expect("readable");
    server.sql("GRANT INSERT ON shop.event TO clerk");
    let refused =
        write(&clerk(), "order", vec![event("b", 0)]).await.expect_err("the role cannot lock the table");
    require(&refused, "not permitted to lock event table");
    server.sql("GRANT INSERT, UPDATE, DELETE ON shop.event TO clerk");
    write(&clerk(), "order", vec![event("b", 0)]).await.expect("written");
    server.sql("ALTER TABLE shop.event ENABLE ROW LEVEL SECURITY; CREATE POLICY own_events ON shop.event USING (object_id = 'a')");
    require(&clerk().describe(&[]).await.expect_err("hidden rows"), "row-level security hides rows");
    require(&read(&clerk(), "order").await.expect_err("hidden rows"), "row-level security hides rows");
    assert_eq!(events.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_other_tables_are_not_removed_with_events() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE event (id bigint GENERATED ALWAYS AS IDENTITY UNIQUE, object_name text, object_id text, version int,
            type text, payload json, PRIMARY KEY (object_name, object_id, version));
         CREATE TABLE note (event bigint CONSTRAINT of_event REFERENCES event (id) ON DELETE CASCADE);
         INSERT INTO event (object_name, object_id, version, type, payload) VALUES ('order', 'a', 0, 'A', '{}');
         INSERT INTO note SELECT id FROM event",
    );
    let store = store(&server, EventTables::new("event"));
    let mut session = store.begin_restore(&SessionOptions::default()).await.expect("a session");
    let writer = session.events().expect("an event store");
    require(
        &writer.truncate("order", "a", "a", 0).await.expect_err("rows of `note` would be removed"),
        "foreign key",
    );
    require(&session.commit().await.expect_err("a failed session"), "");
    assert_eq!(server.sql("SELECT count(*) FROM note"), "1");
}
