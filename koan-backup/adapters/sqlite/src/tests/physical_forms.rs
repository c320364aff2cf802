//! Tests that values are restored in the form in which they were read.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::fixture::{Database, overwrite, replace, without_physical_form};
use koan_backup::Entity;

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestForms", table = "t")]
struct Forms {
    id: i64,
    flag: Option<bool>,
    count: Option<i64>,
    ratio: Option<f64>,
    narrow: Option<f32>,
    price: Option<Decimal>,
    name: Option<String>,
    #[serde(with = "serde_bytes_form")]
    data: Option<Vec<u8>>,
    uid: Option<Uuid>,
    at: Option<DateTime<Utc>>,
    local_at: Option<DateTime<FixedOffset>>,
    naive: Option<NaiveDateTime>,
    day: Option<NaiveDate>,
    hour: Option<NaiveTime>,
    tags: Option<Vec<String>>,
}

/// Serializes bytes as serde does by default: as a list of numbers.
mod serde_bytes_form {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(data: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        data.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        Option::deserialize(deserializer)
    }
}

/// A table whose columns have no type, so that values of every storage class remain unchanged.
const UNTYPED: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, flag, count, ratio, narrow, price, name, \
                       data, uid, at, local_at, naive, day, hour, tags);";

/// Asserts that a restore of the rows of table `t` results in the same rows.
async fn assert_round_trip(sql: &str) -> (Database, super::fixture::EntityBackup) {
    let database = Database::new(sql);
    let before = database.dump("t");
    let backup = database.backup::<Forms>().await.expect("the entity is backed up");
    database.run("DELETE FROM t");
    let counts = database.restore::<Forms>(&backup, &overwrite()).await.expect("restored");
    assert_eq!(database.dump("t"), before);
    assert_eq!(counts.inserted, u64::try_from(before.len()).expect("the number of rows fits into u64"));
    database.restore::<Forms>(&backup, &replace()).await.expect("restored");
    assert_eq!(database.dump("t"), before);
    (database, backup)
}

/// Returns the SQL of an untyped table with one row for each literal.
fn rows(column: &str, literals: &[&str]) -> String {
    let values = literals.iter().map(|literal| format!("({literal})")).collect::<Vec<_>>().join(", ");
    format!("{UNTYPED} INSERT INTO t ({column}) VALUES {values}")
}

#[tokio::test]
async fn booleans_of_every_form_round_trip() {
    let words = [
        "1", "0", "1.0", "0.0", "'true'", "'FALSE'", "'True'", "'t'", "'N'", "'yes'", "'1'", "'0'", "NULL",
        "1",
    ];
    let (_, backup) = assert_round_trip(&rows("flag", &words)).await;
    assert!(backup.warnings.is_empty(), "{:?}", backup.warnings);
}

