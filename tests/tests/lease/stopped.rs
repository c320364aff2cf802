//! Tests two processes that remove backups: one is stopped in the middle of a removal until the other has
//! acquired its lease.

use std::path::Path;
use std::time::Duration;

use koan_backup::BackupId;
use koan_backup::prelude::*;
use koan_backup_tests::random_seed::print_line;
use koan_backup_tests::wait;

use super::processes::{FOLDER, HOLDS, SAYS, Worker};
use super::removing::{moments, pause, store};
use super::shop::{NAME, Shared, builder, complete};

const TEST: &str = "stopped::a_process_that_was_stopped_within_a_removal_does_not_remove_the_last_good_copy";

/// Reads a line that the parent process sent to this process.
fn told() -> String {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("readable");
    line.trim().to_owned()
}

/// Runs in a child process. Deletes the backup whose id it receives, pauses at the moment whose number it
/// receives, and continues after another line.
async fn delete(folder: &Path) {
    let store = store(folder);
    let koan =
        builder("shop", store.storage(), Duration::ZERO).lease_time(HOLDS).build().await.expect("a context");
    print_line(&format!("{SAYS}ready"));
    let id: BackupId = told().parse().expect("an id");
    let moment = moments(id)[told().parse::<usize>().expect("a number")];
    pause(&store, moment);
    let deleting = async {
        match koan.delete(id).await {
            Ok(_) => print_line(&format!("{SAYS}deleted")),
            Err(error) => print_line(&format!("{SAYS}{:?}: {}", error.kind(), error.chain())),
        }
    };
    let stopping = async {
        store.until_called(moment.0, moment.1, moment.2).await;
        // This process has verified the other copy and confirmed its lease.
        print_line(&format!("{SAYS}removing"));
        tokio::task::spawn_blocking(told).await.expect("heard");
        store.resume();
    };
    tokio::join!(deleting, stopping);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_was_stopped_within_a_removal_does_not_remove_the_last_good_copy() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return delete(Path::new(&folder)).await;
    }
    for moment in 0..4 {
        let shared = Shared::new();
        let koan = shared.koan("shop", Duration::ZERO).await;
        let one = koan.backup(NAME).await.expect("a backup").id();
        let other = koan.backup(NAME).await.expect("a backup").id();
        let mut worker = Worker::start(TEST, shared.path());
        worker.tell(&one.to_string());
        worker.tell(&moment.to_string());
        assert_eq!(worker.hear(), "removing", "{moment}");
        worker.signal("-STOP");
        // The lease of the stopped process expires by itself. Then this process removes the other copy,
        // unless that is the only copy that it finds.
        let mut removed = false;
        let is_over = async || match koan.delete(other).await {
            Ok(_) => {
                removed = true;
                true
            }
            Err(error) if error.kind() == ErrorKind::Busy => false,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Conflict, "{moment}: {error:?}");
                true
            }
        };
        wait::until("the lease of the stopped process has expired", is_over).await;
        assert_eq!(
            removed,
            moment < 2,
            "{moment}: while the manifest is hidden the other copy is the last one"
        );
        worker.tell("go on");
        worker.signal("-CONT");
        let said = worker.hear();
        assert!(said.starts_with("Busy: ") && said.contains("lease"), "{moment}: {said}");
        let left = complete(&koan).await;
        assert!(left.contains(&one), "{moment}: {said}");
        assert!(koan.verify(one).await.expect("read").is_valid(), "{moment}: {said}");
    }
}
