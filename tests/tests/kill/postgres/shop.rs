//! The PostgreSQL database of the killed jobs: two tables with a foreign key, secondary indexes, triggers,
//! and a column with a sequence.

use std::path::{Path, PathBuf};

use koan_backup::prelude::*;
use koan_backup_tests::postgres::Server;
use koan_backup_tests::wait;

use super::super::shop::Dump;

const SCHEMA: &str = r#"
    CREATE EXTENSION amcheck;
    CREATE TABLE "user" (id bigserial PRIMARY KEY, email text NOT NULL UNIQUE, active bool NOT NULL);
    CREATE TABLE purchase (id bigint PRIMARY KEY,
        user_id bigint NOT NULL REFERENCES "user" (id) ON DELETE CASCADE,
        amount float8 NOT NULL CHECK (amount >= 0), note text);
    CREATE INDEX user_that_is_active ON "user" (email DESC) WHERE active;
    CREATE INDEX purchase_of_user ON purchase (user_id, amount);
    CREATE INDEX purchase_note ON purchase (lower(note));
    CREATE TABLE audit (entry text);
    CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO audit VALUES (TG_NAME); RETURN NEW; END $$;
    CREATE TRIGGER on_user AFTER INSERT OR UPDATE OR DELETE ON "user" FOR EACH ROW EXECUTE FUNCTION audit();
    CREATE TRIGGER on_purchase AFTER INSERT OR DELETE ON purchase FOR EACH ROW EXECUTE FUNCTION audit();
    INSERT INTO "user" SELECT 2 * i, 'user-' || i || '@example.org', i % 3 = 0 FROM generate_series(1, 1500) i;
    INSERT INTO purchase SELECT i, 2 * (i % 1500) + 2, i + 0.5,
        CASE WHEN i % 7 > 0 THEN repeat(md5(i::text), 10) END FROM generate_series(1, 5000) i;
    SELECT setval('user_id_seq', 3000); TRUNCATE audit;"#;

/// Selects every row, and the state of the sequence, indexes, constraints, triggers and relations.
const DUMP: &str = r#"
    SELECT 'user', t::text FROM "user" t ORDER BY id;
    SELECT 'purchase', t::text FROM purchase t ORDER BY id;
    SELECT 'audit', t::text FROM audit t ORDER BY 2;
    SELECT 'next number', last_value + is_called::int FROM user_id_seq;
    SELECT 'index', pg_get_indexdef(indexrelid), indisvalid, indisready FROM pg_index
        WHERE indrelid IN ('"user"'::regclass, 'purchase'::regclass) ORDER BY 2;
    SELECT 'constraint', conrelid::regclass, conname, convalidated, condeferrable, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE conrelid IN ('"user"'::regclass, 'purchase'::regclass) ORDER BY 2, 3;
    SELECT 'trigger', tgrelid::regclass, tgenabled, tgtype, tgfoid::regproc FROM pg_trigger
        WHERE tgrelid IN ('"user"'::regclass, 'purchase'::regclass) ORDER BY 2, 4, 5;
    SELECT 'relation', relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 2;"#;

/// Checks the indexes. The query fails if an index lacks a row or contains a row that does not exist.
const INDEXES: &str = r#"SELECT count(bt_index_check(indexrelid, true)::text) FROM pg_index
    WHERE indrelid IN ('"user"'::regclass, 'purchase'::regclass)"#;

/// A server and a directory for backups.
#[derive(Debug)]
pub(super) struct Shop {
    server: Server,
    folder: PathBuf,
}

impl Shop {
    /// Creates a shop. A child process finds the server through a file in the folder.
    pub(super) fn open(folder: &Path) -> Self {
        let server = Server::with_settings(15, &["fsync=off", "autovacuum=off"]);
        server.sql(SCHEMA);
        std::fs::write(folder.join("address"), server.address()).expect("written");
        Self { server, folder: folder.to_owned() }
    }

    /// Builds the context of the application in a folder.
    pub(super) async fn context(folder: &Path) -> Koan {
        let address = std::fs::read_to_string(folder.join("address")).expect("an address");
        Koan::builder()
            .provider(Postgres::connect(address).expect("an address"))
            .storage(Storage::local(folder.join("backups")).expect("a directory"))
            .build()
            .await
            .expect("a context")
    }

    pub(super) fn storage(&self) -> PathBuf {
        self.folder.join("backups")
    }

    pub(super) fn sql(&self, sql: &str) -> String {
        self.server.sql(sql)
    }

    pub(super) fn dump(&self) -> Dump {
        self.sql(INDEXES);
        Dump(self.sql(DUMP).lines().map(str::to_owned).collect())
    }

    /// Waits until the server has ended the sessions of the killed client. Returns whether such a session existed.
    pub(super) fn wait_for_sessions(&self) -> bool {
        wait_for_sessions(&self.server)
    }
}

/// Waits until a server has ended the sessions of the killed client. Returns whether such a session existed when the
/// function was called.
pub(in super::super) fn wait_for_sessions(server: &Server) -> bool {
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'koan-backup'";
    let have_ended = || server.sql(sessions) == "0";
    let existed = !have_ended();
    wait::until_blocking("the sessions of the killed client end", have_ended);
    existed
}
