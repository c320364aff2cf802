//! Every provider of ours passes the suite that all are held to.

#![expect(clippy::print_stdout, reason = "it shows how each provider did")]

mod lying;
mod repositories;
mod table;

use std::sync::Arc;

use koan_backup::conformance::{self, Conformance, Outcome};
use koan_backup::prelude::*;
use koan_backup::{Provider, Result};

koan_backup::entity_backup_scope!(mode = None);

async fn conforms(empty: impl AsyncFnMut() -> Result<Arc<dyn Provider>>) -> Conformance {
    let conformance = conformance::run(empty).await.expect("a database");
    println!("{conformance}");
    conformance.require_passed().expect("conforms")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_conforms() {
    let folder = tempfile::tempdir().expect("a directory");
    let mut number = 0;
    let conformance = conforms(async || {
        number += 1;
        let path = folder.path().join(format!("{number}.db"));
        // So that it can be written while a snapshot is read.
        let database = rusqlite::Connection::open(&path).expect("a database");
        database.pragma_update(None, "journal_mode", "wal").expect("set");
        Ok(Arc::new(Sqlite::open(path)?) as Arc<dyn Provider>)
    })
    .await;
    assert!(conformance.passed() > 20, "{conformance}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_conforms() {
    let conformance = conforms(async || Ok(Arc::new(Memory::new()) as Arc<dyn Provider>)).await;
    let not_claimed = conformance.cases.iter().filter(|case| case.outcome == Outcome::NotClaimed).count();
    assert_eq!(not_claimed, 2, "only the refusal of what it can do: {conformance}");
}
