//! The time and memory that one run of a program uses.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::Result;

/// The measurements of one run.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// The time from the start of the process to its end.
    pub(crate) wall: Duration,
    /// The processor time on all processors together. The load of the machine hardly affects it.
    pub(crate) processor: Duration,
    /// The number of records that the run processed.
    pub(crate) records: u64,
    /// The size of the JSON lines of the records.
    pub(crate) json_bytes: u64,
    /// The size of the file that the run wrote.
    pub(crate) output_bytes: u64,
    /// The peak memory of the run.
    pub(crate) peak_memory_bytes: u64,
}

/// Returns the run with the median wall-clock time.
pub(crate) fn median(runs: &[Measured]) -> Measured {
    let mut runs = runs.to_vec();
    runs.sort_by_key(|run| run.wall);
    runs[runs.len() / 2]
}

/// Returns the median of the peak memory of the runs.
pub(crate) fn median_memory(runs: &[Measured]) -> u64 {
    let mut peaks: Vec<u64> = runs.iter().map(|run| run.peak_memory_bytes).collect();
    peaks.sort_unstable();
    peaks[peaks.len() / 2]
}

/// Runs a command until it ends, and returns the time that the command and its child processes used.
pub(crate) fn run(command: &mut Command) -> Result<(Output, Measured)> {
    let (before, started) = (processor_time_of_children()?, Instant::now());
    let output = command.output()?;
    let wall = started.elapsed();
    let processor = processor_time_of_children()?.saturating_sub(before);
    if output.status.success() {
        return Ok((output, Measured { wall, processor, ..Measured::default() }));
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} failed: {errors}; tests/setup installs the required tools").into())
}

/// Returns the processor time of the child processes that have ended. Linux reports it in hundredths of a
/// second.
fn processor_time_of_children() -> Result<Duration> {
    let status = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = status
        .rsplit_once(')')
        .ok_or("/proc/self/stat has an unknown format, so the processor time is unknown")?;
    let ticks = fields.split_whitespace().skip(13).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}
