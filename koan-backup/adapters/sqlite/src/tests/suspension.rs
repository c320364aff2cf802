//! Tests which indexes and triggers a restore suspends, depending on its options, and that it reports them.

use koan_backup_core::{
    RestoreLevel, SetName,
    provider::{Provider as _, RestoreTarget, SessionOptions, SuspendedKind, SuspendedObject},
};
use serde::{Deserialize, Serialize};

use super::fixture::{
    Database, EntityBackup, dry_run, overwrite, records, replace, target, without_physical_form,
};
use koan_backup::Entity;

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestMember", table = "member")]
struct Member {
    id: i64,
    email: String,
    age: i64,
}

/// The tables of the tests. Because another table was created last, an index that is recreated gets another
/// rowid in `sqlite_schema`.
const TABLES: &str = "
    CREATE TABLE member (id INTEGER PRIMARY KEY, email TEXT UNIQUE, age INT);
    CREATE INDEX by_age ON member (age); CREATE UNIQUE INDEX one_each ON member (email, age);
    CREATE UNIQUE INDEX adults ON member (email) WHERE age > 17;
    CREATE TRIGGER counted AFTER INSERT ON member BEGIN SELECT RAISE(ABORT, 'it fires'); END;
    CREATE TABLE other (id INTEGER PRIMARY KEY);";

const MEMBERS: [&str; 2] = [r#"{"id":1,"email":"a@x","age":1}"#, r#"{"id":2,"email":"b@x","age":2}"#];

/// Restores members, and returns the suspended objects.
async fn restore(
    database: &Database,
    target: RestoreTarget,
    backup: &EntityBackup,
    options: &SessionOptions,
) -> Vec<SuspendedObject> {
    let mut session = database.provider.begin_restore(options).await.expect("a session");
    let mut writer = session.begin(target).await.expect("a writer");
    writer.write(records::<Member>(backup).into()).await.expect("written");
    writer.finish().await.expect("finished");
    session.commit().await.expect("committed").suspended
}

fn names(suspended: &[SuspendedObject], kind: SuspendedKind) -> Vec<&str> {
    let objects = suspended.iter().filter(|object| object.kind == kind && object.table == "member");
    objects.map(|object| object.name.as_str()).collect()
}

/// Returns the indexes that were recreated. A recreated index has another rowid in `sqlite_schema` than
/// before.
fn recreated(database: &Database, before: &[(String, i64)]) -> Vec<String> {
    let changed = index_rows(database).into_iter().filter(|row| !before.contains(row));
    changed.map(|(name, _)| name).collect()
}

/// Returns the name and the rowid in `sqlite_schema` of each index.
fn index_rows(database: &Database) -> Vec<(String, i64)> {
    let query =
        "SELECT name, rowid FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY rowid";
    let mut statement = database.sql.prepare(query).expect("a schema");
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
    rows.collect::<Result<_, _>>().expect("text")
}

/// Returns the default options with one change.
fn options_with(change: impl FnOnce(&mut SessionOptions)) -> SessionOptions {
    let mut options = overwrite();
    change(&mut options);
    options
}

#[tokio::test]
async fn objects_that_an_option_excludes_are_not_suspended_and_the_report_lists_the_others() {
    let backup = without_physical_form(&MEMBERS);
    for (options, dropped) in [
        (overwrite(), &["by_age", "one_each"][..]),
        (options_with(|options| options.keep_indexes = true), &[]),
        (options_with(|options| options.keep_constraints = true), &["by_age"]),
        (options_with(|options| options.without_bulk_mode = true), &[]),
        (options_with(|options| options.level = RestoreLevel::Balanced), &[]),
        (options_with(|options| options.level = RestoreLevel::Safe), &[]),
    ] {
        let database = Database::new(TABLES);
        let (schema, before) = (database.schema(), index_rows(&database));
        let target = target::<Member>(&backup, SetName::root());
        let findings =
            database.provider.assess(std::slice::from_ref(&target), &options).await.expect("assessed");
        let is_reported =
            |name: &str| findings.iter().any(|finding| finding.message.contains(&format!("`{name}`")));
        let suspended = restore(&database, target, &backup, &options).await;
        assert_eq!(names(&suspended, SuspendedKind::Index), dropped, "{options:?}");
        assert_eq!(recreated(&database, &before), dropped, "{options:?}");
        // Triggers never fire, whatever the options are.
        assert_eq!(names(&suspended, SuspendedKind::Trigger), ["counted"], "{options:?}");
        assert_eq!(suspended.len(), dropped.len() + 1, "{options:?}");
        for name in ["by_age", "one_each", "adults"] {
            assert_eq!(is_reported(name), dropped.contains(&name), "{options:?}: {findings:?}");
        }
        assert!(is_reported("counted"), "{findings:?}");
        assert_eq!(database.schema(), schema, "{options:?}");
        assert_eq!(database.dump("member").len(), 2, "{options:?}");
    }
}

#[tokio::test]
async fn a_dry_run_neither_reports_nor_suspends_indexes() {
    let (database, backup) = (Database::new(TABLES), without_physical_form(&MEMBERS));
    let before = index_rows(&database);
    let target = target::<Member>(&backup, SetName::root());
    let findings = database.provider.assess(&[target], &dry_run(overwrite())).await.expect("assessed");
    assert!(!findings.iter().any(|finding| finding.message.contains("by_age")), "{findings:?}");
    database.restore::<Member>(&backup, &dry_run(overwrite())).await.expect("compared");
    assert_eq!(recreated(&database, &before), Vec::<String>::new());
}

#[tokio::test]
async fn indexes_that_are_not_unique_are_kept_if_few_records_replace_a_large_table() {
    let backup = without_physical_form(&MEMBERS);
    for (size, dropped) in [
        (Some((2, 60)), &["one_each"][..]),
        (Some((1_000, 1 << 20)), &["one_each"]),
        (Some((1_001, 60)), &["by_age", "one_each"]),
        (Some((2, (1 << 20) + 1)), &["by_age", "one_each"]),
        (None, &["by_age", "one_each"]),
    ] {
        let database = Database::new(TABLES);
        database.run(
            "PRAGMA recursive_triggers = OFF; DROP TRIGGER counted; INSERT INTO member VALUES (9, 'c@x', 9)",
        );
        let before = index_rows(&database);
        let mut target = target::<Member>(&backup, SetName::root());
        (target.record_count, target.size_bytes) = size.unzip();
        let suspended = restore(&database, target, &backup, &replace()).await;
        assert_eq!(names(&suspended, SuspendedKind::Index), dropped, "{size:?}");
        assert_eq!(recreated(&database, &before), dropped, "{size:?}");
        assert_eq!(database.dump("member").len(), 2);
    }
}
