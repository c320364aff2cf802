//! Every supported type is read and restored, and unsupported values are refused with entity, key and column.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use koan_backup::prelude::*;
use koan_backup_tests::postgres::{Server, installed_versions};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::fixture::{all, koan, read_error};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mood {
    Happy,
    Sad,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Address {
    street: String,
    number: i32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
pub(super) struct Zoo {
    id: i64,
    small: i16,
    medium: i32,
    big: u64,
    huge: i128,
    single: f32,
    double: f64,
    exact: Decimal,
    money: Decimal,
    text: String,
    varchar: String,
    padded: String,
    word: String,
    flag: bool,
    uuid: Uuid,
    #[serde(with = "serde_bytes")]
    bytes: Vec<u8>,
    date: NaiveDate,
    time: NaiveTime,
    local: NaiveDateTime,
    instant: DateTime<Utc>,
    #[serde(with = "chrono::serde::ts_milliseconds")]
    millis: DateTime<Utc>,
    interval: String,
    json: serde_json::Value,
    jsonb: BTreeMap<String, i64>,
    numbers: Vec<i32>,
    grid: Vec<Vec<Option<String>>>,
    prices: Vec<Decimal>,
    instants: Vec<DateTime<Utc>>,
    moods: Vec<Mood>,
    networks: Vec<String>,
    mood: Mood,
    positive: i32,
    inet: String,
    cidr: String,
    mac: String,
    range: String,
    address: Address,
    bits: String,
    point: String,
    labels: BTreeMap<String, Option<String>>,
    maybe: Option<String>,
}

const ZOO: &str = r#"
    CREATE EXTENSION citext; CREATE EXTENSION hstore;
    CREATE TYPE mood AS ENUM ('sad', 'happy');
    CREATE TYPE address AS (street text, number int);
    CREATE DOMAIN positive AS int CHECK (VALUE > 0);
    CREATE TABLE zoo (
        id bigint PRIMARY KEY, small smallint NOT NULL, medium int NOT NULL, big numeric(20) NOT NULL,
        huge numeric(39) NOT NULL, single real NOT NULL, double double precision NOT NULL, exact numeric NOT NULL,
        money money NOT NULL, text text NOT NULL, varchar varchar(20) NOT NULL, padded char(4) NOT NULL,
        word citext NOT NULL, flag bool NOT NULL, uuid uuid NOT NULL, bytes bytea NOT NULL, date date NOT NULL,
        time time NOT NULL, local timestamp NOT NULL, instant timestamptz NOT NULL, millis bigint NOT NULL,
        interval interval NOT NULL, json json NOT NULL, jsonb jsonb NOT NULL, numbers int[] NOT NULL,
        grid text[][] NOT NULL, prices numeric[] NOT NULL, instants timestamptz[] NOT NULL, moods mood[] NOT NULL,
        networks inet[] NOT NULL, mood mood NOT NULL, positive positive NOT NULL, inet inet NOT NULL,
        cidr cidr NOT NULL, mac macaddr NOT NULL, range int4range NOT NULL, address address NOT NULL,
        bits bit varying(8) NOT NULL, point point NOT NULL, labels hstore NOT NULL, maybe text);
    INSERT INTO zoo VALUES (1, -32768, 2147483647, 18446744073709551615, -170141183460469231731687303715884105728,
        0.1, 1.7976931348623157e308, 12345678901234567890.000100, 12.34, E'tab\t quote '' back\\slash ü 日本',
        'x', 'ab', 'MiXed', true, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '\x00ff5c', '2024-02-29',
        '23:59:59.999999', '1999-12-31 23:59:59.000001', '2024-06-01 12:00:00+02', 1717236000123,
        '1 year 2 mons 3 days 04:05:06.7', '{"b": [1, 2.5], "a": null}', '{"x": 1, "y": -2}', '{1,-2,3}',
        '{{a,NULL},{"b \"q\"","{,}"}}', '{1.10,2}', '{"2024-06-01 12:00:00+02"}', '{sad,happy}',
        '{10.0.0.1,::1}', 'happy', 7, '192.168.0.1/24', '10.0.0.0/8', '08:00:2b:01:02:03', '[1,10)',
        ROW('Main St "7"', 7), '1011', '(1.5,-2)', 'a=>1, "b c"=>NULL', NULL);
    INSERT INTO zoo VALUES (2, 0, 0, 0, 0, -0.0, 5e-324, -0.00, -0.01, '', '', '', '', false,
        '00000000-0000-0000-0000-000000000000', '', '0001-01-01', '00:00:00', '0001-01-01 00:00:00',
        '9999-12-31 23:59:59.999999+00', -1, '0', '[]', '{}', '{}', '{}', '{}', '{}', '{}', '{}', 'sad', 1, '::1',
        '::/0', '00:00:00:00:00:00', 'empty', ROW('', 0), '', '(0,0)', '', 'there');"#;

/// Returns the statements that create the table `zoo`. The packages of versions other than 15 may lack
/// extensions, so these versions use other types.
fn zoo_of(version: u32) -> String {
    if version == 15 {
        return ZOO.to_owned();
    }
    ZOO.replace("CREATE EXTENSION citext; CREATE EXTENSION hstore;", "CREATE DOMAIN citext AS text;")
        .replace("labels hstore NOT NULL", "labels jsonb NOT NULL")
        .replace("'a=>1, \"b c\"=>NULL'", "'{\"a\": \"1\", \"b c\": null}'")
        .replace("'(0,0)', ''", "'(0,0)', '{}'")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_is_read_as_its_field_requires() {
    for version in installed_versions() {
        let server = Server::of_version(version);
        server.sql(&zoo_of(version));
        let koan = koan(&server, |builder| builder.register::<Zoo>()).await;
        assert_eq!(koan.inventory().warnings, [] as [String; 0]);
        let zoo: Vec<Zoo> = all(&koan).await;
        let first = &zoo[0];
        assert_eq!((first.small, first.medium, first.big), (i16::MIN, i32::MAX, u64::MAX));
        assert_eq!(first.huge, i128::MIN);
        assert_eq!((first.single, first.double), (0.1, f64::MAX));
        assert_eq!(first.exact.to_string(), "12345678901234567890.000100");
        assert_eq!(first.money.to_string(), "12.34");
        assert_eq!(first.text, "tab\t quote ' back\\slash ü 日本");
        assert_eq!((first.padded.as_str(), first.word.as_str()), ("ab  ", "MiXed"));
        assert_eq!(first.uuid.to_string(), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
        assert_eq!(first.bytes, [0x00, 0xff, 0x5c]);
        assert_eq!(first.date.to_string(), "2024-02-29");
        assert_eq!(first.time.to_string(), "23:59:59.999999");
        assert_eq!(first.local.to_string(), "1999-12-31 23:59:59.000001");
        assert_eq!(first.instant.to_rfc3339(), "2024-06-01T10:00:00+00:00");
        assert_eq!(first.millis.timestamp_millis(), 1_717_236_000_123);
        assert_eq!(first.interval, "P1Y2M3DT4H5M6.7S");
        assert_eq!(first.json.to_string(), r#"{"a":null,"b":[1,2.5]}"#);
        assert_eq!(first.jsonb.get("y"), Some(&-2));
        assert_eq!(first.numbers, [1, -2, 3]);
        assert_eq!(
            first.grid,
            [[Some("a".to_owned()), None], [Some("b \"q\"".to_owned()), Some("{,}".to_owned())]]
        );
        assert_eq!(first.prices.iter().map(Decimal::to_string).collect::<Vec<_>>(), ["1.10", "2"]);
        assert_eq!(first.instants[0], first.instant);
        assert_eq!(
            (first.moods.as_slice(), &first.mood),
            ([Mood::Sad, Mood::Happy].as_slice(), &Mood::Happy)
        );
        assert_eq!(first.networks, ["10.0.0.1", "::1"]);
        assert_eq!((first.inet.as_str(), first.cidr.as_str()), ("192.168.0.1/24", "10.0.0.0/8"));
        assert_eq!((first.mac.as_str(), first.range.as_str()), ("08:00:2b:01:02:03", "[1,10)"));
        assert_eq!(first.address, Address { street: "Main St \"7\"".to_owned(), number: 7 });
        assert_eq!((first.bits.as_str(), first.point.as_str()), ("1011", "(1.5,-2)"));
        assert_eq!(first.labels.get("b c"), Some(&None));
        let second = &zoo[1];
        assert_eq!(second.double, 5e-324);
        assert_eq!(
            (second.date.to_string(), second.maybe.as_deref()),
            ("0001-01-01".to_owned(), Some("there"))
        );
        assert_eq!(second.instant.to_rfc3339(), "9999-12-31T23:59:59.999999+00:00");
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Reading {
    id: i64,
    amount: Decimal,
    level: f64,
    day: Option<NaiveDate>,
    moment: Option<DateTime<Utc>>,
    clock: Option<NaiveTime>,
    samples: Vec<f64>,
}

const READING: &str = "
    CREATE TABLE reading (id bigint PRIMARY KEY, amount numeric NOT NULL DEFAULT 0, level float8 NOT NULL DEFAULT 0,
        day date, moment timestamptz, clock time, samples float8[] NOT NULL DEFAULT '{}')";

#[tokio::test(flavor = "multi_thread")]
async fn values_without_a_json_form_are_refused_with_entity_key_and_column() {
    let server = Server::start();
    server.sql(READING);
    let koan = koan(&server, |builder| builder.register::<Reading>()).await;
    for (column, value, reason) in [
        ("amount", "'NaN'", "NaN or infinity"),
        ("amount", "'-Infinity'", "NaN or infinity"),
        ("level", "'NaN'", "NaN or infinite"),
        ("level", "'Infinity'", "NaN or infinite"),
        ("day", "'infinity'", "`infinity`"),
        ("day", "'10000-01-01'", "years"),
        ("moment", "'-infinity'", "`infinity`"),
        ("clock", "'24:00'", "24:00:00"),
        ("samples", "'{1,NaN}'", "NaN or infinity"),
        ("samples", "'[0:1]={1,2}'", "lower bound is not 1"),
    ] {
        server.sql(&format!(
            "TRUNCATE reading; INSERT INTO reading (id, {column}) VALUES (1, DEFAULT), (42, {value})"
        ));
        let text = read_error::<Reading>(&koan).await;
        assert!(text.contains("Reading `id=42`") && text.contains(column) && text.contains(reason), "{text}");
    }
    // `chrono` writes dates before the year 1 in a form that it cannot parse.
    server.sql("TRUNCATE reading; INSERT INTO reading (id, day) VALUES (42, '0044-03-15 BC')");
    let text = read_error::<Reading>(&koan).await;
    assert!(text.contains("Reading `id=42`") && text.contains("`day`"), "{text}");
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Misfit {
    id: i64,
    bytes: i64,
    flags: Vec<i32>,
    moment: NaiveTime,
    note: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incompatible_column_is_reported_at_boot_with_a_remedy() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE misfit (id bigint PRIMARY KEY, bytes bytea, flags bool, moment timetz, note bytea)",
    );
    let koan = koan(&server, |builder| builder.register::<Misfit>()).await;
    let warnings = koan.inventory().warnings.join("\n");
    for (column, declared, remedy) in [
        ("bytes", "bytea", "`bigint`"),
        ("flags", "boolean", "`jsonb`"),
        ("moment", "time with time zone", "`time`"),
        ("note", "bytea", "`text`"),
    ] {
        let expected_text = format!("column `{column}` of table `misfit` is of type `{declared}`");
        assert!(warnings.contains(&expected_text) && warnings.contains(remedy), "{column}: {warnings}");
    }
    let error = koan.backup("none").await.expect_err("a column is incompatible with its field");
    assert!(error.chain().contains("column `bytes`"), "{error:?}");
}

/// Returns the text of every row, as PostgreSQL formats it.
fn dump(server: &Server) -> String {
    server.sql("SELECT z::text FROM zoo z ORDER BY id")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_is_restored_unchanged() {
    for version in installed_versions() {
        let server = Server::of_version(version);
        server.sql(&zoo_of(version));
        // A backup preserves the meaning of JSON, but not its white space and the order of its keys.
        server.sql("UPDATE zoo SET json = json::jsonb::text::json WHERE id = 1");
        let before = dump(&server);
        let koan = koan(&server, |builder| builder.register::<Zoo>()).await;
        let backup = koan.backup("zoo").await.expect("a backup");
        assert_eq!(backup.warnings(), [] as [String; 0]);
        let dry_run = koan.restore("zoo").replace_existing().dry_run().await.expect("compared");
        assert_eq!(dry_run.entities[0].counts.unchanged, 2, "{:?}", dry_run.entities[0].counts);
        server.sql(
            "DELETE FROM zoo WHERE id = 1; UPDATE zoo SET exact = 7, address = ROW('x', 1), grid = '{}'",
        );
        let report = koan.restore("zoo").await.expect("restored");
        assert_eq!((report.entities[0].counts.inserted, report.entities[0].counts.updated), (1, 1));
        assert_eq!(without_spaces(&dump(&server)), without_spaces(&before));
        server.sql("UPDATE zoo SET exact = 8; INSERT INTO zoo SELECT (jsonb_populate_record(z, '{\"id\": 3}')).* FROM zoo z WHERE id = 1");
        let report = koan.restore("zoo").replace_existing().await.expect("restored");
        assert_eq!((report.entities[0].counts.updated, report.entities[0].counts.deleted), (2, 1));
        assert_eq!(without_spaces(&dump(&server)), without_spaces(&before));
    }
}

fn without_spaces(text: &str) -> String {
    text.replace(' ', "")
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Narrow {
    id: i64,
    price: Option<Decimal>,
    ratio: Option<f64>,
    word: Option<String>,
    moment: Option<DateTime<Utc>>,
    mood: Option<String>,
    tiny: Option<i64>,
    label: Option<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_a_column_would_round_truncate_or_reject_are_refused_with_entity_key_and_column() {
    let server = Server::start();
    server.sql("CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE narrow (id bigint PRIMARY KEY, price numeric(10,2), ratio real,
        word varchar(5), moment timestamp(3), mood mood, tiny smallint, label text CHECK (label <> 's3cret'))");
    let koan = koan(&server, |builder| builder.register::<Narrow>()).await;
    let valid = Narrow {
        id: 1,
        price: None,
        ratio: None,
        word: None,
        moment: None,
        mood: None,
        tiny: None,
        label: None,
    };
    let record_42 = Narrow { id: 42, ..valid.clone() };
    let moment = DateTime::from_timestamp_micros(1_700_000_000_000_001);
    for (column, reason, record) in [
        ("price", "round", Narrow { price: Some(Decimal::new(1005, 3)), ..record_42.clone() }),
        ("ratio", "round", Narrow { ratio: Some(0.1), ..record_42.clone() }),
        ("word", "5 characters", Narrow { word: Some("s3cret".to_owned()), ..record_42.clone() }),
        ("moment", "round", Narrow { moment, ..record_42.clone() }),
        ("mood", "22P02", Narrow { mood: Some("s3cret".to_owned()), ..record_42.clone() }),
        ("tiny", "out of the range", Narrow { tiny: Some(40_000), ..record_42.clone() }),
        ("label", "NUL", Narrow { label: Some("s3cret\0".to_owned()), ..record_42.clone() }),
        ("narrow_label_check", "23514", Narrow { label: Some("s3cret".to_owned()), ..record_42.clone() }),
    ] {
        let error = koan
            .data::<Narrow>()
            .upsert_many([valid.clone(), record])
            .await
            .expect_err("a value does not fit its column");
        let text = error.chain();
        assert!(
            text.contains("Narrow `id=42`") && text.contains(column) && text.contains(reason),
            "{column}: {text}"
        );
        assert!(!text.contains("s3cret"), "the error must not contain the content of a record: {text}");
        assert_eq!(server.sql("SELECT count(*) FROM narrow"), "0");
    }
}
