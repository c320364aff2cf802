//! Tests that reproduce, with small inputs, failures that users of other backup tools have reported.
//!
//! The doc comment of each test links the reports. Tests that need more than SQLite, JSON files and a
//! directory are in the suite of their subject.

use std::future::IntoFuture as _;
use std::path::Path;
use std::sync::Arc;

use koan_backup::prelude::*;
use koan_backup::{ConflictMode, Retention, archive::BackupStatus, catalog::Expectations};
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use koan_backup_tests::hand_clock::HandClock;
use koan_backup_tests::wait;
use object_store::local::LocalFileSystem;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity(table = "docs")]
struct Document {
    id: i64,
    body: String,
}

const SCHEMA: &str = "
    CREATE TABLE docs (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL);
    CREATE VIRTUAL TABLE search USING fts5(body, content='docs', content_rowid='id');
    CREATE TRIGGER added AFTER INSERT ON docs
        BEGIN INSERT INTO search(rowid, body) VALUES (new.id, new.body); END;
    INSERT INTO docs (body) VALUES ('first words'), ('second words'), ('third words');";

/// Creates the database.
fn database(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("a database");
    connection.execute_batch(SCHEMA).expect("a schema");
    connection
}

/// Returns the number that a query returns.
fn count(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).expect(sql)
}

/// Creates a context for the database in a folder.
async fn over_sqlite(folder: &Path, storage: Storage) -> Koan {
    Koan::builder()
        .provider(Sqlite::open(folder.join("shop.db")).expect("opened"))
        .storage(storage)
        .build()
        .await
        .expect("a context")
}

/// Creates the database, and a context whose backups are in a store into which faults can be injected.
async fn over_faulty_store(folder: &Path) -> (Koan, FaultyStore) {
    drop(database(&folder.join("shop.db")));
    let stored = folder.join("backups");
    std::fs::create_dir(&stored).expect("created");
    let store = FaultyStore::over(Arc::new(LocalFileSystem::new_with_prefix(&stored).expect("a store")));
    (over_sqlite(folder, store.storage()).await, store)
}

fn local(folder: &Path) -> Storage {
    Storage::local(folder.join("backups")).expect("a directory")
}

