//! The child process that is killed. It runs one test of the same test program.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use koan_backup_tests::random_seed::print_line;
use koan_backup_tests::test_process;

/// The environment variable with the folder of the child process.
const FOLDER: &str = "KOAN_BACKUP_KILL_FOLDER";
const BEGUN: &str = "the job has begun";
const ENDING: &str = "the job is ending";
const DONE: &str = "the job is done";
/// The time after which a process that does not continue is considered to hang.
const HANG_TIMEOUT: Duration = koan_backup_tests::wait::HANG_TIMEOUT;

/// The progress of a job when it was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The job was running.
    Working,
    /// The process had reported that the job was done.
    Done,
}

/// The time of a kill.
#[derive(Clone, Copy, Debug)]
pub(super) enum KillTime {
    /// The duration since the job began.
    AfterStart(Duration),
    /// The duration since the job processed its last record. The job commits in this phase.
    AfterLastRecord(Duration),
}

/// The duration of a job.
#[derive(Clone, Copy, Debug)]
pub(super) struct JobDuration {
    pub(super) all: Duration,
    /// The duration from the last record to the end.
    pub(super) end: Duration,
}

/// Returns the folder of the job, in the process that is killed.
pub(super) fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// Runs the job in the process that is killed, prints that it is done, and waits to be killed.
pub(super) fn run_job(job: impl FnOnce()) {
    print_line(BEGUN);
    job();
    print_line(DONE);
    // This read ends when the parent process has ended.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// Prints that the last record was read or written, in the process that is killed.
pub(super) fn report_ending() {
    print_line(ENDING);
}

/// A process whose job has begun.
pub(super) struct Worker {
    child: Child,
    lines: Receiver<String>,
    begun: Instant,
}

impl Worker {
    /// Starts a process that runs `test`, and waits until its job begins.
    pub(super) fn start(test: &str, folder: &Path) -> Self {
        let (child, lines) = test_process::start_test(test, FOLDER, folder);
        let worker = Self { child, lines, begun: Instant::now() };
        worker.expect_message(BEGUN, Instant::now() + HANG_TIMEOUT);
        Self { begun: Instant::now(), ..worker }
    }

    /// Returns the duration of the job, and kills the process afterwards.
    pub(super) fn time(mut self) -> JobDuration {
        self.expect_message(ENDING, self.begun + HANG_TIMEOUT);
        let ending = Instant::now();
        self.expect_message(DONE, ending + HANG_TIMEOUT);
        let duration = JobDuration { all: self.begun.elapsed(), end: ending.elapsed() };
        self.end();
        duration
    }

    /// Kills the process at a time, and returns the progress of its job.
    pub(super) fn kill_at(mut self, moment: KillTime) -> Progress {
        let kill_time = match moment {
            KillTime::AfterStart(elapsed) => self.begun + elapsed,
            KillTime::AfterLastRecord(elapsed) => {
                self.expect_message(ENDING, self.begun + HANG_TIMEOUT);
                Instant::now() + elapsed
            }
        };
        let done = self.receives(DONE, kill_time);
        std::thread::sleep(kill_time.saturating_duration_since(Instant::now()));
        self.end();
        // A line that the process printed before it was killed may not have been read yet.
        if done || self.receives(DONE, Instant::now() + HANG_TIMEOUT) {
            Progress::Done
        } else {
            Progress::Working
        }
    }

    /// Kills the process immediately, and requires that its job has not ended.
    pub(super) fn kill(mut self) {
        self.end();
        assert!(
            !self.receives(DONE, Instant::now() + HANG_TIMEOUT),
            "the job ended before the process was killed"
        );
    }

    /// Kills the process.
    fn end(&mut self) {
        let status = self.child.try_wait().expect("the status of the child");
        assert_eq!(status, None, "the process ended before it was killed; see its output above");
        self.child.kill().expect("killed");
        self.child.wait().expect("the child ends");
    }

    /// Waits until the process prints a message, and fails if it does not before the deadline.
    fn expect_message(&self, message: &str, deadline: Instant) {
        assert!(self.receives(message, deadline), "the process did not print `{message}`");
    }

    /// Returns whether the process prints a message before the deadline and before the process ends.
    fn receives(&self, message: &str, deadline: Instant) -> bool {
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                // The line may begin with the name of the test.
                Ok(line) if line.ends_with(message) => return true,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return false,
            }
        }
    }
}
