//! What one run of one program took.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One run.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// From the start of the process to its end.
    pub(crate) wall: Duration,
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
