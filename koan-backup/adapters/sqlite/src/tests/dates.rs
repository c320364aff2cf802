//! Tests with dates in the forms that other libraries write, and with numbers whose unit is not declared.

use serde::{Deserialize, Serialize};

use super::fixture::{Database, overwrite, without_physical_form};
use koan_backup::Entity;

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestEvent", table = "e")]
struct Event {
    id: i64,
    at: chrono::DateTime<chrono::Utc>,
}

fn database(value: &str) -> Database {
    Database::new(&format!("CREATE TABLE e (id INTEGER PRIMARY KEY, at); INSERT INTO e VALUES (1, {value})"))
}

#[tokio::test]
async fn dates_that_other_libraries_write_are_read_and_written_back_byte_for_byte() {
    for text in [
        "2024-01-02 20:00:00.000 +00:00",
        "2024-01-02 20:00:00 +00:00",
        "2024-01-02 20:00:00 +0000",
        "2024-01-02 20:00:00.5 +0200",
        "2024-01-02 20:00:00 -05:30",
        "2024-01-02 20:00:00 UTC",
        "2024-01-02 20:00:00.123456 UTC",
        "2024-01-02T20:00:00.123456789 UTC",
        "2024-01-02 20:00:00Z",
        "2024-01-02 20:00:00 Z",
        "2024-01-02 20:00:00.123456",
        "2024-01-02 20:00:00.123456+00:00",
        "2024-01-02T20:00:00.000+00:00",
        "2024-01-02T20:00:00.000Z",
        "2024-01-02T20:00:00z",
        "2024-01-02 20:00",
        "2024-01-02 20:00:00.0 +00:00:00",
    ] {
        let database = database(&format!("'{text}'"));
        let before = database.dump("e");
        let backup = database.backup::<Event>().await.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(backup.warnings.is_empty(), "{text}: {:?}", backup.warnings);
        database.run("UPDATE e SET at = 0");
        database.restore::<Event>(&backup, &overwrite()).await.expect("restored");
        assert_eq!(database.dump("e"), before, "{text}");
    }
}

#[tokio::test]
async fn a_number_that_may_have_another_unit_is_refused_until_the_unit_is_declared() {
    for millis in ["1704225600000", "7258118400", "4102444800000"] {
        let error =
            database(millis).backup::<Event>().await.expect_err("seconds or milliseconds").to_string();
        assert!(error.contains("`id=1`") && error.contains("ts_milliseconds"), "{millis}: {error}");
    }
    let backup = database("7258118399").backup::<Event>().await.expect("the end of 2199");
    assert!(backup.lines[0].contains("2199-12-31"), "{:?}", backup.lines);

    #[derive(Serialize, Deserialize, Entity)]
    #[entity(name = "SqliteTestMillis", table = "e")]
    struct Millis {
        id: i64,
        #[serde(with = "chrono::serde::ts_milliseconds")]
        at: chrono::DateTime<chrono::Utc>,
    }
    let backup = database("1704225600000").backup::<Millis>().await.expect("milliseconds");
    assert!(backup.lines[0].contains("1704225600000"), "{:?}", backup.lines);
    #[derive(Serialize, Deserialize, Entity)]
    #[entity(name = "SqliteTestSeconds", table = "e")]
    struct Seconds {
        id: i64,
        #[serde(with = "chrono::serde::ts_seconds")]
        at: chrono::DateTime<chrono::Utc>,
    }
    database("7258118400").backup::<Seconds>().await.expect("declared as seconds");
}

#[tokio::test]
async fn a_date_is_not_written_as_a_number_that_the_next_backup_would_refuse() {
    let database = Database::new("CREATE TABLE e (id INTEGER PRIMARY KEY, at INTEGER)");
    let error = database
        .restore::<Event>(&without_physical_form(&[r#"{"id":1,"at":"2300-01-01T00:00:00Z"}"#]), &overwrite())
        .await
        .expect_err("no unit is declared");
    assert!(error.to_string().contains("`at`"), "{error}");
}

#[tokio::test]
async fn the_error_for_a_date_before_the_year_zero_contains_a_remedy() {
    #[derive(Serialize, Deserialize, Entity)]
    #[entity(name = "SqliteTestDay", table = "e")]
    struct Day {
        id: i64,
        at: chrono::NaiveDate,
    }
    for text in ["-0044-03-15", "0044-03-15 BC"] {
        let error = database(&format!("'{text}'"))
            .backup::<Day>()
            .await
            .expect_err("a form that is not read")
            .to_string();
        assert!(
            error.contains("`id=1`") && error.contains("ISO 8601") && error.contains("-000043"),
            "{text}: {error}"
        );
    }
}

#[tokio::test]
async fn the_error_for_json_that_is_nested_too_deeply_names_the_record() {
    #[derive(Serialize, Deserialize, Entity)]
    #[entity(name = "SqliteTestDeep", table = "e")]
    struct Deep {
        id: i64,
        at: serde_json::Value,
    }
    let json = |depth: usize| format!("'{}{}'", "[".repeat(depth), "]".repeat(depth));
    let error = database(&json(200)).backup::<Deep>().await.expect_err("too deep").chain();
    assert!(error.contains("id=1") && error.contains("nested") && error.contains("String"), "{error}");
    database(&json(100)).backup::<Deep>().await.expect("a depth below the limit");
}

#[tokio::test]
async fn the_name_of_a_column_may_contain_a_control_character() {
    #[derive(Serialize, Deserialize, Entity)]
    #[entity(name = "SqliteTestOdd", table = "e\tf")]
    struct Odd {
        id: i64,
        #[entity(column = "a\nb")]
        value: String,
    }
    let database = Database::new(
        "CREATE TABLE \"e\tf\" (id INTEGER PRIMARY KEY, \"a\nb\" TEXT); INSERT INTO \"e\tf\" VALUES (1, 'x')",
    );
    let backup = database.backup::<Odd>().await.expect("the entity is backed up");
    assert_eq!(backup.lines, [r#"{"id":1,"value":"x"}"#]);
    let counts = database.restore::<Odd>(&backup, &overwrite()).await.expect("restored");
    assert_eq!(counts.unchanged, 1);
}
