//! Records go back.

use koan_backup_core::{ConflictMode, ErrorKind};
use serde::{Deserialize, Serialize};

use super::fixture::{Database, conflict, dry, foreign, overwrite, replace};
use crate::Entity;

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestUser", table = "users", crate = "crate")]
struct User {
    id: i64,
    email: String,
    score: Option<f64>,
}

const USERS: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, score REAL);
    INSERT INTO users VALUES (1, 'a@x', 1.5), (2, 'b@x', NULL), (3, 'c@x', 3)";

#[tokio::test]
async fn destroyed_rows_come_back_as_they_were() {
    let database = Database::new(USERS);
    let before = database.dump("users");
    let copy = database.copy::<User>().await.expect("a copy");
    assert_eq!(copy.lines[0], r#"{"id":1,"email":"a@x","score":1.5}"#);
    database.run("DELETE FROM users WHERE id = 1; UPDATE users SET email = 'broken' WHERE id = 2");
    let counts = database.restore::<User>(&copy, &overwrite()).await.expect("restored");
    assert_eq!((counts.inserted, counts.updated), (1, 2));
    assert_eq!(database.dump("users"), before);
}

#[tokio::test]
async fn other_rows_stay_unless_they_are_replaced() {
    let database = Database::new(USERS);
    let copy = database.copy::<User>().await.expect("a copy");
    database.run("DELETE FROM users WHERE id = 1; INSERT INTO users VALUES (9, 'z@x', 0)");
    database.restore::<User>(&copy, &overwrite()).await.expect("restored");
    assert_eq!(database.value::<i64>("SELECT count(*) FROM users"), 4);
    let counts = database.restore::<User>(&copy, &replace()).await.expect("restored");
    assert_eq!((counts.inserted, counts.updated, counts.deleted), (0, 3, 1));
    assert_eq!(database.value::<i64>("SELECT count(*) FROM users"), 3);
}

#[tokio::test]
async fn kept_rows_are_untouched() {
    let database = Database::new(USERS);
    let copy = database.copy::<User>().await.expect("a copy");
    database.run("DELETE FROM users WHERE id = 1; UPDATE users SET score = 99 WHERE id = 2");
    let counts = database.restore::<User>(&copy, &conflict(ConflictMode::Keep)).await.expect("restored");
    assert_eq!((counts.inserted, counts.kept), (1, 2));
    assert_eq!(database.value::<f64>("SELECT score FROM users WHERE id = 2"), 99.0);
}

#[tokio::test]
async fn an_existing_key_fails_the_restore_that_asks_for_it() {
    let database = Database::new(USERS);
    let copy = database.copy::<User>().await.expect("a copy");
    database.run("DELETE FROM users WHERE id = 1");
    let before = database.dump("users");
    for options in [conflict(ConflictMode::Fail), dry(conflict(ConflictMode::Fail))] {
        let error = database.restore::<User>(&copy, &options).await.expect_err("a conflict");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains("`id=2`"), "{error}");
    }
    assert_eq!(database.dump("users"), before);
}

#[tokio::test]
async fn a_unique_violation_names_constraint_and_key_and_undoes_everything() {
    let database = Database::new(USERS);
    let before = database.dump("users");
    let copy =
        foreign(&[r#"{"id":7,"email":"new@x","score":null}"#, r#"{"id":8,"email":"b@x","score":null}"#]);
    let error = database.restore::<User>(&copy, &overwrite()).await.expect_err("a violation");
    assert_eq!(error.kind(), ErrorKind::Constraint);
    assert!(error.to_string().contains("`id=8`") && error.to_string().contains("users.email"), "{error}");
    assert!(!error.chain().contains("b@x"), "{error:?}");
    assert_eq!(database.dump("users"), before);
}

#[tokio::test]
async fn a_dry_run_compares_and_writes_nothing() {
    let database = Database::new(USERS);
    let copy = database.copy::<User>().await.expect("a copy");
    database.run("DELETE FROM users WHERE id = 1; UPDATE users SET score = 9 WHERE id = 2; INSERT INTO users VALUES (9, 'z', 0)");
    let before = database.dump("users");
    let counts = database.restore::<User>(&copy, &dry(replace())).await.expect("compared");
    assert_eq!((counts.inserted, counts.updated, counts.unchanged, counts.deleted), (1, 1, 1, 1));
    let counts = database.restore::<User>(&copy, &dry(conflict(ConflictMode::Keep))).await.expect("compared");
    assert_eq!((counts.inserted, counts.kept), (1, 2));
    assert_eq!(database.dump("users"), before);
}

#[tokio::test]
async fn a_key_that_is_in_the_archive_twice_cannot_replace() {
    let database = Database::new(USERS);
    let before = database.dump("users");
    let copy = foreign(&[r#"{"id":7,"email":"x","score":null}"#, r#"{"id":7,"email":"y","score":null}"#]);
    for options in [replace(), dry(replace())] {
        let error = database.restore::<User>(&copy, &options).await.expect_err("a duplicate");
        assert_eq!(error.kind(), ErrorKind::Constraint);
        assert!(error.to_string().contains("`id=7`"), "{error}");
    }
    assert_eq!(database.dump("users"), before);
}
