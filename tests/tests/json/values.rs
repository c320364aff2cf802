//! Tests round trips of values of all types, in JSON files and between SQLite and JSON files.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use futures::TryStreamExt;
use koan_backup::prelude::*;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::fixture::{Book, JsonFixture, Person, context};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
struct Rich {
    id: Uuid,
    count: u64,
    huge: i128,
    ratio: f64,
    single: f32,
    letter: char,
    note: Option<String>,
    bytes: Vec<u8>,
    at: DateTime<Utc>,
    day: NaiveDate,
    moment: jiff::Timestamp,
    #[serde(with = "time::serde::rfc3339")]
    third: time::OffsetDateTime,
    amount: Decimal,
    kind: Kind,
    shape: Shape,
    words: Vec<String>,
    map: BTreeMap<String, f64>,
    any: serde_json::Value,
    #[serde(flatten)]
    location: Location,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Kind {
    Plain,
    #[serde(rename = "odd one")]
    Odd,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f64),
    Box { width: u32, label: Option<String> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Location {
    shelf: u32,
    label: Option<String>,
}

/// A type that accepts every value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
struct Open {
    id: String,
    #[serde(flatten)]
    rest: BTreeMap<String, serde_json::Value>,
}

/// Returns records with ordinary values and with the limits of each type.
fn rich() -> Vec<Rich> {
    let plain = Rich {
        id: Uuid::nil(),
        count: 0,
        huge: -1,
        ratio: 1.0,
        single: 0.1,
        letter: '"',
        note: None,
        bytes: Vec::new(),
        at: DateTime::UNIX_EPOCH,
        day: NaiveDate::from_ymd_opt(2024, 2, 29).expect("a day"),
        moment: jiff::Timestamp::UNIX_EPOCH,
        third: time::OffsetDateTime::UNIX_EPOCH,
        amount: Decimal::new(125, 1),
        kind: Kind::Plain,
        shape: Shape::Point,
        words: Vec::new(),
        map: BTreeMap::new(),
        any: json!("text"),
        location: Location { shelf: 1, label: None },
    };
    let edges = Rich {
        id: Uuid::max(),
        count: u64::MAX,
        huge: i128::MIN,
        ratio: f64::MIN_POSITIVE,
        single: f32::MAX,
        letter: '\u{1F980}',
        note: Some("[\"\\ \u{202e}\n".into()),
        bytes: vec![0, 255, 34],
        at: "2024-02-29T23:59:59.123456Z".parse().expect("a time"),
        amount: Decimal::ZERO,
        kind: Kind::Odd,
        shape: Shape::Box { width: u32::MAX, label: Some(String::new()) },
        words: vec![String::new(), "a,\"b\"".into()],
        map: BTreeMap::from([(String::new(), -1.5e300), ("ü".into(), 0.1)]),
        any: json!({"list": [1, 1.5, null, true, "x"], "deep": {"a": {}}}),
        location: Location { shelf: 0, label: Some("null".into()) },
        ..plain.clone()
    };
    let other = Rich {
        id: Uuid::from_u128(7),
        ratio: -0.5,
        huge: i128::from(u64::MAX) + 1,
        shape: Shape::Circle(2.0),
        any: json!(0.1),
        ..plain.clone()
    };
    vec![plain, other, edges]
}

fn open() -> Vec<Open> {
    let rest = [
        ("integer", json!(7)),
        ("large", json!(u64::MAX)),
        ("float", json!(1.0)),
        ("tiny", json!(5e-324)),
        ("text", json!("\"{[")),
        ("list", json!([{"a": [1.5]}])),
        ("truth", json!(false)),
        ("nothing", json!(null)),
    ];
    let rest = rest.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    vec![Open { id: "full".into(), rest }, Open { id: "empty".into(), rest: BTreeMap::new() }]
}

async fn all<T: koan_backup::Entity>(koan: &Koan) -> Vec<T> {
    koan.data::<T>().all_stream().try_collect().await.expect("read")
}

#[tokio::test]
async fn values_that_a_type_has_written_are_restored_without_a_warning() {
    for fixture in [JsonFixture::lines().await, JsonFixture::documents().await] {
        fixture.koan.data::<Rich>().upsert_many(rich()).await.expect("written");
        fixture.koan.data::<Open>().upsert_many(open()).await.expect("written");
        let before = fixture.files();
        let report = fixture.backup().await.expect("a backup");
        assert_eq!(report.warnings(), [] as [&str; 0]);
        let mut found: Vec<Rich> = all(&fixture.koan).await;
        found.sort_by_key(|rich| rich.id);
        assert_eq!(found, rich());
        for record in open() {
            assert_eq!(fixture.koan.data::<Open>().get(&record.id).await.expect("read"), Some(record));
        }
        for record in rich() {
            assert_eq!(fixture.koan.data::<Rich>().get(&record.id).await.expect("read"), Some(record));
        }
        fixture.koan.data::<Rich>().clear().await.expect("cleared");
        fixture.koan.data::<Open>().clear().await.expect("cleared");
        let _ = fixture.restore().await;
        assert_eq!(fixture.files(), before);
        // The records in the files equal the archived records, so a restore would change nothing.
        let counts = fixture.koan.restore(super::fixture::NAME).dry_run().await.expect("compared").counts();
        assert_eq!((counts.unchanged, counts.updated, counts.inserted), (5, 0, 0));
    }
}

#[tokio::test]
async fn lost_digits_cause_a_warning() {
    let fixture = JsonFixture::lines().await;
    fixture.put(
        "Open/root.jsonl",
        "{\"id\":\"a\",\"exact\":1.50,\"long\":123456789012345678901234567890,\
         \"fine\":0.12345678901234567890}\n\
         {\"id\":\"b\",\"exact\":1.50}\n",
    );
    let report = fixture.backup().await.expect("a backup");
    let [warning] = report.warnings() else { panic!("{:?}", report.warnings()) };
    // The field names of a flattened map may be secret, so the warning does not contain them. The value
    // `1.50` is preserved and therefore not counted.
    assert!(
        warning.contains(
            "in 1 record, the first with key `id=\"a\"`, the type does not preserve all data in fields that \
             the type does not declare;"
        ),
        "{warning}"
    );
    assert!(!["long", "fine", "exact"].iter().any(|name| warning.contains(name)), "{warning}");
}

#[tokio::test]
async fn fields_that_serde_skips_are_not_written_and_decode_as_their_default() {
    let fixture = JsonFixture::lines().await;
    let book = Book { id: 1, title: "t".into(), pages: 0, tags: Vec::new() };
    fixture.koan.data::<Book>().upsert_many([book.clone()]).await.expect("written");
    assert_eq!(fixture.text("Book/root.jsonl"), "{\"id\":1,\"title\":\"t\",\"pages\":0}\n");
    assert_eq!(all::<Book>(&fixture.koan).await, [book]);
}

#[tokio::test]
async fn records_are_equal_after_round_trips_between_sqlite_and_json_files() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = |name: &str| folder.path().join(name);
    let sqlite = async |name: &str| {
        context(Sqlite::options(path(name)).create_if_missing().open().expect("opened"), folder.path()).await
    };
    let first = context(JsonFiles::lines(path("seed")).expect("opened"), folder.path()).await;
    first.data::<Rich>().upsert_many(rich()).await.expect("written");
    let person = Person { name: "Ada".into(), born: 1815, note: None };
    first.data::<Person>().upsert_many([person]).await.expect("written");
    let mut hashes = vec![set_hashes(&first.backup("seed").await.expect("a backup"))];

    let database = sqlite("one.db").await;
    let _ = database.restore("seed").create_missing().await.expect("restored");
    let backup = database.backup("one").await.expect("a backup");
    hashes.push(set_hashes(&backup));
    for (name, layout) in [("lines", JsonFiles::lines as fn(_) -> _), ("documents", JsonFiles::documents)] {
        let files: JsonFiles = layout(path(name)).expect("opened");
        let files = context(files, folder.path()).await;
        let _ = files.restore("one").await.expect("restored");
        hashes.push(set_hashes(&files.backup(name).await.expect("a backup")));
        let other = sqlite(&format!("{name}.db")).await;
        let _ = other.restore(name).create_missing().await.expect("restored");
        hashes.push(set_hashes(&other.backup(format!("{name} again")).await.expect("a backup")));
        assert_eq!(all::<Rich>(&other).await, all::<Rich>(&database).await);
        assert_eq!(all::<Person>(&other).await, all::<Person>(&database).await);
        assert_eq!(rows(&path(&format!("{name}.db"))), rows(&path("one.db")));
    }
    assert!(hashes[0].len() >= 4 && hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:#?}");
}

/// Returns the record-set hash of each entity of a backup.
fn set_hashes(
    report: &koan_backup::report::BackupReport,
) -> Vec<(String, Option<koan_backup::archive::RecordSetHash>)> {
    let entities = report.manifest().entities.iter();
    entities.map(|entity| (entity.entity.clone(), entity.record_set_hash)).collect()
}

/// Returns each row as text, with the storage class and the literal of every column.
fn rows(database: &std::path::Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(database).expect("a database");
    let mut rows = Vec::new();
    for (table, columns) in [
        (
            "Rich",
            "id, count, huge, ratio, single, letter, note, bytes, at, day, moment, third, amount, kind, \
             shape, words, map, any, shelf, label",
        ),
        ("people", "name, born, note"),
    ] {
        let quoted: Vec<_> = columns
            .split(", ")
            .map(|column| format!("typeof(\"{column}\") || quote(\"{column}\")"))
            .collect();
        let sql = format!("SELECT {} FROM {table} ORDER BY 1", quoted.join(" || ' ' || "));
        let mut statement = connection.prepare(&sql).expect("a statement");
        let found = statement.query_map([], |row| row.get::<_, String>(0)).expect("rows");
        rows.extend(found.map(|row| row.expect("a row")));
    }
    assert_eq!(rows.len(), 4);
    rows
}
