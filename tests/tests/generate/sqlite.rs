//! Modules that are generated from SQLite databases.

use std::path::Path;

use koan_backup::generate::{GenerateOptions, TimeCrate, generate};
use koan_backup::prelude::*;
use rusqlite::Connection;

use super::fixture::{covered, data, require_generated, require_round_trip};
use super::generated::{chinook_sqlite, types_sqlite_chrono, types_sqlite_jiff, types_sqlite_time};

/// A schema with every declared type that the adapter distinguishes, and with values that contradict their types.
pub(super) const TYPES: &str = "
    CREATE TABLE typed (
        id INTEGER PRIMARY KEY, flag BOOLEAN NOT NULL, flag_word BOOL, small SMALLINT, big BIGINT NOT NULL,
        ratio REAL NOT NULL, wide DOUBLE PRECISION, price DECIMAL(10,2) NOT NULL, exact NUMERIC, amount MONEY,
        text TEXT NOT NULL, varchar VARCHAR(20), clob CLOB, content BLOB NOT NULL, preview BLOB, raw VARBINARY(16),
        uuid UUID, guid GUID NOT NULL, document JSON, instant TIMESTAMP WITH TIME ZONE, zulu DATETIME, local DATETIME NOT NULL,
        unix DATETIME, julian TIMESTAMP, day DATE, clock TIME, untyped, untyped_text, untyped_blob, untyped_real,
        empty_untyped, code STRING, doubled INTEGER GENERATED ALWAYS AS (big * 2) STORED,
        mixed_date DATETIME, mixed_flag BOOLEAN, mixed_number INTEGER, long_decimal DECIMAL, day_or_time DATE,
        odd_uuid UUID, odd_json JSON, millis DATETIME, latin TEXT);
    INSERT INTO typed (id, flag, flag_word, small, big, ratio, wide, price, exact, amount, text, varchar, clob, content,
        preview, raw, uuid, guid, document, instant, zulu, local, unix, julian, day, clock, untyped, untyped_text,
        untyped_blob, untyped_real, code, mixed_date, mixed_flag, mixed_number, long_decimal, day_or_time, odd_uuid,
        odd_json, millis, latin)
    VALUES (1, 1, 'true', 7, 9223372036854775807, 0.1, 1e300, 9.99, 12, 1.5, 'text', 'varchar', 'clob', x'00ff',
        NULL, x'01', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', x'a0eebc999c0b4ef8bb6d6bb9bd380a11', '{\"a\":1}',
        '2024-06-01T12:00:00+02:00', '2024-06-01T12:00:00Z', '2024-06-01 12:00:00', 1717236000, 2454832.5, '2024-02-29',
        '23:59:59', 1, 'x', x'ff', 1.5, 'A1', '2024-06-01 12:00:00', 1, 5, 0.5, '2024-06-01', 'not a uuid', 'not json',
        1717236000123, x'e9'),
    (2, 0, 'false', NULL, -1, -0.5, 2, 100, 0.25, 3, '', NULL, NULL, x'', x'ff00', x'',
        'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A12', x'00000000000000000000000000000000', '[1,2]', '2024-06-01T12:00:00Z',
        NULL, '2024-06-01 12:00:01.5', 0, NULL, NULL, '00:00', -7, 'y', NULL, 2, 12, 'yesterday', 2, 'many',
        '1234567890123456789012345678901234567890.5', '2024-06-01 10:00:00', NULL, NULL, NULL, 'x');
    CREATE TABLE strict_values (label TEXT NOT NULL, part INT NOT NULL, anything ANY, number REAL, PRIMARY KEY (part, label))
        STRICT, WITHOUT ROWID;
    INSERT INTO strict_values VALUES ('a', 1, 'text', 1), ('b', 1, 2, 2.5);
    CREATE TABLE setting (name VARCHAR PRIMARY KEY, value);
    INSERT INTO setting VALUES ('theme', 'dark'), ('size', 12);
    CREATE TABLE by_index (pair_a TEXT NOT NULL, pair_b TEXT NOT NULL, code TEXT NOT NULL UNIQUE, UNIQUE (pair_a, pair_b));
    INSERT INTO by_index VALUES ('a', 'b', 'c');
    CREATE TABLE nullable_key (name TEXT PRIMARY KEY, code TEXT NOT NULL UNIQUE);
    INSERT INTO nullable_key VALUES (NULL, 'x'), ('y', 'z');
    CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT, day DATE);
    INSERT INTO note VALUES (1, 'first', '2024-06-01');
    CREATE TABLE \"note#archive\" (day DATE, id INTEGER PRIMARY KEY, body TEXT);
    INSERT INTO \"note#archive\" VALUES ('long ago', 1, x'6f6c64');
    CREATE TABLE log (entry TEXT);
    CREATE TABLE float_key (ratio REAL PRIMARY KEY);
    CREATE VIEW notes AS SELECT * FROM note;
    CREATE VIRTUAL TABLE documents USING fts5(body);";

