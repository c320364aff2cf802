//! Tests of restores into tables that contain other rows.

use koan_backup_core::{ConflictMode, ErrorKind};
use serde::{Deserialize, Serialize};

use super::fixture::{Database, conflict, dry_run, overwrite, replace, without_physical_form};
use koan_backup::Entity;

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestUser", table = "users")]
struct User {
    id: i64,
    email: String,
    score: Option<f64>,
}

const USERS: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, score REAL);
    INSERT INTO users VALUES (1, 'a@x', 1.5), (2, 'b@x', NULL), (3, 'c@x', 3)";

#[tokio::test]
async fn deleted_and_changed_rows_are_restored_as_they_were() {
    let database = Database::new(USERS);
    let before = database.dump("users");
    let backup = database.backup::<User>().await.expect("the entity is backed up");
    assert_eq!(backup.lines[0], r#"{"id":1,"email":"a@x","score":1.5}"#);
    database.run("DELETE FROM users WHERE id = 1; UPDATE users SET email = 'broken' WHERE id = 2");
    let counts = database.restore::<User>(&backup, &overwrite()).await.expect("restored");
    assert_eq!((counts.inserted, counts.updated, counts.unchanged), (1, 1, 1));
    assert_eq!(database.dump("users"), before);
}

#[tokio::test]
async fn other_rows_remain_unless_they_are_replaced() {
    let database = Database::new(USERS);
    let backup = database.backup::<User>().await.expect("the entity is backed up");
    database.run("DELETE FROM users WHERE id = 1; INSERT INTO users VALUES (9, 'z@x', 0)");
    database.restore::<User>(&backup, &overwrite()).await.expect("restored");
    assert_eq!(database.value::<i64>("SELECT count(*) FROM users"), 4);
    let counts = database.restore::<User>(&backup, &replace()).await.expect("restored");
    assert_eq!((counts.inserted, counts.unchanged, counts.deleted), (0, 3, 1));
    assert_eq!(database.value::<i64>("SELECT count(*) FROM users"), 3);
}

#[tokio::test]
async fn kept_rows_are_unchanged() {
    let database = Database::new(USERS);
    let backup = database.backup::<User>().await.expect("the entity is backed up");
    database.run("DELETE FROM users WHERE id = 1; UPDATE users SET score = 99 WHERE id = 2");
    let counts = database.restore::<User>(&backup, &conflict(ConflictMode::Keep)).await.expect("restored");
    assert_eq!((counts.inserted, counts.kept), (1, 2));
    assert_eq!(database.value::<f64>("SELECT score FROM users WHERE id = 2"), 99.0);
}

#[tokio::test]
async fn an_existing_key_fails_a_restore_in_fail_mode() {
    let database = Database::new(USERS);
    let backup = database.backup::<User>().await.expect("the entity is backed up");
    database.run("DELETE FROM users WHERE id = 1");
    let before = database.dump("users");
    for options in [conflict(ConflictMode::Fail), dry_run(conflict(ConflictMode::Fail))] {
        let error = database.restore::<User>(&backup, &options).await.expect_err("a conflict");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains("`id=2`"), "{error}");
    }
    assert_eq!(database.dump("users"), before);
}

#[tokio::test]
async fn a_unique_violation_names_constraint_and_key_and_rolls_back() {
    let database = Database::new(USERS);
    let before = database.dump("users");
    let backup = without_physical_form(&[
        r#"{"id":7,"email":"new@x","score":null}"#,
        r#"{"id":8,"email":"b@x","score":null}"#,
    ]);
    let error = database.restore::<User>(&backup, &overwrite()).await.expect_err("a violation");
    assert_eq!(error.kind(), ErrorKind::Constraint);
    assert!(error.to_string().contains("`id=8`") && error.to_string().contains("users.email"), "{error}");
    assert!(!error.chain().contains("b@x"), "{error:?}");
    assert_eq!(database.dump("users"), before);
}

#[tokio::test]
async fn a_dry_run_compares_and_writes_nothing() {
    let database = Database::new(USERS);
    let backup = database.backup::<User>().await.expect("the entity is backed up");
    database.run(
        "DELETE FROM users WHERE id = 1; UPDATE users SET score = 9 WHERE id = 2; INSERT INTO users \
                  VALUES (9, 'z', 0)",
    );
    let before = database.dump("users");
    let counts = database.restore::<User>(&backup, &dry_run(replace())).await.expect("compared");
    assert_eq!((counts.inserted, counts.updated, counts.unchanged, counts.deleted), (1, 1, 1, 1));
    let counts =
        database.restore::<User>(&backup, &dry_run(conflict(ConflictMode::Keep))).await.expect("compared");
    assert_eq!((counts.inserted, counts.kept), (1, 2));
    assert_eq!(database.dump("users"), before);
}