#[tokio::test]
async fn numbers_of_every_storage_class_round_trip() {
    let integers = ["7", "-7", "7.0", "'7'", "'-7'", "9223372036854775807", "NULL"];
    assert_round_trip(&rows("count", &integers)).await;
    let floats = ["1.5", "2", "'1.5'", "'2.0'", "'2'", "1e300", "0.1", "-0.0"];
    assert_round_trip(&rows("ratio", &floats)).await;
    let narrow = ["1.5", "0.1", "0.10000000149011612", "'0.1'", "3"];
    let (_, backup) = assert_round_trip(&rows("narrow", &narrow)).await;
    assert!(backup.warnings.is_empty(), "{:?}", backup.warnings);
    let decimals = ["0.99", "'0.990'", "12", "'12'", "-3.5", "'-0.1234567890123456789'"];
    let (_, backup) = assert_round_trip(&rows("price", &decimals)).await;
    assert!(backup.lines[0].contains(r#""price":"0.99""#), "{}", backup.lines[0]);
    assert!(backup.lines[5].contains(r#""price":"-0.1234567890123456789""#), "{}", backup.lines[5]);
}

#[tokio::test]
async fn text_and_bytes_of_every_storage_class_round_trip() {
    assert_round_trip(&rows("name", &["'x'", "''", "12", "1.5", "x'6162'", "'a' || char(0) || 'b'", "NULL"]))
        .await;
    assert_round_trip(&rows("data", &["x'00ff'", "x''", "'text'", "NULL"])).await;
    assert_round_trip(&rows("tags", &["'[\"a\",\"b\"]'", "x'5b5d'", "NULL"])).await;
}

#[tokio::test]
async fn uuids_of_every_form_round_trip() {
    let (_, backup) = assert_round_trip(&rows(
        "uid",
        &[
            "x'67e5504410b1426f9247bb680e5fe0c8'",
            "'67e55044-10b1-426f-9247-bb680e5fe0c8'",
            "'67E55044-10B1-426F-9247-BB680E5FE0C8'",
            "'67e5504410b1426f9247bb680e5fe0c8'",
            "'67E5504410B1426F9247BB680E5FE0C8'",
            "'{67e55044-10b1-426f-9247-bb680e5fe0c8}'",
            "'urn:uuid:67e55044-10b1-426f-9247-bb680e5fe0c8'",
        ],
    ))
    .await;
    assert!(backup.lines.iter().all(|line| line.contains(r#""uid":"67e55044-10b1-426f-9247-bb680e5fe0c8""#)));
}

#[tokio::test]
async fn times_of_every_form_round_trip() {
    let instants = [
        "'2009-01-01 00:00:00'",
        "'2009-01-01T13:14:15Z'",
        "'2009-01-01T13:14:15.120Z'",
        "'2009-01-01 13:14:15.123456+02:00'",
        "'2009-01-01t13:14'",
        "'2009-01-01T13:14:15.000000001-0530'",
        "'2009-01-01 13:14:00+05'",
        "'2009-01-01'",
        "'9999-12-31 23:59:59'",
        "1249625104",
        "7258118399",
        "2454832.5",
        "NULL",
    ];
    let (_, backup) = assert_round_trip(&rows("at", &instants)).await;
    assert!(backup.lines[3].contains(r#""at":"2009-01-01T11:14:15.123456Z""#), "{}", backup.lines[3]);
    assert!(backup.lines[9].contains(r#""at":"2009-08-07T06:05:04Z""#), "{}", backup.lines[9]);
    assert!(backup.lines[11].contains(r#""at":"2009-01-01T00:00:00Z""#), "{}", backup.lines[11]);
    assert_round_trip(&rows("local_at", &instants)).await;
    assert_round_trip(&rows(
        "naive",
        &["'2009-01-01 00:00:00'", "'2009-01-01T00:00:00.5'", "'2009-01-01'", "0", "2454832.5"],
    ))
    .await;
    assert_round_trip(&rows(
        "day",
        &["'2009-01-01'", "'2009-01-01 00:00:00'", "'2009-01-01T00:00:00'", "0", "2454832.5"],
    ))
    .await;
    assert_round_trip(&rows("hour", &["'13:14:15'", "'13:14'", "'13:14:15.500'", "'13:14:15.5'"])).await;
}

#[tokio::test]
async fn fractions_with_as_many_digits_as_needed_have_one_form() {
    let (_, backup) = assert_round_trip(&rows(
        "at",
        &["'2009-01-01 00:00:00'", "'2009-01-01 00:00:00.120'", "'2009-01-01 00:00:00.123456'"],
    ))
    .await;
    let physical = backup.physical.expect("a form");
    assert_eq!(physical["columns"]["at"].to_string(), r#"{"forms":["text:YYYY-MM-DD HH:MM:SS[.fff]"]}"#);
}

#[tokio::test]
async fn values_in_columns_of_every_declared_type_round_trip() {
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, flag BOOLEAN, count BIGINT, ratio REAL, narrow FLOAT, \
               price NUMERIC(10,2), name VARCHAR(20), data BLOB, uid BLOB, at DATETIME, local_at TIMESTAMP, \
               naive DATETIME, day DATE, hour TIME, tags JSON);
               INSERT INTO t (flag, count, ratio, narrow, price, name, at, day) VALUES
                 (1, 5, 1, 2, 0.99, 5, '2009-01-01 00:00:00', '2009-01-01'), (0, 6, 1.5, 0.5, 2.00, 'x', '2009-01-02 00:00:00', NULL),
                 ('TRUE', '7', 2, 1, '12.50', NULL, 1249625104, NULL)";
    let (_, backup) = assert_round_trip(sql).await;
    assert!(backup.lines[0].contains(r#""price":"0.99""#) && backup.lines[1].contains(r#""price":"2""#));
    let physical = backup.physical.expect("forms");
    // The default form of a column is not recorded.
    for column in ["count", "ratio", "price", "name", "day"] {
        assert!(physical["columns"].get(column).is_none(), "{column}: {physical}");
    }
    assert_eq!(physical["columns"]["flag"]["forms"].to_string(), r#"["native","text:TRUE/FALSE"]"#);
}

#[tokio::test]
async fn values_that_cannot_be_written_back_byte_for_byte_are_counted_in_a_warning() {
    let database = Database::new(&rows("count", &["' 12 '", "'007'", "7"]));
    let backup = database.backup::<Forms>().await.expect("the entity is backed up");
    assert_eq!(backup.warnings.len(), 1);
    assert!(
        backup.warnings[0].contains("`count`") && backup.warnings[0].contains("2 values"),
        "{}",
        backup.warnings[0]
    );
    database.restore::<Forms>(&backup, &replace()).await.expect("restored");
    assert_eq!(database.value::<i64>("SELECT sum(count) FROM t"), 26);
}

#[tokio::test]
async fn an_integer_that_a_float_cannot_represent_exactly_is_reported() {
    let database = Database::new(&rows("ratio", &["9007199254740993", "1.5"]));
    let backup = database.backup::<Forms>().await.expect("the entity is backed up");
    assert!(backup.lines[0].contains("\"ratio\":9007199254740992.0"), "{}", backup.lines[0]);
    assert_eq!(backup.warnings.len(), 1, "{:?}", backup.warnings);
    assert!(
        backup.warnings[0].contains("`ratio`")
            && backup.warnings[0].contains("does not preserve all data in"),
        "{:?}",
        backup.warnings
    );
}

#[tokio::test]
async fn records_without_a_physical_form_are_written_in_the_form_of_the_table_or_in_the_default_form() {
    let line = r#"{"id":1,"flag":true,"count":5,"ratio":1.5,"narrow":0.5,"price":"0.990","name":"x","data":[1],"uid":"67e55044-10b1-426f-9247-bb680e5fe0c8","at":"2009-01-01T00:00:00Z","local_at":"2009-01-01T02:00:00+02:00","naive":"2009-01-01T00:00:00","day":"2009-01-01","hour":"13:14:15","tags":["a"]}"#;
    let database = Database::new(UNTYPED);
    database.restore::<Forms>(&without_physical_form(&[line]), &overwrite()).await.expect("restored");
    assert_eq!(
        database.dump("t")[0],
        "integer 1, integer 1, integer 5, real 1.5, real 0.5, text '0.990', text 'x', blob X'01', text \
         '67e55044-10b1-426f-9247-bb680e5fe0c8', text '2009-01-01T00:00:00Z', text \
         '2009-01-01T02:00:00+02:00', text '2009-01-01 00:00:00', text '2009-01-01', text '13:14:15', text \
         '[\"a\"]'"
    );
    let existing_forms = format!(
        "{UNTYPED} INSERT INTO t (id, flag, uid, at) VALUES (9, 'yes', x'67e5504410b1426f9247bb680e5fe0c8', \
         5)"
    );
    let database = Database::new(&existing_forms);
    database.restore::<Forms>(&without_physical_form(&[line]), &overwrite()).await.expect("restored");
    let row: String = database.value("SELECT quote(flag) || quote(uid) || quote(at) FROM t WHERE id = 1");
    assert_eq!(row, "'yes'X'67E5504410B1426F9247BB680E5FE0C8'1230768000");
}
