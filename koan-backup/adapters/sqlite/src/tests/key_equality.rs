//! Tests with keys that the database considers to be equal although their bytes differ.

use koan_backup_core::{ConflictMode, ErrorKind, RestoreLevel, provider::SessionOptions};
use serde::{Deserialize, Serialize};

use super::fixture::{Database, conflict, dry_run, overwrite, replace, without_physical_form};
use crate::Sqlite;
use koan_backup::Entity;

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestMail", table = "m")]
struct Mail {
    #[entity(key)]
    email: String,
    n: i64,
}

const TABLES: [&str; 5] = [
    "CREATE TABLE m (email TEXT COLLATE NOCASE PRIMARY KEY, n INT)",
    "CREATE TABLE m (email TEXT COLLATE NOCASE PRIMARY KEY, n INT) WITHOUT ROWID",
    "CREATE TABLE m (email TEXT COLLATE NOCASE, n INT)",
    "CREATE TABLE m (email TEXT, n INT); CREATE UNIQUE INDEX by_email ON m (email COLLATE NOCASE)",
    "CREATE TABLE m (email TEXT PRIMARY KEY, n INT); CREATE UNIQUE INDEX by_email ON m (email COLLATE \
     NOCASE)",
];

/// Returns the options of restores and dry runs for all levels and conflict modes.
fn all_modes() -> Vec<SessionOptions> {
    let mut all = Vec::new();
    for level in [RestoreLevel::Fast, RestoreLevel::Balanced, RestoreLevel::Safe] {
        for mut options in
            [overwrite(), replace(), conflict(ConflictMode::Keep), conflict(ConflictMode::Fail)]
        {
            options.level = level;
            all.extend([dry_run(options.clone()), options.clone()]);
            options.without_bulk_mode = true;
            all.extend([dry_run(options.clone()), options]);
        }
    }
    all
}

