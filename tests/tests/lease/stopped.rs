//! Tests two processes that remove backups. One process is stopped during a removal until the other process
//! has acquired the lease of the stopped process.

use std::path::Path;
use std::time::Duration;

use koan_backup::BackupId;
use koan_backup::prelude::*;
use koan_backup_tests::random_seed::print_line;
use koan_backup_tests::wait;

use super::processes::{FOLDER, LEASE_TIME, OUTPUT_PREFIX, Worker};
use super::removing::{pause, removal_requests, store};
use super::shop::{NAME, Shared, builder, complete_backups};

const TEST: &str =
    "stopped::a_process_that_was_stopped_during_a_removal_does_not_remove_the_last_valid_backup";

/// Reads a command of the parent process.
fn read_command() -> String {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("readable");
    line.trim().to_owned()
}

/// Runs in the child process. Reads the id of a backup and the number of a request, deletes the backup,
/// pauses at that request, and continues at the next command.
async fn delete(folder: &Path) {
    let store = store(folder);
    let koan = builder("shop", store.storage(), Duration::ZERO)
        .lease_time(LEASE_TIME)
        .build()
        .await
        .expect("a context");
    print_line(&format!("{OUTPUT_PREFIX}ready"));
    let id: BackupId = read_command().parse().expect("an id");
    let request = removal_requests(id)[read_command().parse::<usize>().expect("the number of a request")];
    pause(&store, request);
    let deleting = async {
        match koan.delete(id).await {
            Ok(_) => print_line(&format!("{OUTPUT_PREFIX}deleted")),
            Err(error) => print_line(&format!("{OUTPUT_PREFIX}{:?}: {}", error.kind(), error.chain())),
        }
    };
    let stopping = async {
        store.until_called(request.0, request.1, request.2).await;
        // This process has verified the other copy and confirmed its lease.
        print_line(&format!("{OUTPUT_PREFIX}removing"));
        tokio::task::spawn_blocking(read_command).await.expect("no panic");
        store.resume();
    };
    tokio::join!(deleting, stopping);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_was_stopped_during_a_removal_does_not_remove_the_last_valid_backup() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return delete(Path::new(&folder)).await;
    }
    for request in 0..4 {
        let shared = Shared::new();
        let koan = shared.koan("shop", Duration::ZERO).await;
        let remaining = koan.backup(NAME).await.expect("a backup").id();
        let other = koan.backup(NAME).await.expect("a backup").id();
        let mut worker = Worker::start(TEST, shared.path());
        worker.send(&remaining.to_string());
        worker.send(&request.to_string());
        assert_eq!(worker.receive(), "removing", "{request}");
        worker.signal("-STOP");
        // The lease of the stopped process expires. Then this process removes the other backup, unless it is
        // the last one that is listed.
        let mut removed = false;
        let delete_other = async || match koan.delete(other).await {
            Ok(_) => {
                removed = true;
                true
            }
            Err(error) if error.kind() == ErrorKind::Busy => false,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Conflict, "{request}: {error:?}");
                true
            }
        };
        wait::until("the lease of the stopped process has expired", delete_other).await;
        assert_eq!(
            removed,
            request < 2,
            "{request}: after the manifest is hidden, the other copy is the last one and is not removed"
        );
        worker.send("go on");
        worker.signal("-CONT");
        let message = worker.receive();
        assert!(message.starts_with("Busy: ") && message.contains("lease"), "{request}: {message}");
        let left = complete_backups(&koan).await;
        assert!(left.contains(&remaining), "{request}: {message}");
        assert!(koan.verify(remaining).await.expect("read").is_valid(), "{request}: {message}");
    }
}
