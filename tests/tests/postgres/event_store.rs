//! Event stores in tables of PostgreSQL.

mod field_reports;
mod object_ids;
mod refusals;

use std::sync::Arc;

use futures::TryStreamExt as _;
use koan_backup::event_store::{EventReader, JsonText, NewEvent, StreamEvent, StreamPart, conformance};
use koan_backup::prelude::*;
use koan_backup::provider::{Provider, SessionOptions};
use koan_backup::{CqrsEs, ErrorKind, EventTables};
use koan_backup_tests::cqrs_es_tables::POSTGRES as CQRS_ES;
use koan_backup_tests::postgres::Server;

/// Tables with every column that settings can name.
const OWN: &str = "
    CREATE SCHEMA shop;
    CREATE TABLE shop.event (object_name varchar(100) NOT NULL, object_id varchar(1000) NOT NULL, version int NOT NULL,
        type text NOT NULL, schema_version text, sequencer text, action text, recorded_at timestamptz,
        position bigint GENERATED ALWAYS AS IDENTITY UNIQUE, metadata json, payload json NOT NULL,
        UNIQUE (object_name, object_id, version));";

fn own_tables() -> EventTables {
    EventTables::new("shop.event")
        .schema_version_column("schema_version")
        .external_sequencer_column("sequencer")
        .action_column("action")
        .timestamp_column("recorded_at")
        .position_column("position")
        .metadata_column("metadata")
}

fn store(server: &Server, tables: EventTables) -> Postgres {
    Postgres::connect(server.address()).expect("an address").event_store(tables)
}

async fn events_of(reader: &dyn EventReader, object: &str) -> koan_backup::Result<Vec<StreamEvent>> {
    reader.all_events(object).await?.try_concat().await
}

async fn read(store: &Postgres, object: &str) -> koan_backup::Result<Vec<StreamEvent>> {
    let snapshot = store.snapshot().await?;
    events_of(snapshot.events().expect("the provider has an event store"), object).await
}

/// Writes the events in one session.
async fn write(store: &Postgres, object: &str, events: Vec<StreamEvent>) -> koan_backup::Result<()> {
    let mut session = store.begin_restore(&SessionOptions::default()).await?;
    session.events().expect("the provider has an event store").append(object, events).await?;
    session.commit().await.map(drop)
}

