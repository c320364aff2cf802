//! Tests that a dry run reports the errors of a restore with the record that causes them, and that it does
//! not change the database.

use koan_backup_core::{
    ConflictMode, Error, ErrorKind, RestoreLevel, SetName,
    provider::{Provider as _, RestoreSession, SessionOptions, WriteCounts},
};
use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, ErrorCode};
use serde::{Deserialize, Serialize};

use super::super::connection::ORIGIN;
use super::fixture::{
    Database, EntityBackup, conflict, create_missing_tables, dry_run, overwrite, records, replace, target,
    without_physical_form,
};
use crate::Sqlite;
use koan_backup::Entity;

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestItem", table = "item")]
struct Item {
    id: i64,
    code: Option<String>,
    amount: Option<i64>,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestPart", table = "part")]
struct Part {
    id: i64,
    item: i64,
}

const ONE: &str = r#"{"id":1,"code":"a","amount":1}"#;
const TWO: &str = r#"{"id":2,"code":"b","amount":2}"#;
const SAME: &str = r#"{"id":3,"code":"a","amount":3}"#;
const LARGE: &str = r#"{"id":4,"code":"d","amount":40}"#;
const EMPTY: &str = r#"{"id":5,"code":null,"amount":null}"#;

/// Asserts that a restore and its dry run fail at every level, with errors that contain all `expected` texts.
async fn assert_refused(sql: &str, lines: &[&str], options: SessionOptions, expected: &[&str]) {
    for level in [RestoreLevel::Fast, RestoreLevel::Balanced, RestoreLevel::Safe] {
        let mut options = options.clone();
        options.level = level;
        let database = Database::new(sql);
        let before = database.dump("item");
        for options in [dry_run(options.clone()), options] {
            let result = database.restore::<Item>(&without_physical_form(lines), &options).await;
            let error = result.expect_err(sql).chain();
            assert!(expected.iter().all(|text| error.contains(text)), "{sql}, {options:?}: {error}");
            assert_eq!(database.dump("item"), before);
        }
    }
}

#[tokio::test]
async fn a_constraint_violation_names_the_record() {
    let columns = |columns: &str| format!("CREATE TABLE item (id INTEGER PRIMARY KEY, {columns})");
    let with_index = |sql: &str, index: &str| format!("{sql}; {index}");
    let plain = columns("code TEXT, amount INT");
    for (sql, lines, expected) in [
        (columns("code TEXT NOT NULL, amount INT"), [ONE, EMPTY], ["id=5", "item.code"]),
        (columns("code TEXT, amount INT CHECK (amount < 10)"), [ONE, LARGE], ["id=4", "amount < 10"]),
        (
            columns("code TEXT, amount INT, CONSTRAINT small CHECK (amount < 10)"),
            [TWO, LARGE],
            ["id=4", "small"],
        ),
        (columns("code TEXT UNIQUE, amount INT"), [ONE, SAME], ["id=1", "id=3"]),
        (
            with_index(&plain, "CREATE UNIQUE INDEX of_code ON item (code COLLATE NOCASE)"),
            [ONE, SAME],
            ["id=1", "id=3"],
        ),
        (
            with_index(&plain, "CREATE UNIQUE INDEX of_code ON item (code) WHERE amount > 0"),
            [ONE, SAME],
            ["id=3", "item.code"],
        ),
        (
            with_index(&plain, "CREATE UNIQUE INDEX of_code ON item (upper(code))"),
            [ONE, SAME],
            ["id=3", "of_code"],
        ),
        (
            columns("code TEXT, amount INT, twice INT AS (amount * 2) STORED CHECK (twice < 20)"),
            [ONE, LARGE],
            ["id=4", "twice"],
        ),
        (columns("code TEXT, amount INT, needed TEXT NOT NULL"), [ONE, TWO], ["id=1", "needed"]),
        (columns("code INT, amount INT) STRICT --"), [ONE, TWO], ["id=1", "code"]),
        (
            "CREATE TABLE item (id INT PRIMARY KEY, code TEXT UNIQUE, amount INT) WITHOUT ROWID".to_owned(),
            [ONE, SAME],
            ["id=3", "code"],
        ),
    ] {
        for options in [overwrite(), replace(), conflict(ConflictMode::Keep)] {
            assert_refused(&sql, &lines, options, &expected).await;
        }
    }
}

#[tokio::test]
async fn constraints_apply_to_existing_and_restored_rows_together() {
    let table = "CREATE TABLE item (id INTEGER PRIMARY KEY, code TEXT UNIQUE, amount INT, most INT, CHECK \
                 (amount < most))";
    let rows = |rows: &str| format!("{table}; INSERT INTO item VALUES {rows}");
    let expected = ["id=1", "id=7", "code"];
    for options in [overwrite(), conflict(ConflictMode::Keep), conflict(ConflictMode::Fail)] {
        assert_refused(&rows("(7, 'a', 7, 8)"), &[ONE, TWO], options, &expected).await;
    }
    assert_refused(&rows("(4, 'x', 1, 8)"), &[LARGE], overwrite(), &["id=4", "CHECK"]).await;
    // Rows that the same restore replaces, keeps or changes do not conflict.
    let exchanged = rows("(1, 'b', 1, NULL), (2, 'a', 2, 9)");
    for (sql, options) in [
        (rows("(7, 'a', 7, 8)"), replace()),
        (exchanged.clone(), overwrite()),
        (exchanged, conflict(ConflictMode::Keep)),
        // A row that already violates the constraint remains.
        (format!("PRAGMA ignore_check_constraints = ON; {}", rows("(7, 'x', 9, 8)")), overwrite()),
    ] {
        let database = Database::new(&sql);
        let counts =
            database.restore::<Item>(&without_physical_form(&[ONE, TWO]), &options).await.expect(&sql);
        assert_eq!(counts.records(), 2);
    }
}

#[tokio::test]
async fn references_that_would_become_dangling_are_found() {
    let tables = "CREATE TABLE item (id INTEGER PRIMARY KEY, code TEXT, amount INT); CREATE TABLE part (id \
                  INTEGER PRIMARY KEY, item INT REFERENCES item(id)); INSERT INTO item VALUES (1, 'a', 1), \
                  (7, 'x', 7); INSERT INTO part VALUES (1, 7), (2, 70)";
    let database = Database::new(tables);
    // The reference of part 2 is already dangling.
    assert_refused(tables, &[ONE], replace(), &["`part`", "`item`", "1 rows"]).await;
    let part = without_physical_form(&[r#"{"id":3,"item":8}"#]);
    for options in [dry_run(overwrite()), overwrite(), dry_run(replace()), replace()] {
        let error = database.restore::<Part>(&part, &options).await.expect_err("no such item").chain();
        assert!(error.contains("`part`") && error.contains("id=3"), "{error}");
    }
    // In the next session, a second target inserts the item of the part.
    let mut session = database.provider.begin_restore(&dry_run(overwrite())).await.expect("a session");
    let item = without_physical_form(&[r#"{"id":8,"code":"new","amount":1}"#]);
    write::<Part>(session.as_mut(), &part).await.expect("compared");
    write::<Item>(session.as_mut(), &item).await.expect("compared");
    session.check_constraints().await.expect("no reference is dangling");
    session.rollback().await.expect("rolled back");
    assert_eq!(database.dump("part").len(), 2);
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestPlace", table = "place")]
struct Place {
    id: i64,
}

/// Writes one target of a session.
async fn write<T: Entity>(
    session: &mut dyn RestoreSession,
    backup: &EntityBackup,
) -> Result<WriteCounts, Error> {
    let mut writer = session.begin(target::<T>(backup, SetName::root())).await?;
    writer.write(records::<T>(backup).into()).await?;
    writer.finish().await
}

/// Restores items and places in one session, or performs a dry run of it.
async fn restore_both(
    database: &Database,
    items: &[&str],
    places: &[&str],
    options: &SessionOptions,
) -> Result<(), Error> {
    let (items, places) = (without_physical_form(items), without_physical_form(places));
    let mut session = database.provider.begin_restore(options).await?;
    write::<Item>(session.as_mut(), &items).await?;
    write::<Place>(session.as_mut(), &places).await?;
    session.check_constraints().await?;
    session.rollback().await
}

#[tokio::test]
async fn a_child_of_several_parents_is_checked_against_each_of_them() {
    let parents = "CREATE TABLE item (id INTEGER PRIMARY KEY, code TEXT, amount INT); CREATE TABLE place (id \
                   INTEGER PRIMARY KEY); INSERT INTO item VALUES (1, 'a', 1); INSERT INTO place VALUES (1), \
                   (2)";
    for child in [
        "CREATE TABLE c (id INTEGER PRIMARY KEY, item INT REFERENCES item, place INT REFERENCES place); \
         INSERT INTO c VALUES (1, 1, 2)",
        "CREATE TABLE c (item INT REFERENCES item, place INT REFERENCES place); INSERT INTO c VALUES (1, 2)",
        "CREATE TABLE c (item INT REFERENCES ITEM, place INT REFERENCES PLACE, PRIMARY KEY (item, place)) \
         WITHOUT ROWID; INSERT INTO c VALUES (1, 2)",
    ] {
        let database = Database::new(&format!("{parents}; {child}"));
        for options in [dry_run(replace()), replace()] {
            let result = restore_both(&database, &[ONE], &[r#"{"id":1}"#], &options).await;
            let error = result.expect_err(child).chain();
            assert!(
                error.contains("1 rows of table `c`") && error.to_lowercase().contains("`place`"),
                "{error}"
            );
            restore_both(&database, &[ONE], &[r#"{"id":2}"#], &options).await.expect(child);
        }
    }
    // The rows of a parent table that is not a target count as well, and references that were dangling before
    // may remain.
    let database = Database::new(&format!(
        "{parents}; CREATE TABLE other (id INTEGER PRIMARY KEY); INSERT INTO other VALUES (5); CREATE TABLE \
         c (item INT REFERENCES item, place INT REFERENCES place, other INT REFERENCES other); INSERT INTO c \
         VALUES (1, 1, 5), (1, 70, 50)"
    ));
    for options in [dry_run(replace()), replace()] {
        restore_both(&database, &[ONE], &[r#"{"id":1}"#], &options).await.expect("no new dangling reference");
    }
}

#[tokio::test]
async fn constraints_of_tables_that_are_not_written_are_ignored() {
    let item = "CREATE TABLE item (id INTEGER PRIMARY KEY, code TEXT UNIQUE, amount INT)";
    let database_with_functions = |sql: &str, rows: &str| {
        let database = Database::new(item);
        let functions = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
        database.sql.create_scalar_function("regexp", 2, functions, |_| Ok(true)).expect("a function");
        database.sql.create_collation("ODD", |one, other| other.cmp(one)).expect("a collation");
        database.run(sql);
        database.run("INSERT INTO item VALUES (1, 'a', 1), (7, 'x', 7)");
        database.run(rows);
        database
    };
    let row = "INSERT INTO part (id, item, email) VALUES (1, 7, 'a@b'), (2, 70, 'c')";
    for sql in [
        "CREATE TABLE part (id INTEGER PRIMARY KEY, item INT REFERENCES item, email TEXT CHECK (email REGEXP \
         '.@.'))",
        "CREATE TABLE part (id INT PRIMARY KEY, item INT REFERENCES item (id), email TEXT COLLATE odd \
         UNIQUE)",
        "CREATE TABLE part (id INT PRIMARY KEY, item INT REFERENCES item (id), email TEXT, matched INT AS \
         (regexp('x', email)) STORED)",
        "CREATE TABLE part (id INT PRIMARY KEY, item INT REFERENCES item (id), email TEXT); CREATE UNIQUE \
         INDEX part_email ON part (regexp('x', email), email COLLATE odd, id)",
        "CREATE TABLE part (id INT, email, item INT, FOREIGN KEY (item) REFERENCES ITEM ON DELETE CASCADE)",
    ] {
        let database = database_with_functions(sql, row);
        // A new dangling reference is reported, and a reference that was dangling before is ignored.
        for options in [dry_run(replace()), replace()] {
            let result = database.restore::<Item>(&without_physical_form(&[ONE]), &options).await;
            let error = result.expect_err(sql).chain();
            assert!(error.contains("1 rows of table `part`"), "{sql}: {error}");
        }
        let seven = r#"{"id":7,"code":"new","amount":1}"#;
        database.restore::<Item>(&without_physical_form(&[seven]), &replace()).await.expect(sql);
        database.restore::<Item>(&without_physical_form(&[ONE]), &overwrite()).await.expect(sql);
    }
    let parent = "CREATE TABLE place (code TEXT, email TEXT CHECK (email REGEXP '.@.'), id INT, UNIQUE (id), \
                  PRIMARY KEY (code COLLATE odd)); CREATE TABLE part (id INTEGER PRIMARY KEY, item INT \
                  REFERENCES place (id))";
    let database = database_with_functions(parent, "INSERT INTO place VALUES ('a', 'a@b', 5)");
    database
        .restore::<Part>(&without_physical_form(&[r#"{"id":1,"item":5}"#]), &replace())
        .await
        .expect("the parent exists");
    let result =
        database.restore::<Part>(&without_physical_form(&[r#"{"id":1,"item":6}"#]), &replace()).await;
    assert!(result.expect_err("no such place").chain().contains("`place`"));
}

#[tokio::test]
async fn the_constraints_of_a_table_that_would_be_created_are_checked() {
    let database = Database::new("CREATE TABLE other (id)");
    for options in [dry_run(create_missing_tables()), create_missing_tables()] {
        let error = database
            .restore::<Item>(&without_physical_form(&[ONE, TWO, ONE]), &options)
            .await
            .expect_err("a duplicate key");
        assert!(error.chain().contains("id=1"), "{error:?}");
    }
    database
        .restore::<Item>(&without_physical_form(&[ONE, TWO]), &create_missing_tables())
        .await
        .expect("restored");
}

/// Waits until no connection of this process has the file open. The thread of a session closes its connection
/// after the session was dropped.
fn wait_until_closed(path: &std::path::Path) {
    let is_open = || {
        let Ok(mut files) = std::fs::read_dir("/proc/self/fd") else { return false };
        files
            .any(|file| file.is_ok_and(|file| std::fs::read_link(file.path()).is_ok_and(|open| open == path)))
    };
    while is_open() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

#[tokio::test]
async fn a_dry_run_neither_writes_nor_locks() {
    for setting in ["journal_mode = WAL", "journal_mode = DELETE", "encoding = 'UTF-16le'"] {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("what? 100% #1 \u{fc}.db");
        let sql = Connection::open(&path).expect("a database");
        sql.execute_batch(&format!(
            "PRAGMA {setting}; CREATE TABLE item (id INTEGER PRIMARY KEY AUTOINCREMENT, code TEXT UNIQUE, \
             amount INT, both TEXT AS (code || amount), CHECK (\"amount\" < 50)); INSERT INTO item VALUES \
             (1, 'x', 7), (9, 'y', 9)"
        ))
        .expect("tables");
        let database = Database::at(&path, Sqlite::open(&path).expect("opened"));
        let before = std::fs::read(&path).expect("a file");
        // The connection on which a dry run writes records can read the original database but cannot write
        // it.
        let location = &database.provider.location;
        let reader = location.open_read_only().expect("a connection");
        let dry_run_connection = location.open_dry_run(&reader).expect("a connection");
        for (connection, name) in [(&dry_run_connection, ORIGIN), (&reader, "main")] {
            let written = connection.execute(&format!("DELETE FROM {name}.item"), []).expect_err(setting);
            assert_eq!(written.sqlite_error_code(), Some(ErrorCode::ReadOnly), "{setting}: {written}");
        }
        drop((dry_run_connection, reader));
        let mut session = database.provider.begin_restore(&dry_run(overwrite())).await.expect("a session");
        let items = without_physical_form(&[ONE, LARGE]);
        let mut writer = session.begin(target::<Item>(&items, SetName::root())).await.expect("a writer");
        writer.write(records::<Item>(&items).into()).await.expect("compared");
        assert_eq!(std::fs::read(&path).expect("a file"), before, "{setting}");
        // The application can write. With a rollback journal, its commit waits for readers.
        let write = "BEGIN IMMEDIATE; INSERT INTO item (code) VALUES ('z')";
        sql.execute_batch(write).expect("not locked");
        if setting.ends_with("WAL") {
            sql.execute_batch("COMMIT").expect("not locked");
        }
        let counts = writer.finish().await.expect("compared");
        assert_eq!((counts.inserted, counts.updated), (1, 1), "{setting}");
        session.check_constraints().await.expect("no references");
        session.rollback().await.expect("rolled back");
        let session = database.provider.begin_restore(&dry_run(overwrite())).await.expect("a session");
        let kind = session.commit().await.expect_err("a dry run has nothing to commit").kind();
        assert_eq!(kind, ErrorKind::Internal);
    }
    // The last connection that may write to a database moves the content of its write-ahead log into it. A
    // dry run must not do so.
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log.db");
    let sql = Connection::open(&path).expect("a database");
    let item = "CREATE TABLE item (id INTEGER PRIMARY KEY, code TEXT, amount INT)";
    sql.execute_batch(&format!("PRAGMA journal_mode = WAL; {item}")).expect("a table");
    let provider = Sqlite::open(&path).expect("opened");
    sql.execute_batch("INSERT INTO item VALUES (1, 'x', 7)").expect("a row");
    sql.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).expect("a setting");
    drop(sql);
    let log = directory.path().join("log.db-wal");
    let files = || [&path, &log].map(|path| std::fs::read(path).ok());
    let before = files();
    assert!(
        before.iter().flatten().filter(|bytes| !bytes.is_empty()).count() == 2,
        "the database or its write-ahead log is missing or empty"
    );
    let mut session = provider.begin_restore(&dry_run(overwrite())).await.expect("a session");
    let items = without_physical_form(&[ONE, TWO]);
    let counts = write::<Item>(session.as_mut(), &items).await.expect("compared");
    assert_eq!((counts.inserted, counts.updated), (1, 1));
    session.rollback().await.expect("rolled back");
    wait_until_closed(&path);
    assert!(files() == before, "the dry run changed the database or its write-ahead log");
}
