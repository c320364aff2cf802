//! Files that are not files of operations.

use std::sync::Arc;

use koan_backup_core::{ErrorKind, SystemClock};
use rusqlite::Connection;

use super::fixture::{Fixture, backup, limits, succeed};
use crate::operations::store::OperationStore as _;
use crate::operations::{OperationQuery, Operations, SqliteOperationStore};

async fn refused(fixture: &Fixture) -> koan_backup_core::Error {
    let error = SqliteOperationStore::open(fixture.path()).await.expect_err("the file is refused");
    assert!(error.to_string().contains("operations.sqlite"), "{error}");
    assert!(error.help().is_some(), "{error}");
    error
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_by_its_version_and_not_changed() {
    let fixture = Fixture::new();
    drop(fixture.store().await);
    let path = fixture.path().join("operations.sqlite");
    let connection = Connection::open(&path).expect("a connection");
    connection
        .execute_batch("PRAGMA user_version = 2; PRAGMA wal_checkpoint(TRUNCATE)")
        .expect("the version");
    drop(connection);
    let before = std::fs::read(&path).expect("the file");
    let error = refused(&fixture).await;
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    assert!(error.to_string().contains("schema version 2"), "{error}");
    assert_eq!(std::fs::read(&path).expect("the file"), before);
}

#[tokio::test]
async fn another_database_is_refused_and_not_changed() {
    let fixture = Fixture::new();
    let path = fixture.path().join("operations.sqlite");
    Connection::open(&path).expect("a connection").execute_batch("CREATE TABLE users (id)").expect("a table");
    let before = std::fs::read(&path).expect("the file");
    let error = refused(&fixture).await;
    assert!(error.to_string().contains("not a file of operations"), "{error}");
    assert_eq!(std::fs::read(&path).expect("the file"), before);
}

#[tokio::test]
async fn a_damaged_file_is_refused() {
    let fixture = Fixture::new();
    std::fs::write(fixture.path().join("operations.sqlite"), "not a database ".repeat(1000)).expect("a file");
    let error = refused(&fixture).await;
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(error.to_string().contains("is not an SQLite database"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_damaged_while_it_is_used_refuses_operations() {
    let fixture = Fixture::new();
    let operations = fixture.operations().await;
    let id = operations.submit(backup(), succeed).await.expect("accepted").operation.id;
    operations.wait(id).await.expect("it ends");
    drop(operations);
    let path = fixture.path().join("operations.sqlite");
    let connection = Connection::open(&path).expect("a connection");
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("a checkpoint");
    drop(connection);
    let mut bytes = std::fs::read(&path).expect("the file");
    // The first page has the schema; the others have the records and the indexes.
    bytes[4096..].fill(0xa5);
    std::fs::write(&path, bytes).expect("the file");
    let operations = fixture.operations().await;
    let problem = operations.submit(backup(), succeed).await.expect_err("the file is damaged");
    assert!(format!("{problem:?}").contains("the file is damaged"), "{problem:?}");
    operations.list(&OperationQuery::default()).await.expect_err("an error is no empty list");
}

#[tokio::test]
async fn a_damaged_record_is_named_without_its_content() {
    let fixture = Fixture::new();
    let store = fixture.store().await;
    let operations = Operations::open(store.clone(), limits(), Arc::new(SystemClock));
    let id = operations.submit(backup(), succeed).await.expect("accepted").operation.id;
    operations.wait(id).await.expect("it ends");
    store
        .execute("UPDATE operations SET progress = '{\"percentComplete\": \"secret\"}'")
        .await
        .expect("a change");
    let error = store.get(id).await.expect_err("the record is damaged");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.chain().contains("`progress`") && error.chain().contains(&id.to_string()), "{error:?}");
    assert!(!error.chain().contains("secret"), "{error:?}");
}

#[tokio::test]
async fn a_state_directory_that_cannot_be_created_is_named() {
    let fixture = Fixture::new();
    let file = fixture.path().join("file");
    std::fs::write(&file, "x").expect("a file");
    let error = SqliteOperationStore::open(&file.join("state")).await.expect_err("a file is no directory");
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(error.to_string().contains("state_directory"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let fixture = Fixture::new();
    let folder = fixture.path().join("state");
    let store = SqliteOperationStore::open(&folder).await.expect("the file opens");
    let operations = Operations::open(Arc::new(store), limits(), Arc::new(SystemClock));
    operations.submit(backup(), succeed).await.expect("accepted");
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).expect("it exists").permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for entry in std::fs::read_dir(&folder).expect("a list") {
        let path = entry.expect("an entry").path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_processes_can_create_the_file_at_the_same_time() {
    for _ in 0..10 {
        let fixture = Arc::new(Fixture::new());
        let opened = futures::future::join_all((0..8).map(|_| {
            let fixture = Arc::clone(&fixture);
            tokio::spawn(async move { SqliteOperationStore::open(fixture.path()).await })
        }));
        for store in opened.await {
            let store = store.expect("no panic").expect("the file opens");
            store.list(&OperationQuery::default()).await.expect("a list");
        }
    }
}
