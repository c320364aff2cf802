//! An event store in tables of SQLite.

use std::path::{Path, PathBuf};

use koan_backup::prelude::*;
use koan_backup::{CqrsEs, KoanBuilder};
use koan_backup_tests::cqrs_es_tables;
use rusqlite::Connection;

use super::super::shop::Dump;
use super::database::{EventDatabase, JobNames};

/// Twenty small aggregates and a large one.
const ROWS: &str = r#"
    CREATE TABLE number (n INTEGER PRIMARY KEY);
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 3100) INSERT INTO number SELECT i FROM n;
    INSERT INTO events SELECT 'order', 'small-' || a.n, s.n, 'Placed', '1.0', '{ "number": 1 }', '{}'
        FROM number a, number s WHERE a.n < 20 AND s.n BETWEEN 1 AND 5;
    INSERT INTO events SELECT 'order', 'large', n, 'Paid', '1.0', '{ "text": "' || hex(randomblob(80)) || '" }', '{}'
        FROM number WHERE n BETWEEN 1 AND 3000;
    INSERT INTO snapshots SELECT 'order', 'small-' || n, 4, 1, '{ "paid": true }' FROM number WHERE n < 10;
    INSERT INTO snapshots VALUES ('order', 'large', 2000, 1, '{ "paid": true }')"#;

/// The changes that the restores must revert.
const DAMAGE: &str = r#"
    INSERT INTO events SELECT 'order', 'small-' || a.n, s.n, 'Late', '1.0', '{}', '{}'
        FROM number a, number s WHERE a.n < 20 AND a.n % 4 = 0 AND s.n BETWEEN 6 AND 7;
    UPDATE events SET payload = '{ "number": 2 }' WHERE sequence = 3 AND aggregate_id IN ('small-1', 'small-5', 'small-9');
    DELETE FROM events WHERE aggregate_id IN ('small-2', 'small-6', 'small-10');
    DELETE FROM snapshots WHERE aggregate_id IN ('small-2', 'small-6');
    INSERT INTO events SELECT 'order', 'additional-' || a.n, s.n, 'Placed', '1.0', '{}', '{}'
        FROM number a, number s WHERE a.n BETWEEN 1 AND 5 AND s.n BETWEEN 1 AND 3;
    UPDATE events SET event_type = 'Changed' WHERE aggregate_id = 'large' AND sequence > 1500;
    INSERT INTO events SELECT 'order', 'large', n, 'Late', '1.0', '{}', '{}' FROM number WHERE n BETWEEN 3001 AND 3100;
    UPDATE snapshots SET payload = '{}' WHERE aggregate_id = 'large'"#;

const REMEMBER: &str = "
    CREATE TABLE original_events AS SELECT * FROM events; CREATE TABLE original_snapshots AS SELECT * FROM snapshots";

/// Writes the rows from before the first restore.
const RESET: &str = "
    BEGIN;
    DELETE FROM events; DELETE FROM snapshots;
    INSERT INTO events SELECT * FROM original_events; INSERT INTO snapshots SELECT * FROM original_snapshots;
    COMMIT";

/// Selects every row. Each line begins with the object id.
const DUMP: &str = "
    SELECT aggregate_id || ' event ' || concat_ws(' ', aggregate_type, sequence, event_type, event_version, quote(payload),
        quote(metadata)) FROM events
    UNION ALL SELECT aggregate_id || ' snapshot ' || concat_ws(' ', aggregate_type, last_sequence, current_snapshot,
        quote(payload)) FROM snapshots ORDER BY 1";

/// The folder of the database with the event store.
pub(in super::super) struct SqliteTables(PathBuf);

impl SqliteTables {
    fn connection(&self) -> Connection {
        Connection::open(self.0.join("events.db")).expect("a database")
    }

    fn sql(&self, sql: &str) {
        self.connection().execute_batch(sql).expect(sql);
    }
}

impl EventDatabase for SqliteTables {
    const JOBS: JobNames = JobNames {
        backup: "backup of event tables of SQLite",
        restore: "restore of event tables of SQLite",
        single_backup: "single backup of event tables of SQLite",
        single_restore: "single restore of event tables of SQLite",
    };
    const PARTS: usize = 2;

    async fn create(folder: &Path) -> Self {
        let tables = Self(folder.to_owned());
        tables.sql(cqrs_es_tables::SQLITE);
        tables.sql(ROWS);
        tables
    }

    fn register(folder: &Path, builder: KoanBuilder) -> KoanBuilder {
        let sqlite = Sqlite::open(folder.join("events.db")).expect("opened");
        builder.provider(sqlite.event_store(CqrsEs::tables()))
    }

    async fn damage(&self) {
        self.sql(DAMAGE);
    }

    fn remember(&self) {
        self.sql(REMEMBER);
    }

    fn reset(&self) {
        self.sql(RESET);
    }

    async fn recover(&self) -> Option<&'static str> {
        // The next connection rolls back the transaction of the journal.
        let journal = std::fs::metadata(self.0.join("events.db-journal"));
        journal.is_ok_and(|journal| journal.len() > 0).then_some("a rollback journal")
    }

    async fn dump(&self) -> Dump {
        let connection = self.connection();
        let check: String =
            connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
        assert_eq!(check, "ok");
        let mut statement = connection.prepare(DUMP).expect("a statement");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        Dump(rows.map(|row| row.expect("a row")).collect())
    }
}
