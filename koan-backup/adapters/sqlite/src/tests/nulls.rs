//! Tests with NULL, JSON `null`, and values that replace them.

use koan_backup_core::{RestoreLevel, provider::Severity};
use serde::{Deserialize, Serialize};

use super::fixture::{Database, create_missing_tables, dry_run, overwrite, replace, without_physical_form};
use koan_backup::Entity;

#[derive(Serialize, Deserialize)]
struct Address {
    city: String,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestNulls", table = "n")]
struct Nulls {
    id: i64,
    address: Option<Address>,
    any: Option<serde_json::Value>,
    value: serde_json::Value,
    list: Option<Vec<i64>>,
}

const TABLE: &str = "CREATE TABLE n (id INTEGER PRIMARY KEY, address TEXT, any TEXT, value TEXT, list TEXT)";

#[tokio::test]
async fn null_and_json_null_are_restored_as_they_were() {
    let database = Database::new(TABLE);
    database.run(
        "INSERT INTO n VALUES (1, NULL, NULL, NULL, NULL), (2, 'null', 'null', 'null', 'null'), (3, \
         '{\"city\":\"Bern\"}', '7', '[1]', '[1,2]'), (4, 'null', NULL, 'null', NULL), (5, NULL, 'null', \
         NULL, 'null'), (6, NULL, NULL, NULL, NULL)",
    );
    let before = database.dump("n");
    let backup = database.backup::<Nulls>().await.expect("the entity is backed up");
    assert!(backup.warnings.is_empty(), "{:?}", backup.warnings);
    for options in [overwrite(), replace()] {
        database.run("UPDATE n SET address = '{\"city\":\"x\"}', any = '1', value = '2', list = '[]'");
        database.restore::<Nulls>(&backup, &options).await.expect("restored");
        assert_eq!(database.dump("n"), before);
    }
    let counts = database.restore::<Nulls>(&backup, &dry_run(overwrite())).await.expect("compared");
    assert_eq!(counts.unchanged, 6);
}

#[tokio::test]
async fn a_column_that_forbids_null_gets_the_json_null() {
    let table = TABLE.replace("TEXT", "TEXT NOT NULL");
    let lines = [r#"{"id":1,"address":null,"any":null,"value":null,"list":null}"#];
    let database = Database::new(&table);
    database.restore::<Nulls>(&without_physical_form(&lines), &overwrite()).await.expect("restored");
    assert_eq!(database.value::<String>("SELECT address || any || value || list FROM n"), "nullnullnullnull");
    let backup = database.backup::<Nulls>().await.expect("the entity is backed up");
    assert_eq!(backup.lines, lines);
    let new_database = Database::new(&table);
    new_database.restore::<Nulls>(&backup, &overwrite()).await.expect("restored");
    assert_eq!(new_database.dump("n"), database.dump("n"));
}

#[tokio::test]
async fn a_json_null_with_white_space_is_counted_as_another_form() {
    let database = Database::new(TABLE);
    database.run("INSERT INTO n VALUES (1, ' null', NULL, '1', NULL)");
    let backup = database.backup::<Nulls>().await.expect("the entity is backed up");
    assert!(backup.warnings.iter().any(|warning| warning.contains("`address`")), "{:?}", backup.warnings);
}

#[tokio::test]
async fn json_text_that_is_rewritten_is_counted() {
    let database = Database::new(TABLE);
    database.run(
        "INSERT INTO n VALUES (1, NULL, '{\"b\":1,\"a\":2}', '{ \"a\": 1 }', '[1]'), (2, '{\"city\":\"x\"}', \
         '{\"a\":1}', '\"\\u00fc\"', '[1, 2]')",
    );
    let backup = database.backup::<Nulls>().await.expect("the entity is backed up");
    let is_counted = |column: &str, count: &str| {
        backup.warnings.iter().any(|warning| {
            warning.contains(&format!("column `{column}`")) && warning.contains(&format!(": {count} "))
        })
    };
    assert!(
        is_counted("any", "1") && is_counted("value", "2") && is_counted("list", "1"),
        "{:?}",
        backup.warnings
    );
    assert!(!backup.warnings.iter().any(|warning| warning.contains("`address`")), "{:?}", backup.warnings);
}

/// The macro refuses an `Option` as a key. A context refuses it as well, but the adapter is tested without one.
type NullableInteger = Option<i64>;

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestOptionalKey", table = "o")]
struct OptionalKey {
    #[entity(key)]
    id: NullableInteger,
    name: String,
}

#[tokio::test]
async fn a_created_table_does_not_replace_a_null_key_with_a_number() {
    let lines = [r#"{"id":null,"name":"none"}"#, r#"{"id":7,"name":"seven"}"#];
    for level in [RestoreLevel::Fast, RestoreLevel::Safe] {
        let database = Database::new("");
        let mut options = create_missing_tables();
        options.level = level;
        database.restore::<OptionalKey>(&without_physical_form(&lines), &options).await.expect("restored");
        assert_eq!(database.backup::<OptionalKey>().await.expect("the entity is backed up").lines, lines);
        let counts = database
            .restore::<OptionalKey>(&without_physical_form(&lines), &options)
            .await
            .expect("restored");
        assert_eq!((counts.inserted, counts.unchanged), (0, 2));
    }
}

#[tokio::test]
async fn a_null_key_is_refused_where_sqlite_would_assign_a_rowid() {
    let lines = [r#"{"id":null,"name":"none"}"#];
    let database = Database::new("CREATE TABLE o (id INTEGER PRIMARY KEY, name TEXT)");
    for options in [overwrite(), replace(), dry_run(overwrite())] {
        let error = database
            .restore::<OptionalKey>(&without_physical_form(&lines), &options)
            .await
            .expect_err("SQLite would replace the NULL key with a rowid");
        assert!(error.to_string().contains("`id`") && error.to_string().contains("rowid"), "{error}");
    }
    #[derive(Serialize, Deserialize, Entity)]
    #[entity(name = "SqliteTestOtherKey", table = "o")]
    struct OtherKey {
        id: Option<i64>,
        #[entity(key)]
        name: String,
    }
    let error = database
        .restore::<OtherKey>(&without_physical_form(&lines), &overwrite())
        .await
        .expect_err("SQLite would replace the NULL with a rowid");
    assert!(error.to_string().contains("rowid"), "{error}");
}

#[tokio::test]
async fn a_created_table_stores_every_value_unchanged() {
    #[derive(Serialize, Deserialize, Entity)]
    #[entity(name = "SqliteTestExtremes", table = "e")]
    struct Extremes {
        #[entity(key)]
        id: u64,
        wide: i128,
        small: Option<u8>,
        number: serde_json::Value,
        text: String,
        double: f64,
    }
    let lines = [
        r#"{"id":1,"wide":-170141183460469231731687303715884105728,"small":null,"number":1.0,"text":"1.0","double":1.0}"#,
        r#"{"id":9223372036854775808,"wide":5,"small":255,"number":"7","text":"007","double":1e+300}"#,
        r#"{"id":18446744073709551615,"wide":0,"small":0,"number":null,"text":"1e5","double":-0.5}"#,
    ];
    let database = Database::new("");
    database
        .restore::<Extremes>(&without_physical_form(&lines), &create_missing_tables())
        .await
        .expect("restored");
    let mut found = database.backup::<Extremes>().await.expect("the entity is backed up").lines;
    found.sort();
    let mut expected = lines.map(str::to_owned);
    expected.sort();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn column_names_that_differ_only_in_case_are_reported_before_a_table_is_created() {
    #[derive(Serialize, Deserialize, Entity)]
    #[entity(name = "SqliteTestCase", table = "c")]
    struct Case {
        id: i64,
        name: String,
        #[serde(rename = "Name")]
        other: String,
    }
    let backup = without_physical_form(&[r#"{"id":1,"name":"a","Name":"b"}"#]);
    let database = Database::new("");
    let found = database.assess::<Case>(&backup, &create_missing_tables()).await;
    assert!(
        found.iter().any(|finding| finding.severity == Severity::Error && finding.message.contains("`Name`")),
        "{found:?}"
    );
    database
        .restore::<Case>(&backup, &create_missing_tables())
        .await
        .expect_err("two columns have the same name");
}
