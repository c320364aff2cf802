//! The process that is killed: this program once more, for one test.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use koan_backup_tests::chance::say;

const FOLDER: &str = "KOAN_BACKUP_KILL_FOLDER";
const BEGUN: &str = "the job has begun";
const DONE: &str = "the job is done";
/// Nothing here takes that long: a process that does hangs.
const HANGS: Duration = Duration::from_secs(60);

/// How far a job was when it was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// It was at work.
    Working,
    /// It had said that it was done.
    Done,
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

/// A process whose job has begun.
pub(super) struct Worker {
    child: Child,
    lines: Receiver<String>,
    begun: Instant,
}

impl Worker {
    /// Starts one that runs `test`, and waits for its job to begin.
    pub(super) fn start(test: &str, folder: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", test, "--nocapture"])
            .env(FOLDER, folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let worker = Self { child, lines, begun: Instant::now() };
        worker.hear(BEGUN, Instant::now() + HANGS);
        Self { begun: Instant::now(), ..worker }
    }

    /// How long the whole job takes. The process is killed afterwards.
    pub(super) fn time(mut self) -> Duration {
        self.hear(DONE, self.begun + HANGS);
        let took = self.begun.elapsed();
        self.end();
        took
    }

    /// Kills it so long after its job began.
    pub(super) fn kill_after(mut self, moment: Duration) -> Reached {
        let heard = self.heard(DONE, self.begun + moment);
        std::thread::sleep((self.begun + moment).saturating_duration_since(Instant::now()));
        self.end();
        // What it said before it died may still be on its way.
        if heard || self.heard(DONE, Instant::now() + HANGS) { Reached::Done } else { Reached::Working }
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
