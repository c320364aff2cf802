//! Tests that the counts of a restore match its changes, and that a dry run returns the same counts.

use koan_backup_core::{ConflictMode, RestoreLevel, provider::WriteCounts};
use serde::{Deserialize, Serialize};

use super::fixture::{Database, conflict, dry_run, overwrite, replace, without_physical_form};
use koan_backup::Entity;

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestPerson", table = "p")]
struct Person {
    id: i64,
    email: Option<String>,
    position: Option<f64>,
}

const LINES: [&str; 4] = [
    r#"{"id":1,"email":"a","position":1.0}"#,
    r#"{"id":2,"email":"B","position":2.5}"#,
    r#"{"id":3,"email":null,"position":null}"#,
    r#"{"id":9,"email":"new","position":0.0}"#,
];
const TABLES: [&str; 4] = [
    "CREATE TABLE p (id INTEGER PRIMARY KEY, email TEXT COLLATE NOCASE, position REAL)",
    "CREATE TABLE p (id INT PRIMARY KEY, email TEXT COLLATE NOCASE, position REAL) WITHOUT ROWID",
    "CREATE TABLE p (id INT, email TEXT COLLATE NOCASE, position REAL)",
    "CREATE TABLE p (id INTEGER PRIMARY KEY ON CONFLICT REPLACE, email TEXT COLLATE NOCASE UNIQUE ON \
     CONFLICT IGNORE, position REAL)",
];
const ROWS: &str = "; INSERT INTO p VALUES (1, 'a', 1), (2, 'b', 2.5), (3, NULL, NULL), (7, 'stays', 7)";

fn counts(inserted: u64, updated: u64, unchanged: u64, kept: u64, deleted: u64) -> WriteCounts {
    let mut counts = WriteCounts::default();
    (counts.inserted, counts.updated, counts.unchanged) = (inserted, updated, unchanged);
    (counts.kept, counts.deleted) = (kept, deleted);
    counts
}

#[tokio::test]
async fn equal_rows_count_as_unchanged_and_a_dry_run_returns_the_same_counts() {
    for table in TABLES {
        for level in [RestoreLevel::Fast, RestoreLevel::Safe] {
            for (mut options, expected) in [
                (overwrite(), counts(1, 1, 2, 0, 0)),
                (replace(), counts(1, 1, 2, 0, 1)),
                (conflict(ConflictMode::Keep), counts(1, 0, 0, 3, 0)),
            ] {
                options.level = level;
                let database = Database::new(&format!("{table}{ROWS}"));
                let compared = database
                    .restore::<Person>(&without_physical_form(&LINES), &dry_run(options.clone()))
                    .await
                    .expect("compared");
                let restored = database
                    .restore::<Person>(&without_physical_form(&LINES), &options)
                    .await
                    .expect("restored");
                assert_eq!((compared, restored), (expected, expected), "{table} {options:?}");
                let second = database
                    .restore::<Person>(&without_physical_form(&LINES), &overwrite())
                    .await
                    .expect("restored");
                let updated = if options.conflict == ConflictMode::Keep { 1 } else { 0 };
                assert_eq!(second, counts(0, updated, 4 - updated, 0, 0), "{table} {options:?}");
            }
        }
    }
}

#[tokio::test]
async fn triggers_that_ignore_or_change_rows_do_not_affect_a_restore() {
    let triggers = "CREATE TABLE audit (what); CREATE TRIGGER no_insert BEFORE INSERT ON p BEGIN SELECT \
                    RAISE(IGNORE); END; CREATE TRIGGER no_update BEFORE UPDATE ON p BEGIN SELECT \
                    RAISE(IGNORE); END; CREATE TRIGGER no_delete BEFORE DELETE ON p BEGIN SELECT \
                    RAISE(IGNORE); END; CREATE TRIGGER changes AFTER INSERT ON p BEGIN DELETE FROM p WHERE \
                    id = 7; END";
    for table in TABLES {
        for (options, rows) in [(overwrite(), 5), (replace(), 4)] {
            let database = Database::new(&format!("{table}{ROWS}; {triggers}"));
            let restored =
                database.restore::<Person>(&without_physical_form(&LINES), &options).await.expect("restored");
            assert_eq!(restored.inserted + restored.updated + restored.unchanged, 4);
            assert_eq!(database.value::<i64>("SELECT count(*) FROM p"), rows);
            assert_eq!(database.value::<String>("SELECT email FROM p WHERE id = 2"), "B");
        }
    }
}