#[tokio::test]
async fn a_duplicate_key_in_the_archive_is_refused_when_replacing() {
    let database = Database::new(USERS);
    let before = database.dump("users");
    let backup = without_physical_form(&[
        r#"{"id":7,"email":"x","score":null}"#,
        r#"{"id":7,"email":"y","score":null}"#,
    ]);
    for options in [replace(), dry_run(replace())] {
        let error = database.restore::<User>(&backup, &options).await.expect_err("a duplicate");
        assert_eq!(error.kind(), ErrorKind::Record);
        assert!(error.to_string().contains("`id=7`"), "{error}");
    }
    assert_eq!(database.dump("users"), before);
}

#[tokio::test]
async fn conflict_clauses_of_a_table_are_ignored() {
    let table = |key: &str, email: &str| {
        format!(
            "CREATE TABLE users (id INTEGER PRIMARY KEY {key}, email TEXT NOT NULL UNIQUE {email}, score \
             REAL); INSERT INTO users VALUES (1, 'a@x', 1), (2, 'b@x', 2)"
        )
    };
    for email in ["ON CONFLICT IGNORE", "ON CONFLICT REPLACE"] {
        let database = Database::new(&table("", email));
        let before = database.dump("users");
        for id in [2, 7] {
            let backup = without_physical_form(&[&format!(r#"{{"id":{id},"email":"a@x","score":null}}"#)]);
            let error =
                database.restore::<User>(&backup, &overwrite()).await.expect_err("a unique violation");
            assert_eq!(error.kind(), ErrorKind::Constraint);
            assert_eq!(database.dump("users"), before);
        }
        let backup = without_physical_form(&[
            r#"{"id":3,"email":"a@x","score":null}"#,
            r#"{"id":4,"email":"a@x","score":null}"#,
        ]);
        database.restore::<User>(&backup, &replace()).await.expect_err("a unique violation");
        assert_eq!(database.dump("users"), before);
    }
    let database = Database::new(&table("ON CONFLICT REPLACE", ""));
    let before = database.dump("users");
    let backup = without_physical_form(&[r#"{"id":2,"email":"new@x","score":null}"#]);
    let error =
        database.restore::<User>(&backup, &conflict(ConflictMode::Fail)).await.expect_err("an existing key");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(database.dump("users"), before);
}

/// The macro refuses an `Option` as a key. A context refuses it as well, but the adapter is tested without one.
type NullableText = Option<String>;

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestTwice", table = "t")]
struct OptionallyKeyed {
    #[entity(key)]
    k: NullableText,
    n: i64,
}

#[tokio::test]
async fn a_duplicate_key_is_refused_for_every_collation_and_kind_of_key_column() {
    let adjacent = [r#"{"k":"a","n":1}"#, r#"{"k":"a","n":2}"#];
    let other_case = [r#"{"k":"a","n":1}"#, r#"{"k":"A","n":2}"#];
    let null = [r#"{"k":null,"n":1}"#, r#"{"k":null,"n":2}"#];
    let apart = [r#"{"k":"a","n":1}"#, r#"{"k":"b","n":1}"#, r#"{"k":"a","n":2}"#];
    for (column, lines) in [
        ("k TEXT", adjacent.as_slice()),
        ("k TEXT", apart.as_slice()),
        ("k TEXT COLLATE NOCASE", other_case.as_slice()),
        ("k TEXT PRIMARY KEY", adjacent.as_slice()),
        ("k TEXT COLLATE NOCASE PRIMARY KEY", other_case.as_slice()),
        ("k TEXT PRIMARY KEY", null.as_slice()),
    ] {
        for rows in ["", "INSERT INTO t VALUES ('z', 0)", "INSERT INTO t VALUES ('a', 0)"] {
            let database = Database::new(&format!("CREATE TABLE t ({column}, n); {rows}"));
            let before = (database.dump("t"), database.schema());
            for mode in [ConflictMode::Overwrite, ConflictMode::Keep] {
                let error = database
                    .restore::<OptionallyKeyed>(&without_physical_form(lines), &conflict(mode))
                    .await
                    .expect_err("a duplicate key");
                assert_eq!(error.kind(), ErrorKind::Record, "{column} {rows} {error}");
                assert!(error.to_string().contains("`k="), "{error}");
                assert_eq!((database.dump("t"), database.schema()), before);
            }
        }
    }
    let database = Database::new("CREATE TABLE t (k TEXT, n); INSERT INTO t VALUES ('z', 0)");
    let schema = database.schema();
    let counts = database
        .restore::<OptionallyKeyed>(&without_physical_form(&other_case), &overwrite())
        .await
        .expect("two keys");
    assert_eq!((counts.inserted, database.schema()), (2, schema));
}
