//! Kills the process of a job repeatedly, and checks the state after each kill.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use koan_backup::Koan;
use koan_backup_tests::random_seed::{SEED, print_line, rounds, seed};
use tokio::runtime::Runtime;

use super::process::{JobDuration, KillTime, Progress, Worker, folder, report_ending, run_job};

/// The number of kills in one folder. Each job starts with the files that the previous killed job left.
const KILLS_PER_FOLDER: u32 = 10;
/// The latest time of a kill, as a factor of the duration of the job. The latest time is after the end of the
/// job.
const MAX_KILL_TIME_FACTOR: f64 = 1.25;

/// A job that is killed, and the conditions that must hold afterwards.
pub(super) trait Scenario: Sized {
    /// The texts for the output: the name of the job, and a description of each of the two outcomes.
    const TEXTS: OutputTexts;

    /// The number of kills, which is multiplied by [`rounds`].
    const KILLS: u32 = 100;

    /// Fills an empty folder. `number` distinguishes the folders.
    async fn prepare(folder: &Path, number: u32) -> Self;

    /// Reverts the changes of the job, before each kill.
    fn reset(&self) {}

    /// Creates the context of the application, in the process that is killed.
    async fn context(folder: &Path) -> Koan;

    /// Runs the job, in the process that is killed. Calls `on_last_record` when the last record was read or
    /// written.
    async fn work(koan: &Koan, on_last_record: fn());

    /// Checks the state after a kill, and returns it.
    async fn check(&mut self) -> KillOutcome;
}

/// The texts for the output about a job.
pub(super) struct OutputTexts {
    pub(super) job: &'static str,
    /// The text for the number of kills that left everything unchanged.
    pub(super) before: &'static str,
    /// The text for the number of kills after which the job was complete.
    pub(super) after: &'static str,
}

/// The state after a kill.
#[derive(Clone, Copy, Debug)]
pub(super) struct KillOutcome {
    pub(super) effect: JobEffect,
    /// The unfinished file or journal that the kill left, if any.
    pub(super) leftover: Option<&'static str>,
}

/// Whether a job that was killed had taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JobEffect {
    NotApplied,
    Applied,
}

/// Kills the job of a scenario at random times. In the process that is to be killed, runs the job.
pub(super) fn kill<S: Scenario>(test: &str) {
    let runtime = Runtime::new().expect("a runtime");
    match folder() {
        Some(folder) => {
            let koan = runtime.block_on(S::context(&folder));
            run_job(|| runtime.block_on(S::work(&koan, report_ending)));
        }
        None => kill_repeatedly::<S>(&runtime, test),
    }
}

fn kill_repeatedly<S: Scenario>(runtime: &Runtime, test: &str) {
    let (seed, kills) = (seed(), S::KILLS * rounds());
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut times, mut tally) = (JobDurations::default(), Tally::default());
    for number in 0..kills.div_ceil(KILLS_PER_FOLDER) {
        let folder = tempfile::tempdir().expect("a directory");
        let mut scenario = runtime.block_on(S::prepare(folder.path(), number));
        // The duration is measured in each folder, because the load of the machine changes.
        scenario.reset();
        times.add(Worker::start(test, folder.path()).time());
        let outcome = runtime.block_on(scenario.check());
        assert_eq!(
            outcome.effect,
            JobEffect::Applied,
            "{}: the job was not killed and had no effect",
            S::TEXTS.job
        );
        for _ in 0..KILLS_PER_FOLDER.min(kills - tally.kills) {
            let moment = times.moment(&mut rng);
            let _printed_on_panic = Attempt { job: S::TEXTS.job, number: tally.kills, moment, seed };
            scenario.reset();
            let progress = Worker::start(test, folder.path()).kill_at(moment);
            let outcome = runtime.block_on(scenario.check());
            assert!(
                progress == Progress::Working || outcome.effect == JobEffect::Applied,
                "the job had ended before the kill, but had no effect"
            );
            tally.add(progress, outcome);
        }
    }
    let text = tally.text(&S::TEXTS);
    print_line(&format!("{}: {text}; {times}; seed {seed}", S::TEXTS.job));
    tally.report_if_uneven(S::TEXTS.job);
}

/// The last measured durations of the job.
#[derive(Default)]
struct JobDurations(VecDeque<JobDuration>);

impl JobDurations {
    const MAX_DURATIONS: usize = 3;

    fn add(&mut self, duration: JobDuration) {
        self.0.push_back(duration);
        if self.0.len() > Self::MAX_DURATIONS {
            self.0.pop_front();
        }
    }

    /// Returns a random time for a kill. One half of the kills is distributed evenly over the whole job, and
    /// the other half over the end of the job, which is short.
    fn moment(&self, rng: &mut fastrand::Rng) -> KillTime {
        let factor = rng.f64() * MAX_KILL_TIME_FACTOR;
        match rng.bool() {
            true => KillTime::AfterStart(self.median(|duration| duration.all).mul_f64(factor)),
            false => KillTime::AfterLastRecord(self.median(|duration| duration.end).mul_f64(factor)),
        }
    }

    /// Returns the median of a duration.
    fn median(&self, duration: fn(&JobDuration) -> Duration) -> Duration {
        let mut times: Vec<_> = self.0.iter().map(duration).collect();
        times.sort();
        times.get(times.len() / 2).copied().expect("the duration was measured")
    }
}

impl fmt::Display for JobDurations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (all, end) = (self.median(|duration| duration.all), self.median(|duration| duration.end));
        write!(f, "the job takes {} ms, its end {} ms", all.as_millis(), end.as_millis())
    }
}

/// The current kill, which is printed if a check fails.
struct Attempt {
    job: &'static str,
    number: u32,
    moment: KillTime,
    seed: u64,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { job, number, moment, seed } = self;
            print_line(&format!("{job}: kill {number}, at {moment:?}; {SEED}={seed}"));
        }
    }
}

/// The number of kills, by their outcomes.
#[derive(Default)]
struct Tally {
    kills: u32,
    /// The number of kills while the job was running.
    working: u32,
    before: u32,
    after: u32,
    leftovers: BTreeMap<&'static str, u32>,
}

impl Tally {
    fn add(&mut self, progress: Progress, outcome: KillOutcome) {
        self.kills += 1;
        self.working += u32::from(progress == Progress::Working);
        match outcome.effect {
            JobEffect::NotApplied => self.before += 1,
            JobEffect::Applied => self.after += 1,
        }
        if let Some(leftover) = outcome.leftover {
            *self.leftovers.entry(leftover).or_default() += 1;
        }
    }

    fn text(&self, texts: &OutputTexts) -> String {
        let Self { kills, working, before, after, leftovers } = self;
        let mut text = format!(
            "{kills} kills: {working} during the job; {before} {}, {after} {}",
            texts.before, texts.after
        );
        for (leftover, count) in leftovers {
            let _ = write!(text, "; {count} left {leftover}");
        }
        text
    }

    /// Prints a message if most kills came after the end of the job, or if all came before or all after it
    /// took effect. The times of the kills depend on the machine, so this is not an assertion.
    fn report_if_uneven(&self, job: &str) {
        if self.working < self.kills / 4 || self.before == 0 || self.after == 0 {
            let Self { kills, working, before, after, .. } = self;
            print_line(&format!(
                "{job}: the kills are unevenly spread: of {kills} kills, {working} were during the job; \
                 {before} were before and {after} after it took effect"
            ));
        }
    }
}
