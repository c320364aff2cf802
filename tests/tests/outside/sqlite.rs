//! Unusual but legal SQLite databases: all conflict clauses, the encoding UTF-16, and unusual names.

use std::path::{Path, PathBuf};

use koan_backup::prelude::*;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Item {
    id: i64,
    name: String,
}

const ROWS: &str = "INSERT INTO item (id, name) VALUES (1, 'a'), (2, 'b'), (3, 'c');";
const EXCHANGE_NAMES: &str =
    "DELETE FROM item; INSERT INTO item (id, name) VALUES (1, 'b'), (2, 'a'), (3, 'c')";
const DAMAGE: &str = "UPDATE item SET name = 'x' WHERE id = 1; DELETE FROM item WHERE id = 2";

/// The definition of a table, and the statements that change its rows after the backup.
const TABLES: [(&str, &str); 15] = [
    ("PRAGMA encoding = 'UTF-16le'; CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL);", DAMAGE),
    ("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;", DAMAGE),
    ("CREATE TABLE item (id ANY NOT NULL, name ANY, PRIMARY KEY (id)) STRICT, WITHOUT ROWID;", DAMAGE),
    ("CREATE TABLE item (id INTEGER PRIMARY KEY DESC, name TEXT NOT NULL);", DAMAGE),
    (
        "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL, up TEXT GENERATED ALWAYS AS (upper(name)) VIRTUAL UNIQUE);",
        EXCHANGE_NAMES,
    ),
    (
        "CREATE TABLE item (id INTEGER PRIMARY KEY ON CONFLICT IGNORE, name TEXT NOT NULL UNIQUE ON CONFLICT IGNORE);",
        EXCHANGE_NAMES,
    ),
    (
        "CREATE TABLE item (id INTEGER PRIMARY KEY ON CONFLICT REPLACE, name TEXT NOT NULL UNIQUE ON CONFLICT REPLACE);",
        EXCHANGE_NAMES,
    ),
    (
        "CREATE TABLE item (id INTEGER PRIMARY KEY ON CONFLICT ROLLBACK, name TEXT NOT NULL UNIQUE ON CONFLICT ROLLBACK);",
        EXCHANGE_NAMES,
    ),
    ("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL ON CONFLICT REPLACE DEFAULT 'd');", DAMAGE),
    ("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT); CREATE UNIQUE INDEX u ON item (lower(name));", EXCHANGE_NAMES),
    ("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT); CREATE UNIQUE INDEX u ON item (name) WHERE id < 3;", EXCHANGE_NAMES),
    (
        "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT);
         CREATE TRIGGER i BEFORE INSERT ON item BEGIN SELECT RAISE(IGNORE) WHERE NEW.name = 'b' AND (SELECT count(*) FROM item) > 1; END;
         CREATE TRIGGER u BEFORE UPDATE ON item WHEN NEW.name <> 'x' BEGIN SELECT RAISE(ABORT, 'no'); END;",
        DAMAGE,
    ),
    (
        "CREATE TABLE gone (x); CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT);
         CREATE TRIGGER i AFTER INSERT ON item WHEN NEW.id > 99 BEGIN INSERT INTO gone VALUES (NEW.id); END; CREATE VIEW v AS SELECT * FROM gone;",
        DAMAGE,
    ),
    ("CREATE TABLE item (id INTEGER PRIMARY KEY REFERENCES nowhere (id), name TEXT);", DAMAGE),
    ("PRAGMA journal_mode = WAL; CREATE TABLE ITEM (ID INTEGER PRIMARY KEY AUTOINCREMENT, NAME TEXT);", DAMAGE),
];

fn run(path: &Path, sql: &str) {
    let connection = Connection::open(path).expect("a database");
    connection.execute_batch(&format!("PRAGMA foreign_keys = OFF; {sql}")).expect(sql);
}

fn rows(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).expect("a database");
    let sql = "SELECT typeof(id) || quote(id) || typeof(name) || hex(name) FROM item ORDER BY id";
    let mut statement = connection.prepare(sql).expect("a statement");
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).expect("rows");
    rows.map(|row| row.expect("a row")).collect()
}

async fn koan_of(path: PathBuf) -> Koan {
    let builder = Koan::builder().only_registered().provider(Sqlite::open(path).expect("opened"));
    builder.register::<Item>().storage(Storage::memory()).build().await.expect("a context")
}

#[tokio::test]
async fn tables_of_every_form_are_restored_and_a_second_restore_changes_nothing() {
    for (table, damage) in TABLES {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("shop.db");
        run(&path, table);
        run(&path, ROWS);
        let koan = koan_of(path.clone()).await;
        let _ = koan.backup("nightly").await.expect(table);
        let rows_before = rows(&path);
        for is_replacement in [false, true] {
            for level in [RestoreLevel::Fast, RestoreLevel::Safe] {
                run(&path, damage);
                let restore = || match is_replacement {
                    true => koan.restore("nightly").replace_existing().level(level),
                    false => koan.restore("nightly").level(level),
                };
                let dry_counts = restore().dry_run().await.expect(table).counts();
                assert_eq!(restore().await.expect(table).counts(), dry_counts, "{table}");
                assert_eq!(rows(&path), rows_before, "{table}");
                assert_eq!(restore().dry_run().await.expect(table).counts().unchanged, 3, "{table}");
            }
        }
    }
}

#[tokio::test]
async fn texts_with_nul_and_byte_order_marks_and_the_largest_keys_are_restored() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("shop.db");
    run(
        &path,
        "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT);
         INSERT INTO item VALUES (-9223372036854775808, 'a' || char(0) || 'b'), (9223372036854775807, char(0)), (0, char(65279) || 'bom'),
             (1, ''), (2, 'e' || char(769)), (3, char(233)), (4, x'616263')",
    );
    let koan = koan_of(path.clone()).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    let rows_before = rows(&path);
    run(&path, "UPDATE item SET name = 'x' WHERE id > 0; DELETE FROM item WHERE id <= 0");
    let _ = koan.restore("nightly").await.expect("restored");
    assert_eq!(rows(&path), rows_before);
}

#[tokio::test]
async fn a_value_that_is_not_text_fails_the_backup_with_record_and_column_in_the_error() {
    for value in ["x'ff00'", "CAST(x'ff41' AS TEXT)"] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("shop.db");
        run(
            &path,
            &format!(
                "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT); {ROWS} INSERT INTO item VALUES (4, {value})"
            ),
        );
        let error = koan_of(path).await.backup("nightly").await.expect_err(value).chain();
        assert!(
            error.contains("`id=4`") && error.contains("`name`") && error.contains("not UTF-8"),
            "{error}"
        );
    }
}
