//! What one run of one program took.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::Result;

/// One run.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// From the start of the process to its end.
    pub(crate) wall: Duration,
    /// What it took of all processors together; it hardly depends on what else the machine does.
    pub(crate) processor: Duration,
    /// Records it worked on.
    pub(crate) records: u64,
    /// Bytes of their lines.
    pub(crate) json_bytes: u64,
    /// Bytes of the file it wrote.
    pub(crate) output_bytes: u64,
    /// The most memory it held at once.
    pub(crate) peak_memory_bytes: u64,
}

/// The run that took the median time.
pub(crate) fn median(runs: &[Measured]) -> Measured {
    let mut runs = runs.to_vec();
    runs.sort_by_key(|run| run.wall);
    runs[runs.len() / 2]
}

/// The median of the most memory that each run held.
pub(crate) fn median_memory(runs: &[Measured]) -> u64 {
    let mut peaks: Vec<u64> = runs.iter().map(|run| run.peak_memory_bytes).collect();
    peaks.sort_unstable();
    peaks[peaks.len() / 2]
}

/// Runs a command to its end, and tells what it and those it started took.
pub(crate) fn run(command: &mut Command) -> Result<(Output, Measured)> {
    let (before, started) = (processor_time_of_children()?, Instant::now());
    let output = command.output()?;
    let wall = started.elapsed();
    let processor = processor_time_of_children()?.saturating_sub(before);
    if output.status.success() {
        return Ok((output, Measured { wall, processor, ..Measured::default() }));
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} failed: {errors}; tests/setup installs what it needs").into())
}

/// What children that have ended took, as Linux counts it: in hundredths of a second.
fn processor_time_of_children() -> Result<Duration> {
    let status = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = status.rsplit_once(')').ok_or("this system does not count it")?;
    let ticks = fields.split_whitespace().skip(13).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}