fn connection(path: &Path) -> Connection {
    Connection::open(path).expect("a database")
}

/// Returns every value of every table with its storage class.
pub(super) fn dump(path: &Path, ignored: &[&str]) -> Vec<String> {
    let connection = connection(path);
    let mut lines = Vec::new();
    for table in tables(&connection, ignored) {
        let table = table.replace('"', "\"\"");
        let statement = connection.prepare(&format!("SELECT * FROM \"{table}\"")).expect("a table");
        let columns = statement.column_names().into_iter().map(|name| name.replace('"', "\"\""));
        let terms: Vec<String> =
            columns.map(|name| format!("typeof(\"{name}\") || ' ' || quote(\"{name}\")")).collect();
        let sql = format!("SELECT {} FROM \"{table}\" ORDER BY 1", terms.join(" || ', ' || "));
        let mut statement = connection.prepare(&sql).expect("a statement");
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).expect("rows");
        lines.extend(rows.map(|row| format!("{table}: {}", row.expect("text"))));
    }
    lines
}

/// Deletes all rows.
pub(super) fn delete(path: &Path, ignored: &[&str]) {
    let connection = connection(path);
    connection.execute_batch("PRAGMA foreign_keys = OFF").expect("a setting");
    for table in tables(&connection, ignored) {
        connection
            .execute_batch(&format!("DELETE FROM \"{}\"", table.replace('"', "\"\"")))
            .expect("deleted");
    }
}

fn tables(connection: &Connection, ignored: &[&str]) -> Vec<String> {
    let mut statement = connection
        .prepare("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
        .expect("a statement");
    let names = statement.query_map([], |row| row.get::<_, String>(0)).expect("rows");
    names.map(|name| name.expect("text")).filter(|name| !ignored.contains(&name.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn chinook_is_covered_by_its_generated_module() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("chinook.db");
    std::fs::copy(data("Chinook_Sqlite.sqlite"), &path).expect("copied");
    let provider = || Sqlite::open(&path).expect("opened");
    require_generated(&provider(), &GenerateOptions::default(), "chinook_sqlite").await;
    let koan = covered(provider(), chinook_sqlite_entities, &[]).await;
    require_round_trip(&koan, &|| dump(&path, &[]), &|| delete(&path, &[])).await;
}

fn chinook_sqlite_entities(builder: koan_backup::KoanBuilder) -> koan_backup::KoanBuilder {
    use chinook_sqlite as shop;
    builder
        .register::<shop::Album>()
        .register::<shop::Artist>()
        .register::<shop::Customer>()
        .register::<shop::Employee>()
        .register::<shop::Genre>()
        .register::<shop::Invoice>()
        .register::<shop::InvoiceLine>()
        .register::<shop::MediaType>()
        .register::<shop::Playlist>()
        .register::<shop::PlaylistTrack>()
        .register::<shop::Track>()
}

macro_rules! every_type_is_covered {
    ($name:ident, $module:ident, $time:ident) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let folder = tempfile::tempdir().expect("a directory");
            let path = folder.path().join("types.db");
            connection(&path).execute_batch(TYPES).expect("a schema");
            let provider = || Sqlite::open(&path).expect("opened");
            let options = GenerateOptions::default().time(TimeCrate::$time);
            require_generated(&provider(), &options, stringify!($module)).await;
            let expected = ["`documents` of `main` belongs to no entity", "`float_key` of", "`log` of"];
            let koan = covered(
                provider(),
                |builder| {
                    builder
                        .register::<$module::ByIndex>()
                        .register::<$module::Note>()
                        .register::<$module::NullableKey>()
                        .register::<$module::Setting>()
                        .register::<$module::StrictValues>()
                        .register::<$module::Typed>()
                },
                &expected,
            )
            .await;
            let uncovered = ["float_key", "log"];
            require_round_trip(&koan, &|| dump(&path, &uncovered), &|| delete(&path, &uncovered)).await;
        }
    };
}

every_type_is_covered!(every_type_is_covered_with_chrono, types_sqlite_chrono, Chrono);
every_type_is_covered!(every_type_is_covered_with_jiff, types_sqlite_jiff, Jiff);
every_type_is_covered!(every_type_is_covered_with_time, types_sqlite_time, Time);

#[tokio::test]
async fn a_column_that_no_type_reads_and_an_ignored_table_are_left_out() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("mixed.db");
    connection(&path)
        .execute_batch(
            "CREATE TABLE mixed (id INTEGER PRIMARY KEY, content, size REAL);
             INSERT INTO mixed VALUES (1, x'ff', 1), (2, 5, 9e999);
             CREATE TABLE jobs (id INTEGER PRIMARY KEY); CREATE VIRTUAL TABLE search USING fts5(body);",
        )
        .expect("a schema");
    let options =
        Sqlite::options(&path).ignore_table("JOBS", "a queue").ignore_table("search", "rebuilt at the start");
    let provider = options.open().expect("opened");
    insta::assert_snapshot!(generate(&provider, &GenerateOptions::default()).await.expect("a module"));
}
