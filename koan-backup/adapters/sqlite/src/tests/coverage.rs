//! Tests that uncovered tables and columns, and the problems of a restore, are reported before a restore
//! writes.

use koan_backup_core::{
    SetName,
    provider::{Provider as _, Severity},
};
use serde::{Deserialize, Serialize};

use super::fixture::{
    Database, codec, create_missing_tables, overwrite, replace, target, without_physical_form,
};
use crate::Sqlite;
use koan_backup::Entity;

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestCovered", table = "users")]
struct User {
    id: i64,
    name: Option<String>,
    #[serde(default)]
    nick: String,
}

#[tokio::test]
async fn uncovered_tables_and_columns_are_reported() {
    let database = Database::new(
        "CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, name, phone, upper_name AS (upper(name)));
         CREATE TABLE \"users#old\" (id, name); CREATE TABLE orders (id, user_id REFERENCES Users(id));
         CREATE TABLE migrations (v); CREATE VIEW v AS SELECT 1; CREATE VIRTUAL TABLE search USING fts5(x)",
    );
    let provider = Sqlite::options(database.provider.path())
        .ignore_table("migrations", "maintained by sqlx")
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
async fn a_missing_table_is_reported_only_for_its_entity() {
    let database = Database::new("CREATE TABLE user (id)");
    let description = database.provider.describe(&[codec::<User>()]).await.expect("a description");
    assert!(description.entities[0].problem.as_deref().is_some_and(|text| text.contains("`users`")));
    assert_eq!(description.unmapped_tables, ["user"]);
}

#[tokio::test]
async fn problems_of_a_restore_are_reported_as_findings() {
    let backup = without_physical_form(&[]);
    let empty = Database::new("");
    let found = empty.assess::<User>(&backup, &overwrite()).await;
    assert!(
        found
            .iter()
            .any(|finding| finding.severity == Severity::Error && finding.message.contains("create_missing"))
    );
    let found = empty.assess::<User>(&backup, &create_missing_tables()).await;
    assert!(found.iter().all(|finding| finding.severity == Severity::Note), "{found:?}");

    let database = Database::new(
        "CREATE TABLE users (id INTEGER, name REFERENCES names(name), code TEXT NOT NULL, phone DEFAULT '-');
         CREATE TABLE names (name PRIMARY KEY); CREATE TRIGGER shout AFTER INSERT ON users BEGIN SELECT 1; END",
    );
    let found = database.assess::<User>(&backup, &replace()).await;
    let has = |severity, text: &str| {
        found.iter().any(|finding| finding.severity == severity && finding.message.contains(text))
    };
    assert!(has(Severity::Error, "`code`"), "{found:?}");
    assert!(has(Severity::Warning, "`phone`"), "{found:?}");
    assert!(has(Severity::Error, "`nick`"), "{found:?}");
    assert!(has(Severity::Note, "`shout`"), "{found:?}");
    assert!(has(Severity::Note, "`names`"), "{found:?}");
    assert!(has(Severity::Note, "unique"), "{found:?}");
}

#[tokio::test]
async fn a_field_without_a_column_is_restored_only_where_it_had_no_column_before() {
    let database =
        Database::new("CREATE TABLE users (id INTEGER PRIMARY KEY, name); INSERT INTO users VALUES (1, 'x')");
    let backup = database.backup::<User>().await.expect("the entity is backed up");
    assert_eq!(backup.lines[0], r#"{"id":1,"name":"x","nick":""}"#);
    assert!(database.assess::<User>(&backup, &replace()).await.is_empty());
    database.restore::<User>(&backup, &replace()).await.expect("restored");
    let from_other_database = without_physical_form(&[r#"{"id":1,"name":"x","nick":"n"}"#]);
    let error = database
        .restore::<User>(&from_other_database, &replace())
        .await
        .expect_err("the field has no column");
    assert!(error.to_string().contains("`nick`") && error.to_string().contains("`id=1`"), "{error}");
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestPersonName", table = "person")]
struct PersonName {
    id: i64,
    name: String,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestPersonPhone", table = "person")]
struct PersonPhone {
    id: i64,
    phone: String,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestPersonOld", table = "person#old")]
struct PersonOld {
    id: i64,
    name: String,
    phone: String,
}

#[tokio::test]
async fn entities_that_share_a_table_are_reported_and_not_restored() {
    let database = Database::new(
        "CREATE TABLE person (id INTEGER PRIMARY KEY, name DEFAULT '', phone DEFAULT '', mail);
         CREATE TABLE \"person#old\" (id INTEGER PRIMARY KEY, name, phone);",
    );
    let (name, phone, old) = (codec::<PersonName>(), codec::<PersonPhone>(), codec::<PersonOld>());
    let described = database.provider.describe(&[name.clone(), phone]).await.expect("a description");
    let assert_shared = |index: usize, other_entity: &str| {
        let problem = described.entities[index].problem.as_deref().unwrap_or_default();
        assert!(problem.contains("shares table `person`") && problem.contains(other_entity), "{problem}");
    };
    assert_shared(0, "`SqliteTestPersonPhone`");
    assert_shared(1, "`SqliteTestPersonName`");
    assert_eq!(described.entities[0].unmapped_columns, ["mail"]);
    let described = database.provider.describe(&[name, old]).await.expect("a description");
    for coverage in &described.entities {
        let problem = coverage.problem.as_deref().unwrap_or_default();
        assert!(problem.contains("shares table `person#old`"), "{problem}");
    }
    let backup = without_physical_form(&[]);
    let set = SetName::new("old").expect("a name");
    for targets in [
        [target::<PersonName>(&backup, SetName::root()), target::<PersonPhone>(&backup, SetName::root())],
        [target::<PersonName>(&backup, set), target::<PersonOld>(&backup, SetName::root())],
    ] {
        let found = database.provider.assess(&targets, &overwrite()).await.expect("an assessment");
        let shared = found.iter().filter(|finding| {
            finding.severity == Severity::Error && finding.message.contains("shares table")
        });
        assert_eq!(shared.count(), 2, "{found:?}");
    }
}

#[tokio::test]
async fn tables_of_sets_are_covered_like_the_table_of_the_default_set() {
    let database = Database::new(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name, nick); CREATE TABLE \"Users#archive\" (id, name, phone);
         CREATE TABLE \"users#root\" (id); CREATE TABLE \"users#bad\" (name, nick)",
    );
    let described = database.provider.describe(&[codec::<User>()]).await.expect("a description");
    let coverage = &described.entities[0];
    assert_eq!(coverage.unmapped_columns, ["phone (in table `Users#archive`)"]);
    assert_eq!(coverage.unmapped_fields[0], "nick (in table `Users#archive`)");
    assert!(coverage.problem.as_deref().is_some_and(|problem| problem.contains("`users#bad`")));
    assert_eq!(described.unmapped_tables.len(), 1, "{:?}", described.unmapped_tables);
    assert!(described.unmapped_tables[0].contains("`root` is in table `users`"));
}
