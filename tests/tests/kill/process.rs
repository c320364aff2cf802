//! The child process that is killed. It runs the same test program, for one test.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use koan_backup_tests::random_seed::print_line;
use koan_backup_tests::test_process;

const FOLDER: &str = "KOAN_BACKUP_KILL_FOLDER";
const BEGUN: &str = "the job has begun";
const ENDING: &str = "the job is ending";
const DONE: &str = "the job is done";
/// The time after which a process that does not continue is considered hung.
const HANGS: Duration = koan_backup_tests::wait::HANG_TIMEOUT;

/// The progress of a job when it was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// The job was running.
    Working,
    /// The process had reported that the job was done.
    Done,
}

/// A moment in a job.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moment {
    /// This time after the job began.
    OfAll(Duration),
    /// This time after the last record of the job, in the phase that decides whether the job takes effect.
    OfItsEnd(Duration),
}

/// The duration of a job.
#[derive(Clone, Copy, Debug)]
pub(super) struct Took {
    pub(super) all: Duration,
    /// The duration from the last record to the end.
    pub(super) end: Duration,
}

/// Returns the folder of the job, in the process that is killed.
pub(super) fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// Runs the job in the process that is killed, prints that it is done, and waits to be killed.
pub(super) fn do_the_job(job: impl FnOnce()) {
    print_line(BEGUN);
    job();
    print_line(DONE);
    // This read ends when the parent process has ended.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// Prints that the last record was read or written, in the process that is killed.
pub(super) fn say_that_it_ends() {
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
        worker.hear(BEGUN, Instant::now() + HANGS);
        Self { begun: Instant::now(), ..worker }
    }

    /// Returns the duration of the job, and kills the process afterwards.
    pub(super) fn time(mut self) -> Took {
        self.hear(ENDING, self.begun + HANGS);
        let ending = Instant::now();
        self.hear(DONE, ending + HANGS);
        let took = Took { all: self.begun.elapsed(), end: ending.elapsed() };
        self.end();
        took
    }

    /// Kills the process at a moment of its job.
    pub(super) fn kill_at(mut self, moment: Moment) -> Reached {
        let until = match moment {
            Moment::OfAll(moment) => self.begun + moment,
            Moment::OfItsEnd(moment) => {
                self.hear(ENDING, self.begun + HANGS);
                Instant::now() + moment
            }
        };
        let done = self.heard(DONE, until);
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
        self.end();
        // A line that the process printed before it was killed may not have been read yet.
        if done || self.heard(DONE, Instant::now() + HANGS) { Reached::Done } else { Reached::Working }
    }

    /// Kills the process now, in the middle of its job.
    pub(super) fn kill(mut self) {
        self.end();
        assert!(!self.heard(DONE, Instant::now() + HANGS), "it was done before it was killed");
    }

    fn end(&mut self) {
        let ended = self.child.try_wait().expect("a process that can be asked");
        assert_eq!(ended, None, "the process ended before it was killed; what it said is above");
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    fn hear(&self, word: &str, until: Instant) {
        assert!(self.heard(word, until), "the process did not say `{word}`");
    }

    /// Returns whether the process prints the word before that moment and before it ends.
    fn heard(&self, word: &str, until: Instant) -> bool {
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                // The line may begin with the name of the test.
                Ok(line) if line.ends_with(word) => return true,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return false,
            }
        }
    }
}
