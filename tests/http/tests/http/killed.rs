//! A server that is killed while it restores.

use std::path::Path;
use std::time::{Duration, Instant};

use koan_backup_http_tests::{Server, create_tables};
use koan_backup_tests::random_seed::{print_line, rounds, seed};
use koan_backup_tests::wait;
use reqwest::StatusCode;
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Remote;
use crate::process::ServerProcess;

/// The number of users and of orders.
const RECORDS: i64 = 2_000;
/// The number of kills at random times, which is multiplied by [`rounds`].
const KILLS: u32 = 6;
/// How long a lease of a provider is valid. A server under load must be able to renew it.
const LEASE_TIME: Duration = Duration::from_secs(10);

/// The server that is killed.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_that_is_killed() {
    let Some(folder) = ServerProcess::folder() else { return };
    ServerProcess::serve(open(&folder).await).await;
}

/// Starts a server whose leases of providers expire soon after it was killed.
async fn open(folder: &Path) -> Server {
    let configure = |builder: koan_backup::KoanBuilder| builder.lease_time(LEASE_TIME);
    Server::open(folder, |options| options, configure).await.expect("the server starts")
}

/// A shop whose records were lost, and a server that can restore them.
struct Shop {
    folder: TempDir,
    server: ServerProcess,
    backup: String,
}

/// A restore whose server was killed.
struct Killed {
    folder: TempDir,
    backup: String,
    operation: String,
}

impl Shop {
    async fn prepare() -> Self {
        let folder = TempDir::new().expect("a folder");
        create_tables(&database(&folder), RECORDS).expect("the tables are created");
        let server = ServerProcess::start("killed::the_server_that_is_killed", folder.path());
        let backup = server.remote.backup("nightly").await;
        lose_records(&folder);
        Self { folder, server, backup }
    }

    /// Starts a restore, and returns the id of its operation.
    async fn start_restore(&self) -> String {
        let accepted =
            self.server.remote.post(&format!("/api/backup/restore/{}", self.backup), &json!({})).await;
        assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
        accepted.body["operationId"].as_str().expect("an id").to_owned()
    }

    fn kill(self, operation: String) -> Killed {
        self.server.kill();
        Killed { folder: self.folder, backup: self.backup, operation }
    }
}

impl Killed {
    /// Checks what a new server reports, and what the database contains. Returns the status of the operation.
    async fn check(&self) -> String {
        let server = open(self.folder.path()).await;
        let remote = Remote::new(&server.url);
        let mut operation = Value::Null;
        wait::until("the lease of the operation expires", async || {
            operation = remote.get(&format!("/api/backup/operations/{}", self.operation)).await.body;
            !matches!(operation["status"].as_str(), Some("queued" | "running" | "cancelling"))
        })
        .await;
        let status = operation["status"].as_str().expect("a status").to_owned();
        let counts = counts(&self.folder);
        match status.as_str() {
            "completed" => assert_eq!(counts, (RECORDS, RECORDS), "{operation}"),
            "interrupted" => {
                assert!(counts == (0, 0) || counts == (RECORDS, RECORDS), "{counts:?}: {operation}");
                assert!(
                    operation["result"].is_null() && operation["errorMessage"].is_string(),
                    "{operation}"
                );
            }
            _ => panic!("a killed restore is reported as {operation}"),
        }
        // The lease of the provider expires as well.
        let path = format!("/api/backup/restore/{}?wait=true", self.backup);
        wait::until("a new restore is possible", async || {
            let restored = remote.post(&path, &json!({})).await;
            assert!(matches!(restored.status, StatusCode::OK | StatusCode::CONFLICT), "{restored:?}");
            restored.status == StatusCode::OK
        })
        .await;
        assert_eq!(self::counts(&self.folder), (RECORDS, RECORDS), "the new server restores everything");
        status
    }
}

fn database(folder: &TempDir) -> Connection {
    Connection::open(folder.path().join("shop.db")).expect("the database opens")
}

fn lose_records(folder: &TempDir) {
    database(folder).execute_batch("DELETE FROM users; DELETE FROM orders").expect("the records are deleted");
}

fn counts(folder: &TempDir) -> (i64, i64) {
    let text = "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM orders)";
    let counts = database(folder).query_row(text, [], |row| Ok((row.get(0)?, row.get(1)?)));
    counts.expect("the records are counted")
}

/// Kills the server while the restore waits for the database, which another program has locked.
async fn kill_before_the_first_write() -> Killed {
    let shop = Shop::prepare().await;
    let lock = database(&shop.folder);
    lock.execute_batch("BEGIN IMMEDIATE").expect("the database is locked");
    let operation = shop.start_restore().await;
    let path = format!("/api/backup/operations/{operation}");
    wait::until("the restore runs", async || {
        shop.server.remote.get(&path).await.body["status"].as_str() == Some("running")
    })
    .await;
    shop.kill(operation)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_whose_server_is_killed_is_interrupted_and_leaves_all_or_nothing() {
    let (seed, mut killed) = (seed(), vec![kill_before_the_first_write().await]);
    let mut random = fastrand::Rng::with_seed(seed);
    // The moments of the kills are spread over the time that a restore takes on this machine.
    let shop = Shop::prepare().await;
    let started = Instant::now();
    let operation = shop.start_restore().await;
    let ended = shop.server.remote.ended(&json!({ "operationId": operation })).await;
    let duration = started.elapsed();
    assert_eq!(ended["status"], "completed", "{ended}");
    killed.push(shop.kill(operation));
    for _ in 0..KILLS * rounds() {
        let shop = Shop::prepare().await;
        let operation = shop.start_restore().await;
        tokio::time::sleep(duration.mul_f64(random.f64())).await;
        killed.push(shop.kill(operation));
    }
    let statuses = futures::future::join_all(killed.iter().map(Killed::check)).await;
    assert_eq!(statuses[..2], ["interrupted", "completed"], "{statuses:?}");
    let interrupted = statuses.iter().filter(|status| *status == "interrupted").count();
    print_line(&format!("{} kills, {interrupted} restores were interrupted; seed {seed}", statuses.len()));
}
