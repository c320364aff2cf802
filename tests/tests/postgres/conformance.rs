//! PostgreSQL passes the conformance suite for providers.

use std::sync::Arc;

use koan_backup::prelude::*;
use koan_backup::provider::{Provider, conformance};
use koan_backup_tests::postgres::{Server, VERSIONS, installed_versions};

/// A table with so many indexes that a rebuild of the indexes after the rows were written is faster on any
/// machine. The conformance suite lets the provider create the other tables.
const PAIRS: &str = "CREATE TABLE koan_pairs (owner text, number bigint, content text NOT NULL, PRIMARY KEY (owner, number)); \
    CREATE INDEX pairs_by_content ON koan_pairs (content); CREATE INDEX pairs_by_owner ON koan_pairs (owner, content); \
    CREATE INDEX pairs_by_number ON koan_pairs (number); CREATE INDEX pairs_by_both ON koan_pairs (content, owner); \
    CREATE INDEX pairs_by_size ON koan_pairs (content, number)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_passes_the_conformance_suite() {
    let installed = installed_versions();
    // The newest installed version is tested as well, as a representative of the versions that are newer than
    // those in `VERSIONS`.
    for version in
        VERSIONS.into_iter().chain(installed.last().copied().filter(|last| !VERSIONS.contains(last)))
    {
        let server = Server::of_version(version);
        let mut number = 0;
        let conformance = conformance::run(async || {
            number += 1;
            server.psql("postgres", &format!("CREATE DATABASE empty{number}"));
            server.psql(&format!("empty{number}"), PAIRS);
            let address = server.address_of("postgres", &format!("empty{number}"));
            Ok(Arc::new(Postgres::connect(address)?) as Arc<dyn Provider>)
        })
        .await
        .expect("a database");

        let conformance = conformance.require_passed().expect("all checks passed");
        assert!(conformance.passed() > 20, "{conformance}");
    }
}
