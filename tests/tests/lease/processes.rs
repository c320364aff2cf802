//! Tests processes that need the same lease: contending, killed and paused processes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use koan_backup::prelude::*;
use koan_backup::{Event, archive::BackupStatus};
use koan_backup_tests::random_seed::{print_line, rounds, seed};
use koan_backup_tests::test_process;

use super::shop::{NAME, RECORDS, Shared, builder, complete_backups};

/// The environment variable with the folder of the child process.
pub(super) const FOLDER: &str = "KOAN_BACKUP_LEASE_FOLDER";
/// The prefix of each message of a child process. Output without the prefix is ignored.
pub(super) const OUTPUT_PREFIX: &str = "> ";
/// The number of rounds in which two processes contend for a lease. It is multiplied by [`rounds`].
const ROUNDS: u32 = 1000;
/// The time after which a child process is considered to hang, however busy the machine is.
const HANG_TIMEOUT: Duration = koan_backup_tests::wait::HANG_TIMEOUT;
/// The lease time of processes that are killed or paused.
pub(super) const LEASE_TIME: Duration = Duration::from_secs(3);

/// A child process that starts a backup on command. The backup has its lease and waits for the next command
/// before it continues.
pub(super) struct Worker {
    child: Child,
    commands: ChildStdin,
    output: Receiver<String>,
}

impl Worker {
    pub(super) fn start(test: &str, folder: &Path) -> Self {
        let (mut child, output) = test_process::start_test(test, FOLDER, folder);
        let commands = child.stdin.take().expect("standard input is piped");
        let worker = Self { child, commands, output };
        assert_eq!(worker.receive(), "ready");
        worker
    }

    /// Sends a command to the process.
    pub(super) fn send(&mut self, command: &str) {
        writeln!(self.commands, "{command}").expect("sent");
    }

    /// Waits for the next message of the process.
    pub(super) fn receive(&self) -> String {
        loop {
            let line = self.output.recv_timeout(HANG_TIMEOUT).expect("the process prints a message");
            // The line may begin with the name of the test.
            if let Some((_, message)) = line.split_once(OUTPUT_PREFIX) {
                return message.to_owned();
            }
        }
    }

    /// Sends a signal to the process.
    pub(super) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("`kill` is installed").success(), "{signal}");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a command. Returns `false` if the parent process has ended.
fn receives_command() -> bool {
    std::io::stdin().read_line(&mut String::new()).is_ok_and(|read| read > 0)
}

/// Runs in the child process, and creates a backup at each command.
async fn work(folder: PathBuf) {
    let storage = Storage::local(folder).expect("a directory");
    let koan =
        builder("shop", storage, Duration::ZERO).lease_time(LEASE_TIME).build().await.expect("a context");
    print_line(&format!("{OUTPUT_PREFIX}ready"));
    while receives_command() {
        let backup = koan.backup(NAME).on_event(|event| {
            if matches!(event, Event::BackupStarted { .. }) {
                print_line(&format!("{OUTPUT_PREFIX}began"));
                // The lease is renewed during this wait, unless the whole process is paused.
                receives_command();
            }
        });
        match backup.await {
            Ok(_) => print_line(&format!("{OUTPUT_PREFIX}published")),
            Err(error) => print_line(&format!("{OUTPUT_PREFIX}{:?}: {}", error.kind(), error.chain())),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_that_contend_for_a_lease_never_both_publish() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return work(folder.into()).await;
    }
    let test = "processes::two_processes_that_contend_for_a_lease_never_both_publish";
    let shared = Shared::new();
    let mut workers = [0, 1].map(|_| Worker::start(test, shared.path()));
    let (seed, count, began) = (seed(), ROUNDS * rounds(), Instant::now());
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut won = [0u32; 2];
    for round in 0..count {
        let first = rng.usize(..2);
        workers[first].send("back up");
        workers[1 - first].send("back up");
        let messages = [workers[0].receive(), workers[1].receive()];
        let winner = match messages.each_ref().map(String::as_str) {
            ["began", lost] if lost.starts_with("Busy: another process is backing up") => 0,
            [lost, "began"] if lost.starts_with("Busy: another process is backing up") => 1,
            _ => panic!(
                "round {round}: not exactly one of the processes began a backup: {messages:?}; seed {seed}"
            ),
        };
        won[winner] += 1;
        workers[winner].send("go on");
        assert_eq!(workers[winner].receive(), "published", "round {round}; seed {seed}");
    }
    let koan = shared.koan("shop", Duration::ZERO).await;
    assert_eq!(
        complete_backups(&koan).await.len(),
        usize::try_from(count).expect("the number of rounds fits into usize")
    );
    assert_eq!(shared.archives(), usize::try_from(count).expect("the number of rounds fits into usize"));
    print_line(&format!("lease: {count} rounds in {:?}, won {won:?}; seed {seed}", began.elapsed()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lease_of_a_killed_process_expires() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return work(folder.into()).await;
    }
    let shared = Shared::new();
    let mut worker = Worker::start("processes::the_lease_of_a_killed_process_expires", shared.path());
    worker.send("back up");
    assert_eq!(worker.receive(), "began");
    let process = worker.child.id();
    drop(worker);
    let killed = Instant::now();
    let koan = shared.koan("shop", Duration::ZERO).await;
    let error = koan.backup(NAME).await.expect_err("the lease has not expired");
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains(&format!("application `shop`, process {process}")), "{error}");
    let backup = loop {
        match koan.backup(NAME).await {
            Ok(backup) => break backup,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Busy, "{error}"),
        }
        assert!(killed.elapsed() < HANG_TIMEOUT, "timeout: the lease of the killed process does not expire");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(backup.item_count(), RECORDS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_was_paused_for_too_long_does_not_publish() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return work(folder.into()).await;
    }
    let shared = Shared::new();
    let test = "processes::a_process_that_was_paused_for_too_long_does_not_publish";
    let koan = shared.koan("shop", Duration::ZERO).await;
    let mut worker = Worker::start(test, shared.path());
    // In the first round, another backup acquires and releases the lease while the process is paused. In the
    // second round, the lease only expires.
    for is_taken in [true, false] {
        worker.send("back up");
        assert_eq!(worker.receive(), "began");
        worker.signal("-STOP");
        tokio::time::sleep(LEASE_TIME * 2).await;
        let before = complete_backups(&koan).await.len();
        if is_taken {
            let _ = koan.backup(NAME).await.expect("the lease has expired");
        }
        worker.send("go on");
        worker.signal("-CONT");
        let message = worker.receive();
        assert!(message.starts_with("Busy: the lease `leases/backup/nightly-"), "{message}");
        assert!(message.contains("nothing was published"), "{message}");
        assert_eq!(complete_backups(&koan).await.len(), before + usize::from(is_taken));
        assert_eq!(shared.archives(), 1);
    }
    let failed = koan.backups().await.expect("listed");
    let failed = failed.iter().filter(|manifest| manifest.status == BackupStatus::Failed);
    assert_eq!(failed.count(), 2);
}
