//! Indexes, including unique indexes, that a restore at level `fast` rebuilds after it has written the rows.

use koan_backup::prelude::*;
use koan_backup::{KoanBuilder, provider::Provider as _};
use koan_backup_tests::postgres::Server;
use koan_backup_tests::reported_restore::restore_as_reported;
use serde::{Deserialize, Serialize};

use super::fixture::{koan, koan_of};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Member {
    id: String,
    email: Option<String>,
    age: i32,
}

const MEMBERS: &str =
    "CREATE TABLE member (id text PRIMARY KEY, email text CONSTRAINT one_each UNIQUE, age int NOT NULL);
    COMMENT ON CONSTRAINT one_each ON member IS 'it''s one'; COMMENT ON INDEX member_pkey IS 'the key';
    CREATE UNIQUE INDEX by_age ON member (age, id); CREATE INDEX by_mail ON member (email);
    INSERT INTO member VALUES ('a', 'a@example.org', 1), ('b', NULL, 2), ('c', NULL, 2);";

/// Returns each index with the name of its file. A rebuild changes the name of the file.
fn index_files(server: &Server) -> Vec<(String, String)> {
    let rows = server.sql(
        "SELECT indexrelid::regclass || '=' || pg_relation_filenode(indexrelid) FROM pg_index
        WHERE indrelid = 'member'::regclass ORDER BY 1",
    );
    let pair = |row: &str| row.split_once('=').map(|(name, file)| (name.to_owned(), file.to_owned()));
    rows.lines().filter_map(pair).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_index_is_rebuilt_at_level_fast_and_none_at_the_other_levels() {
    let server = Server::start();
    server.sql(MEMBERS);
    let koan = koan(&server, KoanBuilder::register::<Member>).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    let schema = server.schema();
    for (level, is_rebuilt) in
        [(RestoreLevel::Fast, true), (RestoreLevel::Balanced, false), (RestoreLevel::Safe, false)]
    {
        server.sql("DELETE FROM member");
        server.until_sessions_ended();
        let before = index_files(&server);
        assert_eq!(before.len(), 4);
        let _ = koan.restore("nightly").level(level).await.expect("restored");
        assert_eq!(server.schema(), schema, "{level:?}");
        for (before, after) in before.iter().zip(index_files(&server)) {
            assert_eq!(before.0, after.0);
            assert_eq!(before.1 != after.1, is_rebuilt, "{level:?}: {}", before.0);
        }
        assert_eq!(server.sql("SELECT string_agg(id, ',' ORDER BY id) FROM member"), "a,b,c");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_another_object_needs_is_not_dropped() {
    let server = Server::start();
    server.sql(MEMBERS);
    let koan = koan(&server, KoanBuilder::register::<Member>).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    let index_after_setup = |setup: &str, index: &str| {
        server.sql(setup);
        server.sql("DELETE FROM member");
        index_files(&server).into_iter().find(|(name, _)| name == index).expect("an index")
    };
    for (setup, undo, index) in [
        ("CREATE UNIQUE INDEX by_part ON member (age, id) WHERE age > 0", "DROP INDEX by_part", "by_part"),
        ("CREATE UNIQUE INDEX by_sum ON member (lower(id), age)", "DROP INDEX by_sum", "by_sum"),
        (
            "CREATE VIEW ages AS SELECT id, email, age FROM member GROUP BY id",
            "DROP VIEW ages",
            "member_pkey",
        ),
        ("CREATE PUBLICATION members FOR TABLE member", "DROP PUBLICATION members", "member_pkey"),
        ("ALTER TABLE member CLUSTER ON one_each", "ALTER TABLE member SET WITHOUT CLUSTER", "one_each"),
        ("ALTER INDEX one_each SET (fillfactor = 50)", "ALTER INDEX one_each RESET (fillfactor)", "one_each"),
    ] {
        let before = index_after_setup(setup, index);
        // The restore must keep the index because of the object that was set up, and not because of the lock
        // of another session.
        server.until_sessions_ended();
        let schema = server.schema();
        let _ = koan.restore("nightly").await.expect("restored");
        assert_eq!(server.schema(), schema, "{setup}");
        assert!(index_files(&server).contains(&before), "{setup}");
        server.sql(undo);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_violate_a_rebuilt_unique_index_roll_back_the_restore_with_their_keys_in_the_error() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE member (id text PRIMARY KEY, email text, age int NOT NULL);
        INSERT INTO member VALUES ('a', 's3cret@example.org', 1), ('A', 'x@example.org', 3), ('b', 'y@example.org', 1),
            ('c', 's3cret@example.org', 2), ('d', NULL, 4), ('e', NULL, 5)",
    );
    let koan = koan(&server, KoanBuilder::register::<Member>).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    server.sql("DELETE FROM member WHERE id <> 'a'");
    for (setup, undo, message) in [
        (
            "ALTER TABLE member ADD CONSTRAINT one_each UNIQUE (email)",
            "ALTER TABLE member DROP CONSTRAINT one_each",
            "Member `id=\"a\"`, `id=\"c\"` have the same values, which the unique constraint or index `one_each` of \
             table `member` does not allow",
        ),
        (
            "CREATE UNIQUE INDEX by_age ON member (age)",
            "DROP INDEX by_age",
            "Member `id=\"a\"`, `id=\"b\"` have the same values, which the unique constraint or index `by_age` of \
             table `member` does not allow",
        ),
        (
            "CREATE COLLATION anycase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
            ALTER TABLE member ALTER COLUMN id TYPE text COLLATE anycase",
            "ALTER TABLE member ALTER COLUMN id TYPE text COLLATE \"default\"",
            "the archive contains Member `id=\"A\"` and `id=\"a\"`, whose keys table `member` considers to be equal",
        ),
        // A restore does not drop this kind of index, because no query finds the rows that violate it. The
        // server refuses the row on insertion.
        (
            "CREATE UNIQUE INDEX by_start ON member (left(email, 1), (age > 0))",
            "DROP INDEX by_start",
            "table `member` refused Member `id=\"c\"`",
        ),
    ] {
        server.sql(setup);
        // A session that still holds a lock would make the restore keep the indexes.
        server.until_sessions_ended();
        let before = (server.sql("SELECT * FROM member"), server.schema());
        let error =
            restore_as_reported(|| koan.restore("nightly").replace_existing()).await.expect_err(setup);
        assert_eq!(error.kind(), ErrorKind::Constraint, "{setup}");
        let text = error.chain();
        assert!(text.contains(message) && !text.contains("s3cret"), "{text}");
        assert_eq!((server.sql("SELECT * FROM member"), server.schema()), before, "{setup}");
        server.sql(undo);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_during_a_backup_does_not_wait_for_the_backup_and_keeps_the_indexes() {
    let server = Server::start();
    server.sql(MEMBERS);
    let koan = koan(&server, KoanBuilder::register::<Member>).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    server.sql("DELETE FROM member");
    let before = index_files(&server);
    let reading = Postgres::connect(server.address()).expect("an address");
    let snapshot = reading.snapshot().await.expect("a snapshot");
    // If the restore waited for the end of the snapshot, it would never complete.
    let _ = koan.restore("nightly").await.expect("restored");
    drop(snapshot);
    assert_eq!(index_files(&server), before);
    assert_eq!(server.sql("SELECT count(*) FROM member"), "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_by_a_role_that_may_not_create_indexes_keeps_the_indexes() {
    let server = Server::start();
    server.sql(MEMBERS);
    server.sql(
        "CREATE ROLE app LOGIN; ALTER TABLE member OWNER TO app; REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    );
    let database = Postgres::connect(server.address_of("app", "test")).expect("an address");
    let koan = koan_of(database, KoanBuilder::register::<Member>).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    let before = index_files(&server);
    server.sql("DELETE FROM member");
    let _ = koan.restore("nightly").await.expect("restored");
    assert_eq!(index_files(&server), before);
    assert_eq!(server.sql("SELECT count(*) FROM member"), "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn rebuilt_indexes_stay_in_their_tablespace() {
    let server = Server::start();
    server.sql(MEMBERS);
    server.sql("ALTER ROLE postgres SET allow_in_place_tablespaces = on");
    server.sql("CREATE TABLESPACE other LOCATION ''");
    server.sql("ALTER ROLE postgres SET default_tablespace = other");
    let koan = koan(&server, KoanBuilder::register::<Member>).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    server.sql("DELETE FROM member");
    server.until_sessions_ended();
    let _ = koan.restore("nightly").await.expect("restored");
    let in_default_tablespace =
        "SELECT count(*) FROM pg_class WHERE relname IN ('member_pkey', 'by_mail') AND reltablespace = 0";
    assert_eq!(server.sql(in_default_tablespace), "2");
}
