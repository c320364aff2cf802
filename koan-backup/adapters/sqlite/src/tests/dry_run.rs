//! A dry run finds what a restore would be refused for, by the record, and leaves the database alone.

use koan_backup_core::{
    ConflictMode, Error, ErrorKind, RestoreLevel, SetName,
    provider::{Provider as _, RestoreSession, SessionOptions, WriteCounts},
};
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use serde::{Deserialize, Serialize};

use super::fixture::{Copy, Database, conflict, creating, dry, foreign, overwrite, records, replace, target};
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

/// Restores and dry runs are refused alike, by the names that are expected, whatever the level.
async fn assert_refused(sql: &str, lines: &[&str], options: SessionOptions, named: &[&str]) {
    for level in [RestoreLevel::Fast, RestoreLevel::Balanced, RestoreLevel::Safe] {
        let mut options = options.clone();
        options.level = level;
        let database = Database::new(sql);
        let before = database.dump("item");
        for options in [dry(options.clone()), options] {
            let ended = database.restore::<Item>(&foreign(lines), &options).await;
            let error = ended.expect_err(sql).chain();
            assert!(named.iter().all(|name| error.contains(name)), "{sql}, {options:?}: {error}");
            assert_eq!(database.dump("item"), before);
        }
    }
}

#[tokio::test]
async fn what_a_constraint_refuses_is_found_by_the_record() {
    let columns = |columns: &str| format!("CREATE TABLE item (id INTEGER PRIMARY KEY, {columns})");
    let with = |sql: &str, more: &str| format!("{sql}; {more}");
    let plain = columns("code TEXT, amount INT");
    for (sql, lines, named) in [
        (columns("code TEXT NOT NULL, amount INT"), [ONE, EMPTY], ["id=5", "item.code"]),
        (columns("code TEXT, amount INT CHECK (amount < 10)"), [ONE, LARGE], ["id=4", "amount < 10"]),
        (
            columns("code TEXT, amount INT, CONSTRAINT small CHECK (amount < 10)"),
            [TWO, LARGE],
            ["id=4", "small"],
        ),
        (columns("code TEXT UNIQUE, amount INT"), [ONE, SAME], ["id=1", "id=3"]),
        (
            with(&plain, "CREATE UNIQUE INDEX of_code ON item (code COLLATE NOCASE)"),
            [ONE, SAME],
            ["id=1", "id=3"],
        ),
        (
            with(&plain, "CREATE UNIQUE INDEX of_code ON item (code) WHERE amount > 0"),
            [ONE, SAME],
            ["id=3", "item.code"],
        ),
        (with(&plain, "CREATE UNIQUE INDEX of_code ON item (upper(code))"), [ONE, SAME], ["id=3", "of_code"]),
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
            assert_refused(&sql, &lines, options, &named).await;
        }
    }
}

#[tokio::test]
async fn rows_that_stay_are_part_of_what_a_constraint_sees() {
    let table = "CREATE TABLE item (id INTEGER PRIMARY KEY, code TEXT UNIQUE, amount INT, most INT, CHECK (amount < most))";
    let rows = |rows: &str| format!("{table}; INSERT INTO item VALUES {rows}");
    let named = ["id=1", "id=7", "code"];
    for options in [overwrite(), conflict(ConflictMode::Keep), conflict(ConflictMode::Fail)] {
        assert_refused(&rows("(7, 'a', 7, 8)"), &[ONE, TWO], options, &named).await;
    }
    assert_refused(&rows("(4, 'x', 1, 8)"), &[LARGE], overwrite(), &["id=4", "CHECK"]).await;
    // What is replaced, kept or changed in the same restore is in nobody's way.
    let passed_on = rows("(1, 'b', 1, NULL), (2, 'a', 2, 9)");
    for (sql, options) in [
        (rows("(7, 'a', 7, 8)"), replace()),
        (passed_on.clone(), overwrite()),
        (passed_on, conflict(ConflictMode::Keep)),
        // A row that is older than its constraint stays.
        (format!("PRAGMA ignore_check_constraints = ON; {}", rows("(7, 'x', 9, 8)")), overwrite()),
    ] {
        let database = Database::new(&sql);
        let counts = database.restore::<Item>(&foreign(&[ONE, TWO]), &options).await.expect(&sql);
        assert_eq!(counts.records(), 2);
    }
}

