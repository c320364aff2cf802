//! An event store in tables of PostgreSQL.

use std::path::Path;

use koan_backup::prelude::*;
use koan_backup::{CqrsEs, KoanBuilder};
use koan_backup_tests::cqrs_es_tables;
use koan_backup_tests::postgres::Server;

use super::super::postgres::wait_for_sessions;
use super::super::shop::Dump;
use super::database::{EventDatabase, JobNames};

/// Twenty small aggregates and a large one.
const ROWS: &str = r#"
    INSERT INTO events SELECT 'order', 'small-' || a, s, 'Placed', '1.0', '{ "number": 1 }', '{}'
        FROM generate_series(0, 19) a, generate_series(1, 5) s;
    INSERT INTO events SELECT 'order', 'large', s, 'Paid', '1.0', ('{ "text": "' || repeat(md5(s::text), 5) || '" }')::json, '{}'
        FROM generate_series(1, 3000) s;
    INSERT INTO snapshots SELECT 'order', 'small-' || a, 4, 1, '{ "paid": true }' FROM generate_series(0, 9) a;
    INSERT INTO snapshots VALUES ('order', 'large', 2000, 1, '{ "paid": true }')"#;

/// The changes that the restores must revert.
const DAMAGE: &str = r#"
    INSERT INTO events SELECT 'order', 'small-' || a, s, 'Late', '1.0', '{}', '{}'
        FROM generate_series(0, 19, 4) a, generate_series(6, 7) s;
    UPDATE events SET payload = '{ "number": 2 }' WHERE sequence = 3 AND aggregate_id IN ('small-1', 'small-5', 'small-9');
    DELETE FROM events WHERE aggregate_id IN ('small-2', 'small-6', 'small-10');
    DELETE FROM snapshots WHERE aggregate_id IN ('small-2', 'small-6');
    INSERT INTO events SELECT 'order', 'additional-' || a, s, 'Placed', '1.0', '{}', '{}'
        FROM generate_series(1, 5) a, generate_series(1, 3) s;
    UPDATE events SET event_type = 'Changed' WHERE aggregate_id = 'large' AND sequence > 1500;
    INSERT INTO events SELECT 'order', 'large', s, 'Late', '1.0', '{}', '{}' FROM generate_series(3001, 3100) s;
    UPDATE snapshots SET payload = '{}' WHERE aggregate_id = 'large'"#;

const REMEMBER: &str = "
    CREATE SCHEMA original; CREATE TABLE original.events AS TABLE events; CREATE TABLE original.snapshots AS TABLE snapshots";

/// Writes the rows from before the first restore. The statements fail if a killed restore left a lock.
const RESET: &str = "
    SET lock_timeout = '60s';
    BEGIN;
    TRUNCATE events, snapshots;
    INSERT INTO events TABLE original.events; INSERT INTO snapshots TABLE original.snapshots;
    COMMIT";

/// Selects every row. Each line begins with the object id.
const DUMP: &str = "
    SELECT aggregate_id || ' event ' || e::text FROM events e
    UNION ALL SELECT aggregate_id || ' snapshot ' || s::text FROM snapshots s";

/// The server with the event store.
pub(in super::super) struct Tables(Server);

impl EventDatabase for Tables {
    const JOBS: JobNames = JobNames {
        backup: "backup of event tables of PostgreSQL",
        restore: "restore of event tables of PostgreSQL",
        single_backup: "single backup of event tables of PostgreSQL",
        single_restore: "single restore of event tables of PostgreSQL",
    };
    const PARTS: usize = 2;

    async fn create(folder: &Path) -> Self {
        let server = Server::with_settings(15, &["fsync=off", "autovacuum=off"]);
        server.sql(cqrs_es_tables::POSTGRES);
        server.sql(ROWS);
        std::fs::write(folder.join("address"), server.address()).expect("written");
        Self(server)
    }

    fn register(folder: &Path, builder: KoanBuilder) -> KoanBuilder {
        let address = std::fs::read_to_string(folder.join("address")).expect("an address");
        builder.provider(Postgres::connect(address).expect("an address").event_store(CqrsEs::tables()))
    }

    async fn damage(&self) {
        self.0.sql(DAMAGE);
    }

    fn remember(&self) {
        self.0.sql(REMEMBER);
    }

    fn reset(&self) {
        self.0.sql(RESET);
    }

    async fn recover(&self) -> Option<&'static str> {
        wait_for_sessions(&self.0).then_some("a session that the server ended")
    }

    async fn dump(&self) -> Dump {
        let mut lines: Vec<_> = self.0.sql(DUMP).lines().map(str::to_owned).collect();
        lines.sort();
        Dump(lines)
    }
}
