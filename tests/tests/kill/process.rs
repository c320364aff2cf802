//! The process that is killed: this program once more, for one test.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use koan_backup_tests::random_seed::say;
use koan_backup_tests::test_process;

const FOLDER: &str = "KOAN_BACKUP_KILL_FOLDER";
const BEGUN: &str = "the job has begun";
const ENDING: &str = "the job is ending";
const DONE: &str = "the job is done";
/// Nothing here takes that long: a process that does hangs.
const HANGS: Duration = koan_backup_tests::wait::GIVE_UP;

/// How far a job was when it was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// It was at work.
    Working,
    /// It had said that it was done.
    Done,
}

/// A moment in a job.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moment {
    /// So long after it began.
    OfAll(Duration),
    /// So long after its last record, when it is decided whether it has happened.
    OfItsEnd(Duration),
}

/// How long a job takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Took {
    pub(super) all: Duration,
    /// From its last record on.
    pub(super) end: Duration,
}

/// In the process that is killed, the folder of its work.
pub(super) fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// In the process that is killed, does the job, says so, and lives on until it is killed.
pub(super) fn do_the_job(job: impl FnOnce()) {
    say(BEGUN);
    job();
    say(DONE);
    // Ends when whoever is to kill it has gone.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// In the process that is killed, says that the last record was read or written.
pub(super) fn say_that_it_ends() {
    say(ENDING);
}

/// A process whose job has begun.
pub(super) struct Worker {
    child: Child,
    lines: Receiver<String>,
    begun: Instant,
}

impl Worker {
    /// Starts one that runs `test`, and waits for its job to begin.
    pub(super) fn start(test: &str, folder: &Path) -> Self {
        let (child, lines) = test_process::of_test(test, FOLDER, folder);
        let worker = Self { child, lines, begun: Instant::now() };
        worker.hear(BEGUN, Instant::now() + HANGS);
        Self { begun: Instant::now(), ..worker }
    }

    /// How long the job takes. The process is killed afterwards.
    pub(super) fn time(mut self) -> Took {
        self.hear(ENDING, self.begun + HANGS);
        let ending = Instant::now();
        self.hear(DONE, ending + HANGS);
        let took = Took { all: self.begun.elapsed(), end: ending.elapsed() };
        self.end();
        took
    }

    /// Kills it at a moment of its job.
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
        // What it said before it died may still be on its way.
        if done || self.heard(DONE, Instant::now() + HANGS) { Reached::Done } else { Reached::Working }
    }

    /// Kills it now, in the middle of its job.
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

    /// Whether it says the word before that moment, or before it ends.
    fn heard(&self, word: &str, until: Instant) -> bool {
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                // The name of the test may stand in front.
                Ok(line) if line.ends_with(word) => return true,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return false,
            }
        }
    }
}
