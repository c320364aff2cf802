//! Processes that are killed, and processes that share a store. The second process runs one test of this program.

use std::io::BufReader;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use koan_backup::prelude::*;
use koan_backup_core::SystemClock;
use tempfile::TempDir;

use super::fixture::{Gate, backup, limits, reached, start, succeed};
use crate::operations::{
    OperationId, OperationLimits, OperationStatus, OperationStore, Operations, ProfileOperationStore,
    SqliteOperationStore,
};

/// Contains the directory of the store in the second process.
const FOLDER: &str = "KOAN_TEST_OPERATIONS";
/// Contains the kind of the store in the second process.
const KIND: &str = "KOAN_TEST_OPERATIONS_STORE";
/// Contains the lease time in milliseconds in the second process.
const LEASE: &str = "KOAN_TEST_OPERATIONS_LEASE";

/// A lease time for processes that are killed.
const SHORT_LEASE: Duration = Duration::from_secs(6);
/// A lease time for processes that live, also on a machine under load.
const LONG_LEASE: Duration = Duration::from_secs(120);

/// The kinds of stores.
const KINDS: [&str; 2] = ["sqlite", "profile"];

fn with_lease(lease: Duration) -> OperationLimits {
    limits().lease_time(lease).running(2)
}

/// Opens the operations in a directory, with a store of this kind.
async fn open(folder: &Path, kind: &str, lease: Duration) -> Operations {
    let store: Arc<dyn OperationStore> = match kind {
        "sqlite" => Arc::new(SqliteOperationStore::open(folder).await.expect("the file opens")),
        "profile" => {
            let storage = Storage::local(folder.join("backups")).expect("a storage").create_if_missing();
            let builder = Koan::builder().provider(koan_backup::Memory::new()).storage(storage);
            let koan =
                builder.state_directory(folder).application("orrery").build().await.expect("a context");
            Arc::new(ProfileOperationStore::open(&koan).expect("the folder opens"))
        }
        kind => panic!("there is no kind of store {kind}"),
    };
    Operations::open(store, with_lease(lease), Arc::new(SystemClock))
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// A second process with an operation in each state.
struct Second {
    process: Child,
    ids: Vec<OperationId>,
    output: BufReader<std::process::ChildStdout>,
}

impl Second {
    fn start(folder: &Path, kind: &str, lease: Duration) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "operations::tests::killed::the_second_process", "--nocapture"])
            .env(FOLDER, folder)
            .env(KIND, kind)
            .env(LEASE, lease.as_millis().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the second process starts");
        let mut output = BufReader::new(process.stdout.take().expect("the output is piped"));
        let ids = loop {
            if let Some(ids) = line(&mut output).strip_prefix("operations ") {
                break ids.split_whitespace().map(|id| id.parse().expect("an id")).collect();
            }
        };
        Self { process, ids, output }
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn line(output: &mut impl std::io::BufRead) -> String {
    let mut line = String::new();
    assert_ne!(output.read_line(&mut line).expect("a line"), 0, "the second process has ended");
    line.trim_end().to_owned()
}

/// The second process: it has operations that are completed, cancelling, running and queued, prints their ids, and
/// waits until one more operation has ended.
#[tokio::test]
async fn the_second_process() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let (kind, lease) =
        (std::env::var(KIND).expect("the kind"), std::env::var(LEASE).expect("the lease time"));
    let lease = Duration::from_millis(lease.parse().expect("a number"));
    let operations = open(Path::new(&folder), &kind, lease).await;
    let completed = operations.submit(backup(), succeed).await.expect("accepted").operation.id;
    operations.wait(completed).await.expect("it ends");
    let (slow, running) = (Gate::slow_to_stop(), Gate::new());
    let cancelling = start(&operations, &slow).await;
    operations.cancel(cancelling, "ada").await.expect("the cancellation is accepted");
    let running = start(&operations, &running).await;
    let queued = operations.submit(backup(), succeed).await.expect("accepted").operation.id;
    println!("operations {completed} {cancelling} {running} {queued}");
    let ended = operations.wait(running).await.expect("it ends");
    println!("ended {}", ended.status.name());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn the_operations_of_a_killed_process_are_interrupted_when_their_leases_have_expired() {
    for kind in KINDS {
        let folder = folder();
        let mut second = Second::start(folder.path(), kind, SHORT_LEASE);
        second.process.kill().expect("the process is killed");
        second.process.wait().expect("the process has ended");
        let started = std::time::Instant::now();
        let operations = open(folder.path(), kind, SHORT_LEASE).await;
        let statuses = [
            OperationStatus::Completed,
            OperationStatus::Cancelling,
            OperationStatus::Running,
            OperationStatus::Queued,
        ];
        let mut found = Vec::new();
        for id in &second.ids {
            found.push(operations.get(*id).await.expect("it is recorded").status);
        }
        // A machine under load may need longer for this than the lease lasts.
        if started.elapsed() < SHORT_LEASE {
            assert_eq!(found, statuses, "{kind}: a start of another process changes nothing");
        }
        for id in &second.ids[1..] {
            let ended = reached(&operations, *id, OperationStatus::Interrupted).await;
            assert!(started.elapsed() >= SHORT_LEASE, "{kind}: the lease has expired");
            assert!(ended.result.is_none() && ended.error.is_some(), "{kind}: {ended:?}");
        }
        let completed = operations.get(second.ids[0]).await.expect("it exists").status;
        assert_eq!(completed, OperationStatus::Completed, "{kind}: a recorded end survives the kill");
    }
}

#[tokio::test]
async fn two_processes_share_their_operations() {
    for kind in KINDS {
        let folder = folder();
        let mut second = Second::start(folder.path(), kind, LONG_LEASE);
        let operations = open(folder.path(), kind, LONG_LEASE).await;
        let mine = Gate::new();
        let my_id = start(&operations, &mine).await;
        let (running, queued) = (second.ids[2], second.ids[3]);
        operations.cancel(running, "bob").await.expect("the cancellation is recorded");
        assert_eq!(
            line(&mut second.output),
            "ended cancelled",
            "{kind}: the other process has stopped its work"
        );
        let ended = operations.wait(running).await.expect("it ends");
        assert_eq!(ended.status, OperationStatus::Cancelled, "{kind}");
        assert_ne!(ended.owner.process, std::process::id());
        // The place that became free belongs to the operation that was queued there.
        let queued = operations.wait(queued).await.expect("it ends");
        assert_eq!(queued.status, OperationStatus::Completed, "{kind}");
        mine.release();
        let mine = operations.wait(my_id).await.expect("it ends");
        assert_eq!(mine.status, OperationStatus::Completed, "{kind}");
    }
}
