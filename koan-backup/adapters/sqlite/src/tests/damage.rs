//! Tests with indexes whose entries do not match the rows of their table.

use koan_backup_core::{
    SetName,
    provider::{Provider as _, Severity},
};
use serde::{Deserialize, Serialize};

use super::fixture::{Database, EntityBackup, codec, dry_run, overwrite, replace, without_physical_form};
use koan_backup::Entity;

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestRow", table = "t")]
struct Row {
    #[entity(key)]
    k: String,
    n: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestNumbered", table = "t")]
struct Numbered {
    id: i64,
    k: String,
}

/// Creates a database in which an index of table `t` and an index of table `u` have exchanged their pages.
///
/// The two tables have the same columns, so the index of `t` then has entries for the rows of `u`.
fn database_with_swapped_index(sql: &str, rows: &str, index: &str, other_index: &str) -> Database {
    let database = Database::new(sql);
    database.run(rows);
    let root = |name: &str| {
        let query = format!("SELECT rootpage FROM sqlite_schema WHERE name = '{name}'");
        database.value::<i64>(&query)
    };
    let (root_page, other_root_page) = (root(index), root(other_index));
    database.run(&format!(
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = {other_root_page} WHERE name = \
         '{index}'; UPDATE sqlite_schema SET rootpage = {root_page} WHERE name = '{other_index}'; PRAGMA \
         writable_schema = RESET"
    ));
    database.reopened()
}

const NUMBERS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)";

/// Creates a table of 1000 rows whose key index has entries only for the rows that satisfy `indexed`. The
/// entries refer to the rowids that the expression `rowid` returns.
fn database_with_partial_key_index(indexed: &str, rowid: &str) -> Database {
    database_with_swapped_index(
        "CREATE TABLE t (k TEXT PRIMARY KEY, n INT); CREATE TABLE u (k TEXT PRIMARY KEY, n INT)",
        &format!(
            "INSERT INTO t {NUMBERS} SELECT 'k' || i, i FROM n; INSERT INTO u (rowid, k, n) {NUMBERS} SELECT \
             {rowid}, 'k' || i, i FROM n WHERE {indexed}"
        ),
        "sqlite_autoindex_t_1",
        "sqlite_autoindex_u_1",
    )
}

async fn backup_error<T: Entity>(database: &Database) -> String {
    database.backup::<T>().await.expect_err("rows are missing").to_string()
}

#[tokio::test]
async fn a_backup_fails_if_the_key_index_lacks_rows() {
    for indexed in ["i % 10 <> 0", "i < 2", "0"] {
        let error = backup_error::<Row>(&database_with_partial_key_index(indexed, "i")).await;
        assert!(
            error.contains("`t`") && error.contains("1000") && error.contains("REINDEX"),
            "{indexed}: {error}"
        );
    }
    database_with_partial_key_index("1", "i").backup::<Row>().await.expect("nothing is damaged");
}

#[tokio::test]
async fn a_backup_fails_if_an_index_has_other_keys_than_the_table() {
    // The index has as many entries as there are rows, but the keys of rows 1 and 2 are exchanged, and SQLite
    // reads keys from the index.
    let database = database_with_partial_key_index("1", "CASE i WHEN 1 THEN 2 WHEN 2 THEN 1 ELSE i END");
    let error = backup_error::<Row>(&database).await;
    assert!(error.contains("`t`") && error.contains("but not the same rows"), "{error}");
}

#[tokio::test]
async fn rows_are_counted_without_using_an_index() {
    let database = database_with_partial_key_index("i % 10 <> 0", "i");
    let count = database.snapshot().await.count(&codec::<Row>(), &SetName::root()).await.expect("a count");
    assert_eq!(count, 1000);
}

