//! Tests that a snapshot does not change, and that a read stops when its future is dropped.

use std::time::Duration;

use koan_backup_core::{
    ErrorKind, SetName,
    provider::{Provider as _, ReadRequest, RecordSink, Snapshot},
};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::fixture::{Database, backup_of, codec};
use crate::Sqlite;
use koan_backup::Entity;

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestDebit", table = "debits")]
struct Debit {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestCredit", table = "credits")]
struct Credit {
    id: i64,
}

const TABLES: &str =
    "CREATE TABLE debits (id INTEGER PRIMARY KEY); CREATE TABLE credits (id INTEGER PRIMARY KEY);
    INSERT INTO debits VALUES (1); INSERT INTO credits VALUES (1);";

#[tokio::test]
async fn in_wal_mode_a_snapshot_does_not_block_a_writer_or_see_its_changes() {
    let database = Database::new(&format!("PRAGMA journal_mode = WAL; {TABLES}"));
    let snapshot = database.snapshot().await;
    database.run("BEGIN; INSERT INTO debits VALUES (2); INSERT INTO credits VALUES (2); COMMIT");
    let debits =
        backup_of::<Debit>(snapshot.as_ref(), SetName::root()).await.expect("the entity is backed up");
    database.run("INSERT INTO credits VALUES (3); DROP TABLE debits");
    let credits =
        backup_of::<Credit>(snapshot.as_ref(), SetName::root()).await.expect("the entity is backed up");
    assert_eq!((debits.lines.len(), credits.lines.len()), (1, 1));
    assert_eq!(snapshot.count(&codec::<Credit>(), &SetName::root()).await.expect("a count"), 1);
    let later = backup_of::<Credit>(database.snapshot().await.as_ref(), SetName::root())
        .await
        .expect("the entity is backed up");
    assert_eq!(later.lines.len(), 3);
}

#[tokio::test]
async fn with_a_rollback_journal_a_writer_waits_for_the_snapshot() {
    let database = Database::new(TABLES);
    database.sql.busy_timeout(Duration::ZERO).expect("a setting");
    let snapshot = database.snapshot().await;
    let debits =
        backup_of::<Debit>(snapshot.as_ref(), SetName::root()).await.expect("the entity is backed up");
    database.sql.execute("INSERT INTO credits VALUES (2)", []).expect_err("locked");
    let credits =
        backup_of::<Credit>(snapshot.as_ref(), SetName::root()).await.expect("the entity is backed up");
    assert_eq!((debits.lines.len(), credits.lines.len()), (1, 1));
    drop(snapshot);
    database.sql.busy_timeout(Duration::from_secs(10)).expect("a setting");
    database.run("INSERT INTO credits VALUES (2)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_read_is_cancelled() {
    let database = Database::new(
        "CREATE TABLE debits (id, n); WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 300000)
         INSERT INTO debits SELECT abs(random()), n FROM c",
    );
    let snapshot = database.snapshot().await;
    let read = |sink| snapshot.read(ReadRequest::all(codec::<Debit>(), SetName::root()), sink);
    // The first read is dropped before it runs, and the second read after its first records.
    let (sink, first_chunks) = RecordSink::channel(codec::<Debit>(), 100);
    {
        let mut reading = std::pin::pin!(read(sink));
        assert!(futures::poll!(reading.as_mut()).is_pending());
    }
    let (sink, mut second_chunks) = RecordSink::channel(codec::<Debit>(), 100);
    tokio::select! {
        result = read(sink) => panic!("the read ended before it was dropped: {result:?}"),
        chunk = second_chunks.recv() => assert!(chunk.is_some()),
    }
    // The same thread runs the next request. The test does not receive the records, so a read that continued
    // would never end and the request would wait forever.
    snapshot.sets(&codec::<Debit>()).await.expect("the sets are listed");
    drop((first_chunks, second_chunks));
}

#[tokio::test]
async fn a_dropped_receiver_cancels_the_read() {
    let database = Database::new(TABLES);
    let snapshot = database.snapshot().await;
    let (sink, chunks) = RecordSink::channel(codec::<Debit>(), 1);
    drop(chunks);
    let error = snapshot
        .read(ReadRequest::all(codec::<Debit>(), SetName::root()), sink)
        .await
        .expect_err("cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[tokio::test]
async fn a_damaged_file_is_an_error_and_never_a_short_read() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("damaged.db");
    let connection = Connection::open(&path).expect("a database");
    connection
        .execute_batch(
            "CREATE TABLE debits (id INTEGER PRIMARY KEY, filler); WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1
             FROM c LIMIT 5000) INSERT INTO debits SELECT n, hex(randomblob(50)) FROM c",
        )
        .expect("valid SQL");
    drop(connection);
    let mut bytes = std::fs::read(&path).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8192].fill(0xaa);
    std::fs::write(&path, bytes).expect("written");
    let provider = Sqlite::open(&path).expect("a database");
    let snapshot: Box<dyn Snapshot> = provider.snapshot().await.expect("a snapshot");
    let error = backup_of::<Debit>(snapshot.as_ref(), SetName::root()).await.expect_err("damaged");
    assert_eq!(error.kind(), ErrorKind::Provider);
    assert!(
        error.to_string().contains("damaged.db") && error.to_string().contains("integrity_check"),
        "{error}"
    );
}
