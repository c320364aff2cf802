//! Runs the conformance suite for every provider of this repository.

#![expect(clippy::print_stdout, reason = "the suite prints the results of each provider")]

mod lying;
mod repositories;
mod restore_hooks;
mod table;

use std::sync::Arc;

use koan_backup::prelude::*;
use koan_backup::provider::conformance::{self, CaseOutcome, Conformance};
use koan_backup::{Result, provider::Provider};

koan_backup::entity_backup_scope!(mode = None);

/// Runs the suite and requires that every case passes. `empty` creates an empty provider for each case.
async fn conforms(empty: impl AsyncFnMut() -> Result<Arc<dyn Provider>>) -> Conformance {
    let conformance = conformance::run(empty).await.expect("a database");
    println!("{conformance}");
    conformance.require_passed().expect("the provider conforms")
}

/// The SQL of a table with so many indexes that a restore which drops and rebuilds them is faster on any
/// machine. The provider creates the other tables.
const PAIRS: &str = "CREATE TABLE koan_pairs (owner TEXT NOT NULL, number INTEGER NOT NULL, \
    content TEXT NOT NULL, PRIMARY KEY (owner, number)); \
    CREATE INDEX pairs_by_content ON koan_pairs (content); \
    CREATE INDEX pairs_by_owner ON koan_pairs (owner, content); \
    CREATE INDEX pairs_by_both ON koan_pairs (content, owner); \
    CREATE INDEX pairs_by_size ON koan_pairs (content, number)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_conforms() {
    let folder = tempfile::tempdir().expect("a directory");
    let mut number = 0;
    let conformance = conforms(async || {
        number += 1;
        let path = folder.path().join(format!("{number}.db"));
        // WAL mode allows writes while a snapshot is being read.
        let database = rusqlite::Connection::open(&path).expect("a database");
        database.pragma_update(None, "journal_mode", "wal").expect("the journal mode is set");
        database.execute_batch(PAIRS).expect("a table with indexes");
        Ok(Arc::new(Sqlite::open(path)?) as Arc<dyn Provider>)
    })
    .await;
    assert!(conformance.passed() > 20, "{conformance}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_conforms() {
    let conformance = conforms(async || Ok(Arc::new(Memory::new()) as Arc<dyn Provider>)).await;
    let not_claimed = conformance.cases.iter().filter(|case| case.outcome == CaseOutcome::NotClaimed).count();
    assert_eq!(
        not_claimed, 3,
        "only the cases for providers that lack a capability do not apply: {conformance}"
    );
}

/// Runs the suite for JSON files, with a new directory for each case.
async fn json_conforms(open: impl Fn(std::path::PathBuf) -> Result<JsonFiles>) -> Conformance {
    let folder = tempfile::tempdir().expect("a directory");
    let mut number = 0;
    conforms(async || {
        number += 1;
        Ok(Arc::new(open(folder.path().join(number.to_string()))?) as Arc<dyn Provider>)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_lines_conforms() {
    let conformance = json_conforms(JsonFiles::lines).await;
    let not_claimed = conformance.cases.iter().filter(|case| case.outcome == CaseOutcome::NotClaimed).count();
    assert_eq!(
        not_claimed, 4,
        "only the case of order and the cases for providers that lack a capability do not apply: {conformance}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_documents_conforms() {
    let conformance = json_conforms(JsonFiles::documents).await;
    let not_claimed = conformance.cases.iter().filter(|case| case.outcome == CaseOutcome::NotClaimed).count();
    assert_eq!(
        not_claimed, 5,
        "only the cases of order and snapshots, and the cases for providers that lack a capability, do not apply: \
         {conformance}"
    );
}
