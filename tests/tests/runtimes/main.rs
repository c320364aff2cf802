//! Every operation of every provider completes on runtimes that have small stacks and only one thread for
//! blocking work. The test runner ends a test that never completes.

mod memory_repository;

use std::sync::mpsc;

use std::future::IntoFuture as _;

use age::secrecy::ExposeSecret;
use koan_backup::prelude::*;
use koan_backup::{Event, Repositories, provider::Provider};
use koan_backup_tests::postgres::Server;
use memory_repository::MemoryRepository;
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

/// A record of several kilobytes, so that one entity fills every channel between the database and the archive
/// several times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
struct Note {
    id: i64,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup(encrypt = true)]
struct Letter {
    id: i64,
    text: String,
}

const RECORD_COUNT: i64 = 700;
const TABLES: &str = "CREATE TABLE note (id BIGINT PRIMARY KEY, text TEXT NOT NULL);
    CREATE TABLE letter (id BIGINT PRIMARY KEY, text TEXT NOT NULL);";

/// Returns the text of the record with this id.
fn text(id: i64) -> String {
    // Random text hardly compresses.
    let mut generator = fastrand::Rng::with_seed(id.unsigned_abs());
    (0..8_000).map(|_| generator.alphanumeric()).collect()
}

/// Generates a key pair of age, and returns the private key and the public key.
fn key() -> (String, String) {
    let key = age::x25519::Identity::generate();
    (key.to_string().expose_secret().to_owned(), key.to_public().to_string())
}

/// Backs up records, verifies, restores, compares, copies and rekeys the backup, and restores it with the new
/// key.
async fn assert_all_operations_complete<P: Provider>(provider: impl Fn() -> P) {
    let directory = tempfile::tempdir().expect("a directory");
    let (old_key, new_key) = (key(), key());
    let context = async |recipient: &str, keys: [&str; 2]| {
        let storage = |name: &str| Storage::local(directory.path().join(name)).expect("a directory");
        let mut builder = Koan::builder()
            .provider(provider())
            .storage(storage("local"))
            .named_storage("other", storage("other"))
            .encrypt_to(Recipients::keys([recipient]).expect("a key"));
        for key in keys {
            builder = builder.keys(Keys::text(key));
        }
        builder.build().await.expect("a context")
    };
    let koan = context(&old_key.1, [&old_key.0, &new_key.0]).await;
    koan.data::<Note>()
        .upsert_many((0..RECORD_COUNT).map(|id| Note { id, text: text(id) }))
        .await
        .expect("written");
    koan.data::<Letter>()
        .upsert_many((0..RECORD_COUNT).map(|id| Letter { id, text: text(id) }))
        .await
        .expect("written");
    let backup = koan.backup("nightly").on_event(|_: &Event| {}).await.expect("a backup");
    assert_eq!(backup.item_count(), 2 * RECORD_COUNT.unsigned_abs());
    let _ = koan.verify(backup.id()).await.expect("verified").require_valid().expect("the backup is valid");
    let _ = koan.restore(backup.id()).await.expect("restored");
    let _ = koan.restore(backup.id()).dry_run().await.expect("compared");
    let _ = koan.copy(backup.id()).to_profile("other").await.expect("copied");
    let other = context(&new_key.1, [&old_key.0, &new_key.0]).await;
    let _ = other.rekey(backup.id()).await.expect("rekeyed").require_replaced().expect("replaced");
    let _ = other.restore(backup.id()).await.expect("restored");
    assert_eq!(other.data::<Letter>().get(&7).await.expect("read"), Some(Letter { id: 7, text: text(7) }));
}

/// Half of the default stack size of a runtime thread. The application that calls the library needs the other
/// half.
const STACK_BYTES: usize = 1 << 20;

/// Runs `operations` on each kind of runtime, with one thread for blocking work and small stacks.
fn on_small_runtimes(operations: impl AsyncFn() + Sync) {
    let mut single = tokio::runtime::Builder::new_current_thread();
    let mut several = tokio::runtime::Builder::new_multi_thread();
    for builder in [&mut single, several.worker_threads(2)] {
        builder.enable_all().max_blocking_threads(1).thread_stack_size(STACK_BYTES);
        let runtime = builder.build().expect("a runtime");
        let operations = &operations;
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
            let thread =
                thread.spawn_scoped(scope, move || runtime.block_on(operations())).expect("a thread");
            thread.join().expect("the task did not panic");
        });
    }
}

#[test]
fn all_operations_of_memory_complete_with_one_blocking_thread() {
    on_small_runtimes(async || {
        let memory = Memory::new();
        assert_all_operations_complete(|| memory.clone()).await;
    });
}

#[test]
fn all_operations_of_sqlite_complete_with_one_blocking_thread() {
    on_small_runtimes(async || {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("notes.db");
        rusqlite::Connection::open(&path).expect("opened").execute_batch(TABLES).expect("tables");
        assert_all_operations_complete(|| Sqlite::open(&path).expect("opened")).await;
    });
}

#[test]
fn all_operations_of_postgres_complete_with_one_blocking_thread() {
    let server = Server::start();
    server.sql(TABLES);
    on_small_runtimes(async || {
        assert_all_operations_complete(|| Postgres::connect(server.address()).expect("an address")).await
    });
}

#[test]
fn all_operations_of_json_files_complete_with_one_blocking_thread() {
    on_small_runtimes(async || {
        let directory = tempfile::tempdir().expect("a directory");
        assert_all_operations_complete(|| JsonFiles::lines(directory.path().join("lines")).expect("opened"))
            .await;
        assert_all_operations_complete(|| {
            JsonFiles::documents(directory.path().join("documents")).expect("opened")
        })
        .await;
    });
}

#[test]
fn all_operations_of_repositories_complete_with_one_blocking_thread() {
    on_small_runtimes(async || {
        let all = Repositories::new()
            .with::<Note>(MemoryRepository::default())
            .with::<Letter>(MemoryRepository::default());
        assert_all_operations_complete(|| all.clone()).await;
    });
}

/// A restore waits for the end of a backup that reads the same documents before it takes effect. While the
/// restore waits, the backup must still be able to read its files.
#[test]
fn a_restore_of_documents_waits_for_a_backup_that_needs_the_only_blocking_thread() {
    on_small_runtimes(async || {
        let directory = tempfile::tempdir().expect("a directory");
        let files = JsonFiles::documents(directory.path().join("data")).expect("opened");
        let context = async |name: &str| {
            Koan::builder()
                .provider(files.clone())
                .storage(Storage::local(directory.path().join(name)).expect("a directory"))
                .encrypt_to(Recipients::keys([key().1]).expect("a key"))
                .build()
                .await
                .expect("a context")
        };
        let koan = context("backups").await;
        let notes = || (0..RECORD_COUNT).map(|id| Note { id, text: text(id) });
        koan.data::<Note>().upsert_many(notes()).await.expect("written");
        let _ = koan.backup("first").entities(["Note"]).await.expect("a backup");
        // The backup holds its lock from its first event on.
        let (sender, started) = mpsc::channel();
        let backup = koan.backup("second").entities(["Note"]).on_event(move |_| {
            let _ = sender.send(());
        });
        let backup = tokio::spawn(backup.into_future());
        while started.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
        let _ = koan.restore("first").await.expect("restored");
        let _ = backup.await.expect("the task did not panic").expect("a backup");
    });
}
