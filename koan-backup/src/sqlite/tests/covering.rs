//! What is in no entity is named, and what would go wrong is told beforehand.

use koan_backup_core::{Provider as _, Severity};
use serde::{Deserialize, Serialize};

use super::fixture::{Database, codec, creating, foreign, overwrite, replace};
use crate::{Entity, Sqlite};

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestCovered", table = "users", crate = "crate")]
struct User {
    id: i64,
    name: Option<String>,
    #[serde(default)]
    nick: String,
}

#[tokio::test]
async fn tables_and_columns_in_no_entity_are_named() {
    let database = Database::new(
        "CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, name, phone, upper_name AS (upper(name)));
         CREATE TABLE \"users#old\" (id, name); CREATE TABLE orders (id, user_id REFERENCES Users(id));
         CREATE TABLE migrations (v); CREATE VIEW v AS SELECT 1; CREATE VIRTUAL TABLE search USING fts5(x)",
    );
    let provider = Sqlite::options(database.provider.path())
        .ignore_table("migrations", "kept by sqlx")
        .open()
        .expect("opened");
    let description = provider.describe(&[codec::<User>()]).await.expect("a description");
    assert!(description.version.starts_with("SQLite 3."), "{}", description.version);
    assert_eq!(description.unmapped_tables, ["orders", "search"]);
    let coverage = &description.entities[0];
    assert_eq!(coverage.table.as_deref(), Some("users"));
    assert_eq!(
        (&coverage.unmapped_columns, &coverage.unmapped_fields),
        (&vec!["phone".to_owned()], &vec!["nick".to_owned()])
    );
    assert_eq!(coverage.problem, None);
    let key = &description.foreign_keys[0];
    assert_eq!((key.table.as_str(), key.parent.as_str()), ("orders", "users"));
}

#[tokio::test]
async fn a_missing_table_is_a_problem_of_its_entity_only() {
    let database = Database::new("CREATE TABLE user (id)");
    let description = database.provider.describe(&[codec::<User>()]).await.expect("a description");
    assert!(description.entities[0].problem.as_deref().is_some_and(|text| text.contains("`users`")));
    assert_eq!(description.unmapped_tables, ["user"]);
}

#[tokio::test]
async fn findings_tell_what_would_go_wrong() {
    let copy = foreign(&[]);
    let empty = Database::new("");
    let found = empty.assess::<User>(&copy, &overwrite()).await;
    assert!(
        found
            .iter()
            .any(|finding| finding.severity == Severity::Error && finding.message.contains("create_missing"))
    );
    let found = empty.assess::<User>(&copy, &creating()).await;
    assert!(found.iter().all(|finding| finding.severity == Severity::Note), "{found:?}");

    let database = Database::new(
        "CREATE TABLE users (id INTEGER, name REFERENCES names(name), code TEXT NOT NULL, phone DEFAULT '-');
         CREATE TABLE names (name PRIMARY KEY); CREATE TRIGGER shout AFTER INSERT ON users BEGIN SELECT 1; END",
    );
    let found = database.assess::<User>(&copy, &replace()).await;
    let has = |severity, part: &str| found.iter().any(|f| f.severity == severity && f.message.contains(part));
    assert!(has(Severity::Error, "`code`"), "{found:?}");
    assert!(has(Severity::Warning, "`phone`"), "{found:?}");
    assert!(has(Severity::Error, "`nick`"), "{found:?}");
    assert!(has(Severity::Note, "`shout`"), "{found:?}");
    assert!(has(Severity::Note, "`names`"), "{found:?}");
    assert!(has(Severity::Note, "unique"), "{found:?}");
}

#[tokio::test]
async fn a_field_without_a_column_goes_back_where_it_came_from_and_nowhere_else() {
    let database =
        Database::new("CREATE TABLE users (id INTEGER PRIMARY KEY, name); INSERT INTO users VALUES (1, 'x')");
    let copy = database.copy::<User>().await.expect("a copy");
    assert_eq!(copy.lines[0], r#"{"id":1,"name":"x","nick":""}"#);
    assert!(database.assess::<User>(&copy, &replace()).await.is_empty());
    database.restore::<User>(&copy, &replace()).await.expect("restored");
    let elsewhere = foreign(&[r#"{"id":1,"name":"x","nick":"n"}"#]);
    let error = database.restore::<User>(&elsewhere, &replace()).await.expect_err("no column");
    assert!(error.to_string().contains("`nick`") && error.to_string().contains("`id=1`"), "{error}");
}
