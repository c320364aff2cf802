//! Operations that start on one runtime and continue on another, and futures that are dropped at any await
//! point.

use std::future::IntoFuture as _;
use std::task::{Context, Poll, Waker};

use koan_backup::prelude::*;
use koan_backup::{Retention, catalog::Expectations};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Item {
    id: i64,
    name: String,
}

async fn koan(folder: &std::path::Path) -> Koan {
    let path = folder.join("shop.db");
    let connection = Connection::open(&path).expect("a database");
    connection
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS item (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
             INSERT OR IGNORE INTO item VALUES (1, 'a'), (2, 'b'), (3, 'c')",
        )
        .expect("a table");
    let storage = Storage::local(folder.join("backups")).expect("a folder");
    let builder =
        Koan::builder().only_registered().register::<Item>().provider(Sqlite::open(path).expect("opened"));
    let builder = builder.state_directory(folder.join("state")).storage(storage);
    builder.build().await.expect("a context")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .expect("a runtime")
}

#[test]
fn a_context_can_be_used_on_other_runtimes_after_its_first_runtime_was_dropped() {
    let folder = tempfile::tempdir().expect("a folder");
    let first_runtime = runtime();
    let koan = first_runtime.block_on(koan(folder.path()));
    drop(first_runtime);
    for _ in 0..2 {
        let other_runtime = runtime();
        other_runtime.block_on(async {
            let _ = koan.backup("nightly").await.expect("a backup");
            let _ = koan.restore("nightly").replace_existing().await.expect("restored");
            let _ = koan
                .maintenance()
                .retention(Retention::new().keep_last(5))
                .await
                .expect("maintenance completed");
            assert!(
                koan.catalog().health(&Expectations::new()).await.expect("the health was read").is_healthy()
            );
        });
    }
    std::thread::scope(|scope| {
        let runs = ["one", "two"].map(|name| {
            let koan = &koan;
            scope.spawn(move || {
                runtime().block_on(async { koan.backup(name).await.map(|backup| backup.id()) })
            })
        });
        for run in runs {
            run.join().expect("the task did not panic").expect("a backup");
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn operations_within_spawn_blocking_and_block_on_complete() {
    let folder = tempfile::tempdir().expect("a folder");
    let koan = koan(folder.path()).await;
    let handle = tokio::runtime::Handle::current();
    let nested_operation = tokio::task::spawn_blocking(move || {
        handle.block_on(async {
            let _ = koan.backup("nightly").await.expect("a backup");
            koan.restore("nightly").await.expect("restored").record_count()
        })
    });
    assert_eq!(nested_operation.await.expect("the task did not panic"), 3);
}

/// Polls a future at most `polls` times, then drops it. Returns whether it completed.
async fn drop_after(polls: usize, mut future: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>) -> bool {
    for _ in 0..polls {
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(()) = future.as_mut().poll(&mut context) {
            return true;
        }
        // Other tasks get an opportunity to run, so that the next poll may make progress.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        tokio::task::spawn_blocking(|| ()).await.expect("the task did not panic");
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_context_stays_usable_after_futures_were_dropped_at_any_await_point() {
    let folder = tempfile::tempdir().expect("a folder");
    let koan = koan(folder.path()).await;
    let _ = koan.backup("base").await.expect("a backup");
    for polls in (1..40).chain([60, 90, 150]) {
        let backup = koan.backup("nightly").into_future();
        drop_after(polls, Box::pin(async { drop(backup.await) })).await;
        let restore = koan.restore("base").replace_existing().into_future();
        drop_after(polls, Box::pin(async { drop(restore.await) })).await;
        let maintenance = koan.maintenance().retention(Retention::new().keep_last(50)).into_future();
        drop_after(polls, Box::pin(async { drop(maintenance.await) })).await;
    }
    // The leases of the dropped operations are released in the background.
    koan_backup_tests::wait::until("a new backup succeeds", async || koan.backup("nightly").await.is_ok())
        .await;
    assert_eq!(koan.data::<Item>().count().await.expect("counted"), 3);
    for manifest in koan.backups().await.expect("listed") {
        if manifest.archive.is_some() {
            assert!(koan.verify(manifest.id).await.expect("read").is_valid());
        }
    }
    let _ = koan.restore("base").replace_existing().await.expect("restored");
}