#[tokio::test]
async fn two_records_with_equal_keys_are_refused_in_every_mode_and_the_error_contains_the_key() {
    let lines = [r#"{"email":"A@x","n":1}"#, r#"{"email":"B@x","n":2}"#, r#"{"email":"a@x","n":3}"#];
    for table in TABLES {
        for rows in ["", "; INSERT INTO m VALUES ('c@x', 9)", "; INSERT INTO m VALUES ('a@X', 9), ('b@x', 9)"]
        {
            for options in all_modes() {
                let database = Database::new(&format!("{table}{rows}"));
                let before = database.dump("m");
                let result = database.restore::<Mail>(&without_physical_form(&lines), &options).await;
                let error = result.expect_err(&format!("{table}{rows} {options:?}"));
                // In mode `fail`, the conflict with the existing row may be detected first.
                let is_conflict =
                    options.conflict == ConflictMode::Fail && error.kind() == ErrorKind::Conflict;
                assert!(
                    is_conflict || error.to_string().contains(r#"email="a@x""#),
                    "{table}{rows} {options:?}: {error}"
                );
                assert_eq!(database.dump("m"), before);
            }
        }
    }
}

#[tokio::test]
async fn a_key_is_written_with_the_spelling_of_the_archive_and_a_dry_run_returns_the_same_counts() {
    let lines = [r#"{"email":"A@x","n":1}"#, r#"{"email":"B@x","n":2}"#, r#"{"email":"d@x","n":4}"#];
    for table in TABLES {
        for options in [overwrite(), replace()] {
            let database =
                Database::new(&format!("{table}; INSERT INTO m VALUES ('a@x', 1), ('B@x', 2), ('c@x', 9)"));
            let compared = database
                .restore::<Mail>(&without_physical_form(&lines), &dry_run(options.clone()))
                .await
                .expect("compared");
            let restored =
                database.restore::<Mail>(&without_physical_form(&lines), &options).await.expect("restored");
            assert_eq!(compared, restored, "{table}");
            let deleted = u64::from(options.replace_existing);
            assert_eq!(
                (restored.inserted, restored.updated, restored.unchanged, restored.deleted),
                (1, 1, 1, deleted),
                "{table}"
            );
            assert_eq!(database.value::<i64>("SELECT count(*) FROM m WHERE email = 'A@x' COLLATE BINARY"), 1);
            let second = database
                .restore::<Mail>(&without_physical_form(&lines), &dry_run(overwrite()))
                .await
                .expect("compared");
            assert_eq!((second.unchanged, second.updated), (3, 0), "{table}");
        }
    }
}

#[tokio::test]
async fn a_backup_of_rows_whose_keys_are_equal_by_their_collation_is_refused() {
    for (collation, keys) in
        [("NOCASE", "('A@x', 1), ('b@x', 2), ('a@x', 3)"), ("RTRIM", "('a', 1), ('b', 2), ('a ', 3)")]
    {
        let database = Database::new(&format!(
            "CREATE TABLE m (email TEXT COLLATE {collation}, n INT); INSERT INTO m VALUES {keys}"
        ));
        let error = database.backup::<Mail>().await.expect_err("two rows have equal keys");
        assert_eq!(error.kind(), ErrorKind::Record);
        assert!(error.to_string().contains("email=") && error.to_string().contains("collation"), "{error}");
        database.run("DELETE FROM m WHERE n = 3");
        database.backup::<Mail>().await.expect("the entity is backed up");
    }
}

#[tokio::test]
async fn a_backup_of_rows_whose_keys_are_forms_of_one_value_is_refused_even_if_they_are_not_adjacent() {
    #[derive(Serialize, Deserialize, Entity)]
    #[entity(name = "SqliteTestAnyNumber", table = "m")]
    struct AnyNumber {
        #[entity(key)]
        id: i64,
    }
    #[derive(Serialize, Deserialize, Entity)]
    #[entity(name = "SqliteTestAnyText", table = "m")]
    struct AnyText {
        #[entity(key)]
        id: String,
    }
    #[derive(Serialize, Deserialize, Entity)]
    #[entity(name = "SqliteTestAnyTime", table = "m")]
    struct AnyTime {
        #[entity(key)]
        id: chrono::DateTime<chrono::Utc>,
    }
    let database =
        |rows: &str| Database::new(&format!("CREATE TABLE m (id PRIMARY KEY); INSERT INTO m VALUES {rows}"));
    let error = database("(1), (2), ('1')").backup::<AnyNumber>().await.expect_err("a duplicate key");
    assert!(error.to_string().contains("id=1"), "{error}");
    let error = database("(1), (2), ('1')").backup::<AnyText>().await.expect_err("a duplicate key");
    assert!(error.to_string().contains("id=\"1\""), "{error}");
    let times = "('2024-01-01T00:00:00Z'), ('2024-01-02T00:00:00Z'), ('2024-01-01 00:00:00'), (1704067200)";
    let error = database(times).backup::<AnyTime>().await.expect_err("a duplicate key");
    assert!(error.to_string().contains("2024-01-01"), "{error}");
    database("(1), (2), ('3'), (4.0)").backup::<AnyNumber>().await.expect("all keys are different");
}

#[tokio::test]
async fn a_restore_compares_numeric_keys_of_every_storage_class_by_value() {
    #[derive(Serialize, Deserialize, Entity)]
    #[entity(name = "SqliteTestUntyped", table = "m")]
    struct Untyped {
        #[entity(key)]
        id: i64,
        n: i64,
    }
    let source =
        Database::new("CREATE TABLE m (id PRIMARY KEY, n INT); INSERT INTO m VALUES (1, 1), (2.0, 2)");
    let mut backup = source.backup::<Untyped>().await.expect("the entity is backed up");
    // This record gets the physical form of the last run, REAL, so its key is stored as 1.0.
    backup.lines.push(r#"{"id":1,"n":3}"#.to_owned());
    for table in [
        "CREATE TABLE m (id PRIMARY KEY, n INT)",
        "CREATE TABLE m (id, n INT)",
        "CREATE TABLE m (id REAL PRIMARY KEY, n INT) WITHOUT ROWID",
    ] {
        for rows in ["", "; INSERT INTO m VALUES (9, 9)"] {
            for options in all_modes() {
                let database = Database::new(&format!("{table}{rows}"));
                let result = database.restore::<Untyped>(&backup, &options).await;
                let error = result.expect_err(&format!("{table}{rows} {options:?}"));
                assert!(error.to_string().contains("id=1"), "{table} {options:?}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn a_collation_of_the_application_is_used_if_defined_and_reported_otherwise() {
    let sql = "CREATE TABLE m (email TEXT COLLATE swiss PRIMARY KEY, n INT)";
    let compare = |one: &str, other: &str| one.to_lowercase().cmp(&other.to_lowercase());
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("test.db");
    {
        let connection = rusqlite::Connection::open(&path).expect("a database");
        connection.create_collation("swiss", compare).expect("the collation is defined");
        connection
            .execute_batch(&format!("{sql}; INSERT INTO m VALUES ('Ä', 1), ('b', 2)"))
            .expect("valid SQL");
    }
    let plain = Database::at(&path, Sqlite::open(&path).expect("opened"));
    let backup = plain.backup::<Mail>().await.expect("rows can be read");
    assert_eq!(backup.lines.len(), 2);
    assert!(backup.warnings.iter().any(|warning| warning.contains("swiss")), "{:?}", backup.warnings);
    let found = plain.assess::<Mail>(&backup, &overwrite()).await;
    assert!(
        found
            .iter()
            .any(|finding| finding.message.contains("swiss") && finding.message.contains(".collation")),
        "{found:?}"
    );
    let defined =
        Database::at(&path, Sqlite::options(&path).collation("Swiss", compare).open().expect("opened"));
    let backup = defined.backup::<Mail>().await.expect("the entity is backed up");
    assert!(backup.warnings.is_empty(), "{:?}", backup.warnings);
    let lines = [r#"{"email":"ä","n":1}"#, r#"{"email":"B","n":2}"#];
    let counts =
        defined.restore::<Mail>(&without_physical_form(&lines), &overwrite()).await.expect("restored");
    assert_eq!((counts.inserted, counts.updated), (0, 2));
    let duplicate = [r#"{"email":"ä","n":1}"#, r#"{"email":"B","n":2}"#, r#"{"email":"Ä","n":3}"#];
    let error = defined
        .restore::<Mail>(&without_physical_form(&duplicate), &overwrite())
        .await
        .expect_err("equal keys");
    assert!(error.to_string().contains("duplicate key"), "{error}");
}