#[tokio::test]
async fn missing_entries_of_a_secondary_index_are_a_warning_and_extra_entries_an_error() {
    let tables = "CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT); CREATE TABLE u (id INTEGER PRIMARY KEY, k \
                  TEXT); CREATE INDEX t_k ON t (k); CREATE INDEX u_k ON u (k)";
    let rows = |t_condition: &str, u_condition: &str| {
        format!(
            "INSERT INTO t {NUMBERS} SELECT i, 'k' || i FROM n WHERE {t_condition}; INSERT INTO u {NUMBERS} SELECT \
             i, 'k' || i FROM n WHERE {u_condition}"
        )
    };
    let fewer = database_with_swapped_index(tables, &rows("1", "i < 900"), "t_k", "u_k");
    let backup: EntityBackup = fewer.backup::<Numbered>().await.expect("all rows are read");
    assert_eq!(backup.lines.len(), 1000);
    assert!(
        backup.warnings.iter().any(|warning| warning.contains("`t_k`") && warning.contains("899")),
        "{:?}",
        backup.warnings
    );
    let more = database_with_swapped_index(tables, &rows("i < 900", "1"), "t_k", "u_k");
    let error = backup_error::<Numbered>(&more).await;
    assert!(error.contains("`t_k`") && error.contains("lost rows"), "{error}");
}

#[tokio::test]
async fn a_table_without_rowids_is_compared_with_its_indexes() {
    let tables = "CREATE TABLE t (n INT PRIMARY KEY, k TEXT UNIQUE) WITHOUT ROWID; CREATE TABLE u (n INT \
                  PRIMARY KEY, k TEXT UNIQUE) WITHOUT ROWID";
    let rows = format!(
        "INSERT INTO t {NUMBERS} SELECT i, 'k' || i FROM n; INSERT INTO u {NUMBERS} SELECT i, 'k' || i FROM \
         n WHERE i < 900"
    );
    // The key of the entity is the key of an index, so rows are read through the index.
    let database = database_with_swapped_index(tables, &rows, "sqlite_autoindex_t_2", "sqlite_autoindex_u_2");
    let error = backup_error::<Row>(&database).await;
    assert!(error.contains("899") && error.contains("1000"), "{error}");
    // The table itself is read, with a warning about the index.
    #[derive(Serialize, Deserialize, Entity)]
    #[entity(name = "SqliteTestByNumber", table = "t")]
    struct ByNumber {
        #[entity(key)]
        n: i64,
        k: String,
    }
    let backup = database.backup::<ByNumber>().await.expect("all rows are read");
    assert_eq!(backup.lines.len(), 1000);
    assert_eq!(backup.warnings.len(), 1, "{:?}", backup.warnings);
}

#[tokio::test]
async fn a_partial_index_may_have_fewer_rows() {
    let database = Database::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT); CREATE UNIQUE INDEX t_k ON t (k) WHERE k > 'm'; \
         CREATE INDEX t_e ON t (lower(k)); INSERT INTO t VALUES (1, 'a'), (2, 'z')",
    );
    let backup = database.backup::<Numbered>().await.expect("the entity is backed up");
    assert!(backup.warnings.is_empty(), "{:?}", backup.warnings);
}

#[tokio::test]
async fn a_restore_is_refused_before_it_writes_if_an_index_lacks_rows() {
    let backup = without_physical_form(&[r#"{"k":"k10","n":-1}"#]);
    let database = database_with_partial_key_index("i % 10 <> 0", "i");
    for options in [overwrite(), dry_run(overwrite())] {
        let error = database.restore::<Row>(&backup, &options).await.expect_err("row k10 would not be found");
        assert!(error.to_string().contains("REINDEX"), "{error}");
    }
    let found = database.assess::<Row>(&backup, &overwrite()).await;
    assert!(found.iter().any(|finding| finding.severity == Severity::Error), "{found:?}");
    database.provider.describe(&[codec::<Row>()]).await.expect("described");
    let counts = database.restore::<Row>(&backup, &replace()).await.expect("all rows are replaced");
    assert_eq!((counts.inserted, counts.updated, counts.deleted), (0, 1, 999));
}
