//! Tests that values which cannot be read are refused with entity, key and column, and that the error never
//! contains the value.

use chrono::{DateTime, NaiveDate, Utc};
use koan_backup_core::{ErrorKind, SetName, provider::ReadRequest, value::Value};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::fixture::{Database, codec, read};
use koan_backup::Entity;

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestReading", table = "t")]
struct Reading {
    id: i64,
    flag: Option<bool>,
    count: Option<i64>,
    big: Option<u64>,
    huge: Option<i128>,
    ratio: Option<f64>,
    price: Option<Decimal>,
    name: Option<String>,
    uid: Option<Uuid>,
    at: Option<DateTime<Utc>>,
    #[serde(with = "chrono::serde::ts_milliseconds_option")]
    millis: Option<DateTime<Utc>>,
    day: Option<NaiveDate>,
    any: Option<serde_json::Value>,
}

const TABLE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, flag, count, big, huge, ratio, price, name, \
                     uid, at, millis, day, \"any\");";

#[tokio::test]
async fn values_that_the_type_cannot_represent_are_refused_with_key_and_column() {
    for (column, literal, hint) in [
        ("flag", "2", "other than 0 and 1"),
        ("flag", "'secret'", "not a boolean"),
        ("count", "1.5", "fraction"),
        ("count", "'secret'", "integer"),
        ("count", "x'00'", "BLOB"),
        ("ratio", "9e999", "infinite"),
        ("ratio", "-9e999", "infinite"),
        ("price", "'secret'", "decimal"),
        ("name", "x'ff'", "UTF-8"),
        ("name", "CAST(x'ff' AS TEXT)", "UTF-8"),
        ("uid", "x'00ff'", "16 bytes"),
        ("uid", "'secret'", "UUID"),
        ("at", "'secret'", "an instant"),
        ("at", "1249625104000", "another unit"),
        ("at", "1249625104.5", "Julian day"),
        ("at", "2454832.50000000047", "milliseconds"),
        ("day", "1249625104", "time of day"),
        ("\"any\"", "x'ff'", "JSON"),
    ] {
        let database = Database::new(&format!("{TABLE} INSERT INTO t (id, {column}) VALUES (41, {literal})"));
        let error = database.backup::<Reading>().await.expect_err(literal);
        let text = error.chain();
        assert_eq!(error.kind(), ErrorKind::Record, "{text}");
        let name = column.trim_matches('"');
        assert!(text.contains("SqliteTestReading `id=41`") && text.contains(&format!("`{name}`")), "{text}");
        assert!(text.contains(hint), "{literal}: {text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[tokio::test]
async fn a_null_for_a_field_without_option_is_refused_with_key_and_column() {
    #[derive(Serialize, Deserialize, Entity)]
    #[entity(name = "SqliteTestNotNull", table = "t")]
    struct NotNull {
        id: i64,
        count: i64,
    }
    let database = Database::new(&format!("{TABLE} INSERT INTO t (id) VALUES (41)"));
    let error = database.backup::<NotNull>().await.expect_err("a NULL").chain();
    assert!(error.contains("SqliteTestNotNull `id=41`") && error.contains("`count`"), "{error}");
}

#[tokio::test]
async fn large_integers_and_units_of_time_are_exact() {
    let database = Database::new(&format!(
        "{TABLE} INSERT INTO t (big, huge, millis, \"any\") VALUES
         ('18446744073709551615', '170141183460469231731687303715884105727', 1249625104123, '{{\"b\":[1,2.50]}}')"
    ));
    let backup = database.backup::<Reading>().await.expect("the entity is backed up");
    assert!(
        backup.lines[0]
            .contains(r#""big":18446744073709551615,"huge":170141183460469231731687303715884105727"#)
    );
    assert!(backup.lines[0].contains(r#""millis":1249625104123"#), "{}", backup.lines[0]);
    let before = database.dump("t");
    database.restore::<Reading>(&backup, &super::fixture::replace()).await.expect("restored");
    // The type determines the white space and the form of numbers inside JSON.
    assert_eq!(database.dump("t")[0].replace("2.5]", "2.50]"), before[0]);
}

#[tokio::test]
async fn numbers_that_a_column_would_round_are_refused() {
    let database = Database::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, flag, count, big INTEGER, huge, ratio, price NUMERIC, name STRING, uid, at,
         millis, day, \"any\")",
    );
    let blank = r#""flag":null,"count":null,"#;
    let rest = r#""uid":null,"at":null,"millis":null,"day":null,"any":null}"#;
    for (column, middle) in [
        ("big", r#""big":18446744073709551615,"huge":null,"ratio":null,"price":null,"name":null,"#),
        ("price", r#""big":null,"huge":null,"ratio":null,"price":"0.1234567890123456789","name":null,"#),
        ("name", r#""big":null,"huge":null,"ratio":null,"price":null,"name":"007","#),
    ] {
        let line = format!(r#"{{"id":1,{blank}{middle}{rest}"#);
        let backup = super::fixture::without_physical_form(&[&line]);
        let error =
            database.restore::<Reading>(&backup, &super::fixture::overwrite()).await.expect_err(column);
        assert_eq!(error.kind(), ErrorKind::Record);
        assert!(error.to_string().contains(&format!("`{column}`")), "{error}");
        assert!(error.to_string().contains("declare the column TEXT"), "{error}");
    }
}

#[tokio::test]
async fn a_record_is_found_by_its_key_in_whichever_form_the_key_is_stored() {
    #[derive(Serialize, Deserialize, Entity)]
    #[entity(name = "SqliteTestKeyed", table = "k")]
    struct Keyed {
        #[entity(key)]
        uid: Uuid,
        #[entity(key)]
        part: i64,
        name: String,
    }
    let uid = Uuid::parse_str("67e55044-10b1-426f-9247-bb680e5fe0c8").expect("the UUID is valid");
    for literal in ["x'67e5504410b1426f9247bb680e5fe0c8'", "'67E5504410B1426F9247BB680E5FE0C8'"] {
        let database = Database::new(&format!(
            "CREATE TABLE k (uid, part INTEGER, name TEXT, PRIMARY KEY (uid, part)) WITHOUT ROWID;
             INSERT INTO k VALUES ({literal}, 1, 'one'), ({literal}, 2, 'two')"
        ));
        let key = vec![Value::Uuid(uid.into_bytes()), Value::I64(2)];
        let request = ReadRequest::one(codec::<Keyed>(), SetName::root(), key);
        let backup =
            read(database.snapshot().await.as_ref(), request).await.expect("the entity is backed up");
        assert_eq!(backup.lines.len(), 1);
        assert!(backup.lines[0].contains("two"), "{}", backup.lines[0]);
    }
}

#[tokio::test]
async fn records_are_read_in_the_order_of_their_keys() {
    let database = Database::new(
        "CREATE TABLE t (id INT, flag, count, big, huge, ratio, price, name, uid, at, millis, day, \"any\");
         INSERT INTO t (id) VALUES (3), (1), (2)",
    );
    let backup = database.backup::<Reading>().await.expect("the entity is backed up");
    let starts: Vec<&str> = backup.lines.iter().map(|line| &line[..7]).collect();
    assert_eq!(starts, [r#"{"id":1"#, r#"{"id":2"#, r#"{"id":3"#]);
}