async fn require_conformance(server: &Server, tables: &str, settings: impl Fn() -> EventTables) {
    let empty = async || {
        server.until_sessions_ended();
        server.sql("DROP SCHEMA IF EXISTS shop CASCADE; DROP TABLE IF EXISTS events, snapshots");
        server.sql(tables);
        Ok(Arc::new(store(server, settings())) as Arc<dyn Provider>)
    };
    let conformance = conformance::run(empty).await.expect("a store");
    let _ = conformance.require_passed().expect("the event store conforms");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_of_cqrs_es_conform() {
    require_conformance(&Server::start(), CQRS_ES, CqrsEs::tables).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn own_tables_with_positions_and_timestamps_conform() {
    require_conformance(&Server::start(), OWN, own_tables).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn own_tables_whose_positions_have_no_default_conform() {
    let server = Server::start();
    let tables = OWN.replace("bigint GENERATED ALWAYS AS IDENTITY UNIQUE", "bigint");
    assert_ne!(tables, OWN);
    require_conformance(&server, &tables, own_tables).await;
    // The positions of events with and without a position follow each other in one call.
    server.sql(&format!("DROP SCHEMA IF EXISTS shop CASCADE; {tables}"));
    let store = store(&server, own_tables());
    let event = |version, position| {
        let mut event =
            NewEvent::new("Placed", &version).expect("a number is JSON").into_stream_event("1", "1", version);
        event.position = position;
        event
    };
    let events = vec![event(0, None), event(1, Some(70)), event(2, None)];
    write(&store, "order", events).await.expect("written");
    assert_eq!(
        server.sql("SELECT string_agg(position::text, ',' ORDER BY version) FROM shop.event"),
        "71,70,72"
    );
    server.sql("UPDATE shop.event SET position = NULL WHERE version = 1");
    let error = read(&store, "order").await.expect_err("a position is NULL");
    let text = error.to_string();
    assert!(["`position` is NULL", "version 1", "`order`"].iter().all(|part| text.contains(part)), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_writes_the_rows_as_they_were() {
    let server = Server::start();
    server.sql(CQRS_ES);
    server.sql(
        r#"INSERT INTO events SELECT 'order', 'o-' || o, s, 'Placed', '1.0',
            ('{ "n" : 1.50, "n":12345678901234567890,' || chr(10) || ' "t":"\u00e4 \/" }')::json, 'null'
            FROM generate_series(1, 30) o, generate_series(1, 50) s;
        INSERT INTO snapshots VALUES ('order', 'o-1', 3, 1, '{"a":  1}')"#,
    );
    let all =
        "SELECT md5(string_agg(e::text, ',' ORDER BY aggregate_id, sequence)) FROM events e; TABLE snapshots";
    let before = server.sql(all);
    let store = store(&server, CqrsEs::tables());
    let snapshot = store.snapshot().await.expect("a snapshot");
    let reader = snapshot.events().expect("an event store");
    // A stream that grows is read up to the version at which it was opened.
    let opened = reader.open("order", "o-1").await.expect("opened").expect("it exists");
    server.sql("INSERT INTO events VALUES ('order', 'o-1', 51, 'Late', '1.0', '{}', '{}')");
    let stream: Vec<StreamEvent> =
        reader.events(&opened, "o-1").await.expect("a stream").try_concat().await.expect("events");
    assert_eq!(stream.iter().map(|event| event.version).collect::<Vec<_>>(), (0..50).collect::<Vec<u64>>());
    assert_eq!(stream[0].metadata, Some(JsonText::exact("null").expect("JSON")), "JSON null is not NULL");
    let events = events_of(reader, "order").await.expect("events");
    assert_eq!(
        (events.len(), reader.count("order", StreamPart::Events).await.expect("a count")),
        (1500, 1500)
    );
    let snapshots =
        reader.all_snapshots("order").await.expect("a read").try_concat().await.expect("snapshots");
    assert_eq!(snapshots.iter().map(|snapshot| snapshot.version).collect::<Vec<_>>(), [2]);
    drop(snapshot);

    server.sql("TRUNCATE events, snapshots");
    let mut session = store.begin_restore(&SessionOptions::default()).await.expect("a session");
    let writer = session.events().expect("an event store");
    assert_eq!(writer.append("order", events.clone()).await.expect("appended"), 1500);
    assert_eq!(writer.add_snapshots("order", snapshots).await.expect("added"), 1);
    session.rollback().await.expect("rolled back");
    assert_eq!(server.sql("SELECT count(*) FROM events"), "0", "a rollback leaves nothing");

    let mut session = store.begin_restore(&SessionOptions::default()).await.expect("a session");
    let writer = session.events().expect("an event store");
    writer.append("order", events).await.expect("appended");
    let snapshot = koan_backup::event_store::StreamSnapshot {
        object_id: "o-1".to_owned(),
        stream_id: "o-1".to_owned(),
        version: 2,
        number: Some(1),
        name: None,
        timestamp: None,
        payload: JsonText::exact("{\"a\":  1}").expect("JSON"),
    };
    writer.add_snapshots("order", vec![snapshot]).await.expect("added");
    session.commit().await.expect("committed");
    assert_eq!(server.sql(all), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_and_a_duplicate_are_errors_that_name_the_stream() {
    let server = Server::start();
    server.sql(CQRS_ES);
    server.sql(
        "INSERT INTO events SELECT 'order', 'o-7', s, 'A', '1', '{}', '{}' FROM unnest('{1,2,4}'::int[]) s",
    );
    let store = store(&server, CqrsEs::tables());
    let gap = read(&store, "order").await.expect_err("a gap");
    assert_eq!(gap.kind(), ErrorKind::Record, "{gap}");
    assert!(gap.to_string().contains("`o-7`"), "{gap}");
    let snapshot = store.snapshot().await.expect("a snapshot");
    let error = snapshot.events().expect("an event store").open("order", "o-7").await.expect_err("a gap");
    assert_eq!(error.to_string(), gap.to_string());
    drop(snapshot);
    server.sql(
        "ALTER TABLE events DROP CONSTRAINT events_pkey; UPDATE events SET sequence = 2 WHERE sequence = 4",
    );
    let duplicate = read(&store, "order").await.expect_err("a duplicate").to_string();
    assert!(duplicate.contains("`o-7`") && duplicate.contains("two events"), "{duplicate}");
}

#[tokio::test(flavor = "multi_thread")]
async fn triggers_and_rules_do_not_fire_and_keep_their_states() {
    let server = Server::start();
    server.sql(OWN);
    server.sql(
        "CREATE TABLE outbox (id text);
        CREATE FUNCTION publish() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO public.outbox VALUES (NEW.object_id); RETURN NEW; END';
        CREATE TRIGGER publish AFTER INSERT ON shop.event FOR EACH ROW EXECUTE FUNCTION publish();
        CREATE TRIGGER always AFTER INSERT ON shop.event FOR EACH ROW EXECUTE FUNCTION publish();
        ALTER TABLE shop.event ENABLE ALWAYS TRIGGER always;
        CREATE RULE copy AS ON INSERT TO shop.event DO ALSO INSERT INTO outbox VALUES (NEW.object_id);
        INSERT INTO shop.event (object_name, object_id, version, type, recorded_at, position, payload)
            OVERRIDING SYSTEM VALUE VALUES ('order', 'a', 0, 'A', '2026-01-31 12:00:00.5+02', 900, '{}'),
            ('order', 'b', 0, 'A', 'infinity', 7, '{}')",
    );
    let schema = server.schema();
    let store = store(&server, own_tables());
    let events = read(&store, "order").await.expect("events");
    assert_eq!(events[0].timestamp.as_deref(), Some("2026-01-31T10:00:00.5Z"));
    assert_eq!(events[1].timestamp.as_deref(), Some("infinity"));
    server.sql("TRUNCATE shop.event, outbox; ALTER TABLE shop.event ALTER position RESTART WITH 1");
    write(&store, "order", events.clone()).await.expect("written");
    assert_eq!(read(&store, "order").await.expect("events"), events);
    assert_eq!(server.sql("SELECT count(*) FROM outbox"), "0", "no trigger and no rule fired");
    assert_eq!(server.schema(), schema, "triggers and rules have their states again");
    let next = "INSERT INTO shop.event (object_name, object_id, version, type, payload) VALUES ('order', 'c', 0, 'A', '{}');
        SELECT position FROM shop.event WHERE object_id = 'c'";
    assert_eq!(server.sql(next), "901", "the sequence of the positions was advanced");

    server.sql(
        "CREATE ROLE clerk LOGIN; GRANT USAGE ON SCHEMA shop TO clerk;
        GRANT SELECT, INSERT, UPDATE, DELETE ON shop.event TO clerk; DROP RULE copy ON shop.event",
    );
    let database = Postgres::connect(server.address_of("clerk", "test")).expect("an address");
    let refused =
        write(&database.event_store(own_tables()), "order", events).await.expect_err("triggers fire");
    assert!(refused.to_string().contains("triggers `always`, `publish`"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_the_table_cannot_represent_is_refused() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE event (object_name text, object_id uuid, version int, type varchar(5), recorded_at timestamp(3),
            payload jsonb, PRIMARY KEY (object_name, object_id, version))",
    );
    let store = store(&server, EventTables::new("event").timestamp_column("recorded_at"));
    let id = "0193f1f0-0000-7000-8000-000000000001";
    let event = StreamEvent {
        object_id: id.to_owned(),
        stream_id: id.to_owned(),
        version: 0,
        event_type: "A".to_owned(),
        schema_version: None,
        external_sequencer: None,
        action: None,
        timestamp: Some("2026-01-31T12:00:00.125".to_owned()),
        position: None,
        metadata: None,
        payload: JsonText::exact(r#"{"a": 1}"#).expect("JSON"),
    };
    type Change = fn(&mut StreamEvent);
    let changes: [(&str, Change); 7] = [
        ("type", |event| event.event_type = "longer".to_owned()),
        ("recorded_at", |event| event.timestamp = Some("2026-01-31T12:00:00.1256".to_owned())),
        ("recorded_at", |event| event.timestamp = Some("now".to_owned())),
        ("duplicate names", |event| event.payload = JsonText::exact(r#"{"a":1,"a":2}"#).expect("JSON")),
        ("metadata", |event| event.metadata = Some(JsonText::exact("null").expect("JSON"))),
        ("object id", |event| {
            event.object_id = "7".to_owned();
            event.stream_id = "7".to_owned();
        }),
        ("version 1", |event| event.version = 1),
    ];
    for (expected, change) in changes {
        let mut changed = event.clone();
        change(&mut changed);
        let error = write(&store, "order", vec![changed]).await.expect_err(expected).to_string();
        assert!(error.contains(expected), "{expected}: {error}");
        assert_eq!(server.sql("SELECT count(*) FROM event"), "0");
    }
    write(&store, "order", vec![event.clone()]).await.expect("written");
    let stored = read(&store, "order").await.expect("events");
    assert_eq!(stored[0].payload, JsonText::compacted(r#"{"a":1}"#).expect("JSON"));
    assert_eq!((&stored[0].timestamp, &stored[0].object_id), (&event.timestamp, &event.object_id));
    let snapshot = store.snapshot().await.expect("a snapshot");
    let absent = snapshot.events().expect("an event store").open("order", "not a uuid").await;
    assert!(absent.expect("a read").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_tables_columns_and_privileges_are_errors_when_the_context_is_built() {
    let server = Server::start();
    let describe = async |store: &Postgres| store.describe(&[]).await;
    let store_of_cqrs = store(&server, CqrsEs::tables());
    let missing = describe(&store_of_cqrs).await.expect_err("no table");
    assert!(missing.to_string().contains("`events`"), "{missing}");
    assert!(missing.help().is_some_and(|help| help.contains("CREATE TABLE")), "{missing}");
    server.sql(CQRS_ES);
    server.sql("ALTER TABLE events ADD trace text; ALTER TABLE snapshots DROP CONSTRAINT snapshots_pkey");
    let description = describe(&store_of_cqrs).await.expect("described");
    assert_eq!(description.unmapped_tables, Vec::<String>::new(), "the event tables are covered");
    let warnings = description.warnings.join("\n");
    assert!(warnings.contains("`trace`") && warnings.contains("no unique index"), "{warnings}");
    server.sql("ALTER TABLE events ADD tenant int NOT NULL");
    let refused = describe(&store_of_cqrs).await.expect_err("a column without a value");
    assert!(refused.to_string().contains("`tenant`"), "{refused}");
    server.sql("ALTER TABLE events DROP tenant, DROP metadata");
    let refused = describe(&store_of_cqrs).await.expect_err("no column");
    assert!(refused.to_string().contains("`metadata`"), "{refused}");
    server.sql("ALTER TABLE events ADD metadata json; CREATE ROLE clerk LOGIN");
    let clerk = Postgres::connect(server.address_of("clerk", "test")).expect("an address");
    let refused = describe(&clerk.event_store(CqrsEs::tables())).await.expect_err("no privilege");
    assert!(refused.to_string().contains("GRANT SELECT"), "{refused}");
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
async fn a_table_of_an_entity_cannot_belong_to_the_event_store() {
    let server = Server::start();
    server.sql(CQRS_ES);
    let database = store(&server, CqrsEs::tables());
    let builder = Koan::builder().only_registered().provider(database).register::<EventRow>();
    let error =
        builder.storage(Storage::memory()).build().await.map(drop).expect_err("the table is shared").chain();
    assert!(error.contains("`events`") && error.contains("EventRow"), "{error}");
}
