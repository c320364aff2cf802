//! Tests of sets, whose tables have the name of the default set's table and a suffix, and of names with
//! unusual characters.

use koan_backup_core::SetName;
use serde::{Deserialize, Serialize};

use super::fixture::{Database, backup_of, codec, create_missing_tables, overwrite, replace};
use koan_backup::Entity;

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestHostile", table = "a\"b'; DROP TABLE kept; -- ORDER BY")]
struct Hostile {
    #[serde(rename = "id\"; DROP TABLE kept; --")]
    #[entity(key)]
    id: String,
    #[serde(rename = "select")]
    value: Option<String>,
}

const TABLES: &str = "CREATE TABLE kept (x);
    CREATE TABLE \"a\"\"b'; DROP TABLE kept; -- ORDER BY\" (\"id\"\"; DROP TABLE kept; --\" TEXT PRIMARY KEY, \"select\" TEXT);
    CREATE TABLE \"a\"\"b'; DROP TABLE kept; -- ORDER BY#old\" (\"id\"\"; DROP TABLE kept; --\" TEXT PRIMARY KEY, \"select\" TEXT);
    INSERT INTO \"a\"\"b'; DROP TABLE kept; -- ORDER BY\" VALUES ('x''; DROP TABLE kept; --', 'a' || char(0, 10, 8238) || 'b');
    INSERT INTO \"a\"\"b'; DROP TABLE kept; -- ORDER BY#old\" VALUES ('old', NULL)";
const NAME: &str = "a\"b'; DROP TABLE kept; -- ORDER BY";

fn set(name: &str) -> SetName {
    SetName::new(name).expect("a name")
}

#[tokio::test]
async fn names_and_values_that_contain_sql_round_trip() {
    let database = Database::new(TABLES);
    let before = database.dump(NAME);
    let backup = database.backup::<Hostile>().await.expect("the entity is backed up");
    database.restore::<Hostile>(&backup, &overwrite()).await.expect("restored");
    database.restore::<Hostile>(&backup, &replace()).await.expect("restored");
    assert_eq!(database.dump(NAME), before);
    assert_eq!(database.value::<i64>("SELECT count(*) FROM kept"), 0);
}

#[tokio::test]
async fn sets_are_listed_read_and_restored_separately() {
    let database = Database::new(TABLES);
    let snapshot = database.snapshot().await;
    assert_eq!(snapshot.sets(&codec::<Hostile>()).await.expect("sets"), [SetName::root(), set("old")]);
    let old = backup_of::<Hostile>(snapshot.as_ref(), set("old")).await.expect("the entity is backed up");
    drop(snapshot);
    assert_eq!(old.lines.len(), 1);
    let root = database.dump(NAME);
    database.restore_set::<Hostile>(&old, set("old"), &replace()).await.expect("restored");
    assert_eq!(database.dump(NAME), root);
}

#[tokio::test]
async fn a_missing_set_is_refused_or_created_like_the_default_set() {
    let database = Database::new(TABLES);
    let backup = database.backup::<Hostile>().await.expect("the entity is backed up");
    let error =
        database.restore_set::<Hostile>(&backup, set("new"), &overwrite()).await.expect_err("missing");
    assert!(error.to_string().contains("set `new`"), "{error}");
    database.restore_set::<Hostile>(&backup, set("new"), &create_missing_tables()).await.expect("restored");
    assert_eq!(database.dump(&format!("{NAME}#new")), database.dump(NAME));
    let sql: String = database.value("SELECT sql FROM sqlite_schema WHERE name LIKE '%#new'");
    assert!(sql.contains("TEXT PRIMARY KEY"), "{sql}");
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "TestNoteOfSets")]
struct Note {
    id: i64,
}

#[tokio::test]
async fn the_table_of_a_set_is_found_without_regard_to_the_case_of_its_name() {
    let database = Database::new(
        "CREATE TABLE test_note_of_sets (id INTEGER PRIMARY KEY); CREATE TABLE \"TestNoteOfSets#archive\" (id INTEGER PRIMARY KEY);
         CREATE TABLE \"Test_NoteOfSets#Old\" (id INTEGER PRIMARY KEY);
         INSERT INTO \"TestNoteOfSets#archive\" VALUES (7)",
    );
    let snapshot = database.snapshot().await;
    let sets = snapshot.sets(&codec::<Note>()).await.expect("sets");
    assert_eq!(sets, [SetName::root(), set("Old"), set("archive")]);
    let backup = backup_of::<Note>(snapshot.as_ref(), set("archive")).await.expect("the entity is backed up");
    drop(snapshot);
    assert_eq!(backup.lines, [r#"{"id":7}"#]);
    database.restore_set::<Note>(&backup, set("archive"), &create_missing_tables()).await.expect("restored");
    database.restore_set::<Note>(&backup, set("old"), &create_missing_tables()).await.expect("restored");
    assert_eq!(database.dump("Test_NoteOfSets#Old"), ["integer 7"]);
}