/// <https://github.com/duplicati/duplicati/issues/4496>, <https://github.com/rsnapshot/rsnapshot/issues/351>:
/// the disk of the source is unmounted and its mount point remains as an empty directory. Nightly backups
/// complete, and the rotation removes the last backup with records.
#[tokio::test]
async fn the_last_full_backup_of_a_source_that_lost_its_mount_is_never_removed_by_retention() {
    let folder = tempfile::tempdir().expect("a directory");
    let source = folder.path().join("data");
    let documents = source.join("docs");
    std::fs::create_dir_all(&documents).expect("created");
    for id in 1..=20 {
        let text = format!(r#"{{"id":{id},"body":"text {id}"}}"#);
        std::fs::write(documents.join(format!("{id}.json")), text).expect("written");
    }
    let clock = HandClock::at("2026-11-01T03:00:00Z");
    let koan = Koan::builder()
        .provider(JsonFiles::documents(&source).expect("opened"))
        .storage(local(folder.path()))
        .clock(clock.clone())
        .build()
        .await
        .expect("a context");
    let full = koan.backup("nightly").await.expect("a backup");
    assert_eq!(full.item_count(), 20);
    std::fs::remove_dir_all(&documents).expect("unmounted");
    for night in 0..15 {
        clock.pass(24);
        if night == 7 {
            // From here on, the source contains another directory, and only `docs` is missing.
            std::fs::create_dir(source.join("notes")).expect("created");
        }
        match koan.backup("nightly").await {
            Ok(empty) => assert!(night >= 7 && !empty.warnings().is_empty(), "night {night}: {empty:?}"),
            Err(error) => {
                assert!(night < 7 && error.to_string().contains("mount its disk"), "night {night}: {error}")
            }
        }
        let retention = Retention::new().keep_last(3);
        let maintained =
            koan.maintenance().retention(retention).without_verification().await.expect("completed");
        assert!(maintained.is_clean(), "night {night}: {maintained:?}");
        let health = koan.catalog().health(&Expectations::new()).await.expect("assessed");
        assert!(!health.is_healthy(), "night {night}: a backup without records is not reported as a problem");
    }
    let left = koan.backups().await.expect("listed");
    assert!(left.iter().any(|manifest| manifest.id == full.id()), "the full backup was removed: {left:?}");
    let lost = koan.catalog().health(&Expectations::new()).await.expect("assessed").size_drops[0].backup;
    koan.catalog().acknowledge(lost, "they moved").await.expect("acknowledged");
    assert!(koan.backup("nightly").await.expect("a backup").warnings().is_empty());
    let _ = koan.restore(full.id()).await.expect("restored");
    assert_eq!(std::fs::read_dir(&documents).expect("exists").count(), 20);
}

/// Creates a context on a store whose responses can be delayed.
async fn over_a_slow_store(folder: &Path) -> (Koan, FaultyStore) {
    let path = folder.join("backups");
    std::fs::create_dir_all(&path).expect("created");
    let store = FaultyStore::over(Arc::new(LocalFileSystem::new_with_prefix(path).expect("a directory")));
    (over_sqlite(folder, store.storage()).await, store)
}

#[tokio::test]
async fn a_backup_reads_only_the_manifests_that_are_not_known_yet() {
    let folder = tempfile::tempdir().expect("a directory");
    let connection = database(&folder.path().join("shop.db"));
    let (koan, store) = over_a_slow_store(folder.path()).await;
    for _ in 0..4 {
        let _ = koan.backup("nightly").await.expect("a backup");
    }
    store.fail([]);
    connection.execute_batch("DELETE FROM docs").expect("emptied");
    let backup = koan.backup("nightly").await.expect("a backup");
    assert_eq!(store.call_count(Operation::Get, "manifests/"), 1, "only the previous manifest is read");
    assert!(
        backup.warnings().iter().any(|warning| warning.contains("has 0 records")),
        "{:?}",
        backup.warnings()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_are_read_before_the_snapshot_opens_and_before_an_upload_begins() {
    let folder = tempfile::tempdir().expect("a directory");
    let connection = database(&folder.path().join("shop.db"));
    let _ = over_a_slow_store(folder.path()).await.0.backup("nightly").await.expect("a backup");
    let (koan, store) = over_a_slow_store(folder.path()).await;
    store.fail([Fault::always(Operation::Get, "manifests/", Failure::Held)]);
    let backup = tokio::spawn(koan.backup("nightly").into_future());
    store.until_called(Operation::Get, "manifests/", 1).await;
    assert_eq!(
        store.call_count(Operation::Begin, "archives/"),
        0,
        "an upload began before the manifests were read"
    );
    connection.execute_batch("DELETE FROM docs").expect("emptied");
    store.resume();
    let backup = backup.await.expect("no panic").expect("a backup");
    assert_eq!(backup.item_count(), 0, "the snapshot was opened before the manifests were read");
    assert!(
        backup.warnings().iter().any(|warning| warning.contains("has 0 records")),
        "{:?}",
        backup.warnings()
    );
}

#[tokio::test]
async fn a_catalog_that_cannot_be_read_is_a_warning_of_the_backup() {
    for fault in [
        Fault::always(Operation::List, "acknowledgements", Failure::Forbidden),
        Fault::always(Operation::List, "damage", Failure::Forbidden),
        Fault::always(Operation::Get, "manifests/", Failure::Broken),
    ] {
        let folder = tempfile::tempdir().expect("a directory");
        database(&folder.path().join("shop.db"));
        let (koan, store) = over_a_slow_store(folder.path()).await;
        let _ = koan.backup("nightly").await.expect("a backup");
        store.fail([fault]);
        let backup = koan.backup("nightly").await.expect("the backup does not need the catalog");
        let warnings = backup.warnings().join("; ");
        assert!(warnings.contains("was not determined"), "{fault:?}: {warnings}");
    }
}

/// <https://github.com/vectorize-io/hindsight/issues/3841>,
/// <https://github.com/yugabyte/yugabyte-db/issues/13250>: a restore writes rows with their ids but does not
/// restore the counter, so the first insert fails or reuses the id of a deleted row.
#[tokio::test]
async fn the_first_insert_after_a_restore_gets_an_id_that_was_never_used() {
    let folder = tempfile::tempdir().expect("a directory");
    let connection = database(&folder.path().join("shop.db"));
    connection
        .execute_batch("DELETE FROM docs WHERE id = 3; DROP TRIGGER added; DROP TABLE search")
        .expect("the statements succeed");
    let koan = over_sqlite(folder.path(), local(folder.path())).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    connection.execute_batch("DELETE FROM docs; DELETE FROM sqlite_sequence").expect("emptied");
    let _ = koan.restore("nightly").await.expect("restored");
    connection.execute_batch("INSERT INTO docs (body) VALUES ('new')").expect("inserted");
    assert_eq!(count(&connection, "SELECT max(id) FROM docs"), 4, "the id of a deleted row was reused");
}

/// <https://github.com/geldata/gel/issues/6550>, <https://github.com/Dahliyaal/justicelibre/pull/8>: a
/// restore suspends triggers, or replaces rows for which only an insert trigger exists. Searches then find
/// old text, or fail.
#[tokio::test]
async fn a_search_finds_only_restored_text_although_only_inserts_have_a_trigger() {
    for mode in [ConflictMode::Overwrite, ConflictMode::Fail] {
        let folder = tempfile::tempdir().expect("a directory");
        let connection = database(&folder.path().join("shop.db"));
        let koan = over_sqlite(folder.path(), local(folder.path())).await;
        let _ = koan.backup("nightly").await.expect("a backup");
        match mode {
            ConflictMode::Fail => connection.execute_batch("DELETE FROM docs"),
            _ => connection.execute_batch("UPDATE docs SET body = 'stale' WHERE id = 2"),
        }
        .expect("changed");
        let _ = koan.restore("nightly").on_conflict(mode).await.expect("restored");
        connection
            .execute_batch("INSERT INTO search(search, rank) VALUES ('integrity-check', 1)")
            .expect("the full-text index is intact");
        for (word, found) in [("words", 3), ("second", 1), ("stale", 0)] {
            let sql = format!("SELECT count(*) FROM search WHERE search MATCH '{word}'");
            assert_eq!(count(&connection, &sql), found, "{mode:?}: {word}");
        }
    }
}

/// <https://github.com/oneprolabs/hyperfilelens/issues/917>: the files of a failed backup belong to no listed
/// backup, and retention never removes them.
#[tokio::test]
async fn a_failed_backup_stores_no_archive_and_retention_removes_its_manifest() {
    let folder = tempfile::tempdir().expect("a directory");
    let (koan, store) = over_faulty_store(folder.path()).await;
    store.fail([Fault::always(Operation::Complete, "archives", Failure::Forbidden)]);
    koan.backup("nightly").await.expect_err("refused");
    store.fail([]);
    let failed = koan.backups().await.expect("listed");
    assert!(matches!(failed[0].status, BackupStatus::Failed), "{failed:?}");
    let archives = folder.path().join("backups/archives");
    assert_eq!(
        std::fs::read_dir(&archives).map_or(0, Iterator::count),
        0,
        "the failed backup left a file in {archives:?}"
    );
    for _ in 0..2 {
        let _ = koan.backup("nightly").await.expect("a backup");
    }
    let maintained = koan.maintenance().retention(Retention::new().keep_last(1)).await.expect("completed");
    assert!(maintained.is_clean(), "{maintained:?}");
    let left = koan.backups().await.expect("listed");
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].status.is_complete(), "{left:?}");
}

/// <https://github.com/otavio/nix-config/pull/242>: a health check needs a lock, and fails while old backups
/// are removed.
#[tokio::test(flavor = "multi_thread")]
async fn health_checks_lists_and_restores_do_not_wait_for_a_prune() {
    let folder = tempfile::tempdir().expect("a directory");
    let (koan, store) = over_faulty_store(folder.path()).await;
    for _ in 0..2 {
        let _ = koan.backup("nightly").await.expect("a backup");
    }
    store.fail([Fault::always(Operation::Delete, "manifests", Failure::Held)]);
    let running = tokio::spawn(koan.maintenance().retention(Retention::new().keep_last(1)).into_future());
    wait::until("a manifest is being removed", async || {
        store.call_count(Operation::Delete, "manifests") == 1
    })
    .await;
    let other = over_sqlite(folder.path(), store.storage()).await;
    assert_eq!(other.backups().await.expect("listed").len(), 2);
    assert!(other.catalog().health(&Expectations::new()).await.expect("assessed").is_healthy());
    assert!(other.verify("nightly").await.expect("verified").is_valid());
    let _ = other.restore("nightly").on_conflict(ConflictMode::Overwrite).await.expect("restored");
    running.abort();
}
