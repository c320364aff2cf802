//! Processes that are killed, and processes that share a store. The second process runs one test of this program.

use std::io::BufReader;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::fixture::{Fixture, Gate, backup, limits, reached, start, succeed};
use crate::operations::{OperationId, OperationLimits, OperationStatus};

/// Contains the state directory in the second process.
const FOLDER: &str = "KOAN_TEST_OPERATIONS";
const LEASE_TIME: Duration = Duration::from_secs(4);

fn short_lease() -> OperationLimits {
    limits().lease_time(LEASE_TIME)
}

/// A second process with an operation in each state.
struct Second {
    process: Child,
    ids: Vec<OperationId>,
    output: BufReader<std::process::ChildStdout>,
}

impl Second {
    fn start(folder: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "operations::tests::killed::the_second_process", "--nocapture"])
            .env(FOLDER, folder)
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
    let store =
        crate::operations::SqliteOperationStore::open(Path::new(&folder)).await.expect("the file opens");
    let limits = short_lease().running(2);
    let clock = std::sync::Arc::new(koan_backup_core::SystemClock);
    let operations = crate::operations::Operations::open(std::sync::Arc::new(store), limits, clock);
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
    let fixture = Fixture::new();
    let mut second = Second::start(fixture.path());
    second.process.kill().expect("the process is killed");
    second.process.wait().expect("the process has ended");
    let started = std::time::Instant::now();
    let operations = fixture.operations_with(short_lease()).await;
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
    if started.elapsed() < LEASE_TIME {
        assert_eq!(found, statuses, "a start of another process changes nothing");
    }
    for id in &second.ids[1..] {
        let ended = reached(&operations, *id, OperationStatus::Interrupted).await;
        assert!(started.elapsed() >= LEASE_TIME, "the lease has expired");
        assert!(ended.result.is_none() && ended.error.is_some(), "{ended:?}");
    }
    assert_eq!(
        operations.get(second.ids[0]).await.expect("it exists").status,
        OperationStatus::Completed,
        "an end that was recorded survives the kill"
    );
}

#[tokio::test]
async fn two_processes_share_their_operations() {
    let fixture = Fixture::new();
    let mut second = Second::start(fixture.path());
    let operations = fixture.operations_with(short_lease()).await;
    let mine = Gate::new();
    let my_id = start(&operations, &mine).await;
    let (running, queued) = (second.ids[2], second.ids[3]);
    operations.cancel(running, "bob").await.expect("the cancellation is recorded");
    assert_eq!(line(&mut second.output), "ended cancelled", "the other process has stopped its work");
    let ended = operations.wait(running).await.expect("it ends");
    assert_eq!(ended.status, OperationStatus::Cancelled);
    assert_ne!(ended.owner.process, std::process::id());
    // The place that became free belongs to the operation that was queued there.
    assert_eq!(operations.wait(queued).await.expect("it ends").status, OperationStatus::Completed);
    mine.release();
    assert_eq!(operations.wait(my_id).await.expect("it ends").status, OperationStatus::Completed);
}