#[tokio::test]
async fn a_table_with_many_columns_does_not_exceed_the_expression_depth_of_sqlite() {
    #[derive(Serialize, Deserialize, Entity)]
    #[entity(name = "SqliteTestWide", table = "w")]
    struct Wide {
        id: i64,
        #[serde(flatten)]
        rest: std::collections::BTreeMap<String, i64>,
    }
    let columns: Vec<String> = (0..1200).map(|index| format!("c{index} INT")).collect();
    let database = Database::new(&format!("CREATE TABLE w (id INTEGER PRIMARY KEY, {})", columns.join(", ")));
    database.run("INSERT INTO w (id) VALUES (1)");
    let assignments: Vec<String> = (0..1200).map(|index| format!("c{index} = {index}")).collect();
    database.run(&format!("UPDATE w SET {}", assignments.join(", ")));
    let backup = database.backup::<Wide>().await.expect("the entity is backed up");
    let counts = database.restore::<Wide>(&backup, &overwrite()).await.expect("restored");
    assert_eq!((counts.unchanged, counts.updated), (1, 0));
    database.run("UPDATE w SET c1199 = -1");
    let counts = database.restore::<Wide>(&backup, &overwrite()).await.expect("restored");
    assert_eq!((counts.unchanged, counts.updated), (0, 1));
}

/// Restores rows with unique values into a table in which other rows have these values.
async fn restore_over(
    table: &str,
    before: &[(i64, &str)],
    after: &[(i64, &str)],
) -> (Database, koan_backup_core::Result<WriteCounts>) {
    let database = Database::new(table);
    for (id, email) in before {
        database.run(&format!("INSERT INTO p (id, email, position) VALUES ({id}, '{email}', 0.0)"));
    }
    let lines: Vec<String> = after
        .iter()
        .map(|(id, email)| format!(r#"{{"id":{id},"email":"{email}","position":0.0}}"#))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let result = database.restore::<Person>(&without_physical_form(&lines), &overwrite()).await;
    (database, result)
}

/// Tables with a unique column `email`.
const UNIQUE_TABLES: [&str; 5] = [
    "CREATE TABLE p (id INTEGER PRIMARY KEY, email TEXT UNIQUE, position REAL)",
    "CREATE TABLE p (id INT PRIMARY KEY, email TEXT NOT NULL UNIQUE, position REAL) WITHOUT ROWID",
    "CREATE TABLE p (id INTEGER PRIMARY KEY, email TEXT, position REAL); CREATE UNIQUE INDEX e ON p \
     (lower(email)) WHERE email <> ''",
    "CREATE TABLE p (id INT, email TEXT CHECK (length(email) < 9) UNIQUE, position REAL)",
    "CREATE TABLE p (email TEXT PRIMARY KEY, id INT UNIQUE, position REAL) STRICT",
];

#[tokio::test]
async fn unique_values_that_move_between_rows_are_restored() {
    for table in UNIQUE_TABLES {
        for (before, after) in [
            (vec![(1, "a"), (2, "b")], vec![(1, "b"), (2, "a")]),
            (
                vec![(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e")],
                vec![(1, "b"), (2, "c"), (3, "d"), (4, "e"), (5, "f")],
            ),
            (
                vec![(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e")],
                vec![(1, "e"), (2, "a"), (3, "b"), (4, "c"), (5, "d")],
            ),
            (vec![(2, "b"), (3, "c")], vec![(1, "c"), (2, "d"), (3, "e")]),
        ] {
            let table = table.replace(" STRICT", "");
            let (database, result) = restore_over(&table, &before, &after).await;
            let counts = result.expect(&table);
            let existing =
                before.iter().filter(|(id, _)| after.iter().any(|(other, _)| other == id)).count() as u64;
            let new = after.len() as u64 - existing;
            assert_eq!((counts.inserted, counts.updated + counts.unchanged), (new, existing), "{table}");
            for (id, email) in after {
                let found: String = database.value(&format!("SELECT email FROM p WHERE id = {id}"));
                assert_eq!(found, email, "{table}");
            }
        }
    }
}

#[tokio::test]
async fn a_deferred_record_keeps_the_rowid_and_the_unmapped_columns_of_its_row() {
    let table =
        "CREATE TABLE p (id INT PRIMARY KEY, email TEXT UNIQUE, position REAL, note TEXT DEFAULT 'none')";
    let database = Database::new(table);
    database
        .run("INSERT INTO p (rowid, id, email, note) VALUES (10, 1, 'a', 'first'), (20, 2, 'b', 'second')");
    let lines = [r#"{"id":1,"email":"b","position":1.5}"#, r#"{"id":2,"email":"a","position":2.5}"#];
    database.restore::<Person>(&without_physical_form(&lines), &overwrite()).await.expect("restored");
    let rows: String = database.value(
        "SELECT group_concat(rowid || id || email || note, ' ') FROM (SELECT rowid, * FROM p ORDER BY id)",
    );
    assert_eq!(rows, "101bfirst 202asecond");
}

#[tokio::test]
async fn a_unique_violation_names_both_records() {
    for table in &UNIQUE_TABLES[..2] {
        let (database, result) =
            restore_over(table, &[(1, "a"), (2, "b"), (7, "x")], &[(1, "x"), (2, "a")]).await;
        let error = result.expect_err("row 7 has the value and is not overwritten").to_string();
        assert!(error.contains("`id=1`") && error.contains("`id=7`") && error.contains("`email`"), "{error}");
        assert_eq!(database.value::<String>("SELECT email FROM p WHERE id = 1"), "a");
    }
}