#[tokio::test]
async fn references_that_would_point_nowhere_are_found() {
    let tables = "CREATE TABLE item (id INTEGER PRIMARY KEY, code TEXT, amount INT); \
        CREATE TABLE part (id INTEGER PRIMARY KEY, item INT REFERENCES item(id)); \
        INSERT INTO item VALUES (1, 'a', 1), (7, 'x', 7); INSERT INTO part VALUES (1, 7), (2, 70)";
    let database = Database::new(tables);
    // Part 2 points nowhere already.
    assert_refused(tables, &[ONE], replace(), &["`part`", "`item`", "1 rows"]).await;
    let part = foreign(&[r#"{"id":3,"item":8}"#]);
    for options in [dry(overwrite()), overwrite(), dry(replace()), replace()] {
        let error = database.restore::<Part>(&part, &options).await.expect_err("no such item").chain();
        assert!(error.contains("`part`") && error.contains("id=3"), "{error}");
    }
    // The item comes with the same restore.
    let mut session = database.provider.begin_restore(&dry(overwrite())).await.expect("a session");
    let item = foreign(&[r#"{"id":8,"code":"new","amount":1}"#]);
    write::<Part>(session.as_mut(), &part).await.expect("compared");
    write::<Item>(session.as_mut(), &item).await.expect("compared");
    session.check_constraints().await.expect("each reference has its row");
    session.rollback().await.expect("over");
    assert_eq!(database.dump("part").len(), 2);
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestPlace", table = "place")]
struct Place {
    id: i64,
}

/// Writes one target of a session.
async fn write<T: Entity>(session: &mut dyn RestoreSession, copy: &Copy) -> Result<WriteCounts, Error> {
    let mut writer = session.begin(target::<T>(copy, SetName::root())).await?;
    writer.write(records::<T>(copy).into()).await?;
    writer.finish().await
}

/// Restores items and places in one session, or does a dry run of that.
async fn restore_both(
    database: &Database,
    items: &[&str],
    places: &[&str],
    options: &SessionOptions,
) -> Result<(), Error> {
    let (items, places) = (foreign(items), foreign(places));
    let mut session = database.provider.begin_restore(options).await?;
    write::<Item>(session.as_mut(), &items).await?;
    write::<Place>(session.as_mut(), &places).await?;
    session.check_constraints().await?;
    session.rollback().await
}

#[tokio::test]
async fn a_child_of_several_parents_is_checked_against_each_of_them() {
    let parents = "CREATE TABLE item (id INTEGER PRIMARY KEY, code TEXT, amount INT); CREATE TABLE place (id INTEGER PRIMARY KEY); \
        INSERT INTO item VALUES (1, 'a', 1); INSERT INTO place VALUES (1), (2)";
    for child in [
        "CREATE TABLE c (id INTEGER PRIMARY KEY, item INT REFERENCES item, place INT REFERENCES place); INSERT INTO c VALUES (1, 1, 2)",
        "CREATE TABLE c (item INT REFERENCES item, place INT REFERENCES place); INSERT INTO c VALUES (1, 2)",
        "CREATE TABLE c (item INT REFERENCES ITEM, place INT REFERENCES PLACE, PRIMARY KEY (item, place)) WITHOUT ROWID; \
         INSERT INTO c VALUES (1, 2)",
    ] {
        let database = Database::new(&format!("{parents}; {child}"));
        for options in [dry(replace()), replace()] {
            let ended = restore_both(&database, &[ONE], &[r#"{"id":1}"#], &options).await;
            let error = ended.expect_err(child).chain();
            assert!(
                error.contains("1 rows of table `c`") && error.to_lowercase().contains("`place`"),
                "{error}"
            );
            restore_both(&database, &[ONE], &[r#"{"id":2}"#], &options).await.expect(child);
        }
    }
    // Another parent that no target writes is complete as well, and what pointed nowhere before may stay so.
    let database = Database::new(&format!(
        "{parents}; CREATE TABLE other (id INTEGER PRIMARY KEY); INSERT INTO other VALUES (5); \
         CREATE TABLE c (item INT REFERENCES item, place INT REFERENCES place, other INT REFERENCES other); \
         INSERT INTO c VALUES (1, 1, 5), (1, 70, 50)"
    ));
    for options in [dry(replace()), replace()] {
        restore_both(&database, &[ONE], &[r#"{"id":1}"#], &options).await.expect("as before");
    }
}

#[tokio::test]
async fn constraints_of_tables_that_are_not_written_do_not_matter() {
    let item = "CREATE TABLE item (id INTEGER PRIMARY KEY, code TEXT UNIQUE, amount INT)";
    let odd = |sql: &str, rows: &str| {
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
        "CREATE TABLE part (id INTEGER PRIMARY KEY, item INT REFERENCES item, email TEXT CHECK (email REGEXP '.@.'))",
        "CREATE TABLE part (id INT PRIMARY KEY, item INT REFERENCES item (id), email TEXT COLLATE odd UNIQUE)",
        "CREATE TABLE part (id INT PRIMARY KEY, item INT REFERENCES item (id), email TEXT, \
         matched INT AS (regexp('x', email)) STORED)",
        "CREATE TABLE part (id INT PRIMARY KEY, item INT REFERENCES item (id), email TEXT); \
         CREATE UNIQUE INDEX part_email ON part (regexp('x', email), email COLLATE odd, id)",
        "CREATE TABLE part (id INT, email, item INT, FOREIGN KEY (item) REFERENCES ITEM ON DELETE CASCADE)",
    ] {
        let database = odd(sql, row);
        // A reference that would break is found all the same, and one that is broken already is left alone.
        for options in [dry(replace()), replace()] {
            let ended = database.restore::<Item>(&foreign(&[ONE]), &options).await;
            let error = ended.expect_err(sql).chain();
            assert!(error.contains("1 rows of table `part`"), "{sql}: {error}");
        }
        let seven = r#"{"id":7,"code":"new","amount":1}"#;
        database.restore::<Item>(&foreign(&[seven]), &replace()).await.expect(sql);
        database.restore::<Item>(&foreign(&[ONE]), &overwrite()).await.expect(sql);
    }
    let parent = "CREATE TABLE place (code TEXT, email TEXT CHECK (email REGEXP '.@.'), id INT, UNIQUE (id), \
        PRIMARY KEY (code COLLATE odd)); \
        CREATE TABLE part (id INTEGER PRIMARY KEY, item INT REFERENCES place (id))";
    let database = odd(parent, "INSERT INTO place VALUES ('a', 'a@b', 5)");
    database
        .restore::<Part>(&foreign(&[r#"{"id":1,"item":5}"#]), &replace())
        .await
        .expect("it has its parent");
    let lost = database.restore::<Part>(&foreign(&[r#"{"id":1,"item":6}"#]), &replace()).await;
    assert!(lost.expect_err("no such place").chain().contains("`place`"));
}

#[tokio::test]
async fn a_table_that_would_be_made_has_its_constraints_too() {
    let database = Database::new("CREATE TABLE other (id)");
    for options in [dry(creating()), creating()] {
        let error = database.restore::<Item>(&foreign(&[ONE, TWO, ONE]), &options).await.expect_err("twice");
        assert!(error.chain().contains("id=1"), "{error:?}");
    }
    database.restore::<Item>(&foreign(&[ONE, TWO]), &creating()).await.expect("made");
}

#[tokio::test]
async fn a_dry_run_neither_writes_nor_locks() {
    for setting in ["journal_mode = WAL", "journal_mode = DELETE", "encoding = 'UTF-16le'"] {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("what? 100% #1 \u{fc}.db");
        let sql = Connection::open(&path).expect("a database");
        sql.execute_batch(&format!(
            "PRAGMA {setting}; CREATE TABLE item (id INTEGER PRIMARY KEY AUTOINCREMENT, code TEXT UNIQUE, amount INT, \
             both TEXT AS (code || amount), CHECK (\"amount\" < 50)); INSERT INTO item VALUES (1, 'x', 7), (9, 'y', 9)"
        ))
        .expect("tables");
        let database = Database::at(&path, Sqlite::open(&path).expect("opened"));
        let before = std::fs::read(&path).expect("a file");
        let mut session = database.provider.begin_restore(&dry(overwrite())).await.expect("a session");
        let items = foreign(&[ONE, LARGE]);
        let mut writer = session.begin(target::<Item>(&items, SetName::root())).await.expect("a writer");
        writer.write(records::<Item>(&items).into()).await.expect("compared");
        assert_eq!(std::fs::read(&path).expect("a file"), before, "{setting}");
        // The application goes on; without a log, it waits for readers with its commit alone.
        let write = "BEGIN IMMEDIATE; INSERT INTO item (code) VALUES ('z')";
        sql.execute_batch(write).expect("not locked");
        if setting.ends_with("WAL") {
            sql.execute_batch("COMMIT").expect("not locked");
        }
        let counts = writer.finish().await.expect("compared");
        assert_eq!((counts.inserted, counts.updated), (1, 1), "{setting}");
        session.check_constraints().await.expect("no references");
        session.rollback().await.expect("over");
        let session = database.provider.begin_restore(&dry(overwrite())).await.expect("a session");
        let kind = session.commit().await.expect_err("a dry run has nothing to commit").kind();
        assert_eq!(kind, ErrorKind::Internal);
    }
}
