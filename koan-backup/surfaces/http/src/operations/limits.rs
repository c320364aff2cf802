//! The limits of operations.

use std::time::Duration;

/// How many operations run and wait, and how long leases last.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) struct OperationLimits {
    /// How many operations of this process run at the same time.
    pub(crate) running: usize,
    /// How many operations of this process wait for their turn.
    pub(crate) queued: usize,
    /// How long an operation remains with its process without a renewal of its lease.
    pub(crate) lease_time: Duration,
    /// The interval in which progress is published and requests of other processes are read.
    pub(crate) interval: Duration,
    /// How long a shutdown waits for work to stop, and then again for its end to be recorded.
    pub(crate) shutdown_time: Duration,
    /// Which finished operations are kept.
    pub(crate) history: HistoryLimits,
}

impl Default for OperationLimits {
    fn default() -> Self {
        Self {
            running: 4,
            queued: 64,
            lease_time: Duration::from_secs(30),
            interval: Duration::from_secs(1),
            shutdown_time: Duration::from_secs(30),
            history: HistoryLimits::default(),
        }
    }
}

impl OperationLimits {
    /// Sets how many operations run at the same time. It is at least 1.
    pub(crate) fn running(mut self, operations: usize) -> Self {
        self.running = operations.max(1);
        self
    }

    /// Sets how many operations wait for their turn.
    pub(crate) fn queued(mut self, operations: usize) -> Self {
        self.queued = operations;
        self
    }

    /// Sets how long an operation remains with its process without a renewal of its lease.
    #[cfg(test)]
    pub(crate) fn lease_time(mut self, time: Duration) -> Self {
        self.lease_time = time;
        self
    }

    /// Sets the interval in which progress is published and requests of other processes are read.
    #[cfg(test)]
    pub(crate) fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets how long a shutdown waits for work to stop, and then again for its end to be recorded.
    #[cfg(test)]
    pub(crate) fn shutdown_time(mut self, time: Duration) -> Self {
        self.shutdown_time = time;
        self
    }

    /// Sets which finished operations are kept.
    #[cfg(test)]
    pub(crate) fn history(mut self, history: HistoryLimits) -> Self {
        self.history = history;
        self
    }

    /// Returns the interval in which leases are renewed and the leases of other processes are read.
    pub(crate) fn renewal_interval(&self) -> Duration {
        self.lease_time / 6
    }
}

/// Which finished operations are kept. Operations that have not ended are always kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) struct HistoryLimits {
    /// The number of finished operations that are kept at most.
    pub(crate) max_count: u32,
    /// How long a finished operation is kept.
    pub(crate) max_age: Duration,
    /// The number of the newest finished operations that are kept at any age, also if the clock is wrong.
    pub(crate) min_count: u32,
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self { max_count: 10_000, max_age: Duration::from_secs(90 * 24 * 60 * 60), min_count: 100 }
    }
}

impl HistoryLimits {
    /// Sets the number of finished operations that are kept at most.
    #[cfg(test)]
    pub(crate) fn max_count(mut self, operations: u32) -> Self {
        self.max_count = operations;
        self
    }

    /// Sets how long a finished operation is kept.
    #[cfg(test)]
    pub(crate) fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Sets the number of the newest finished operations that are kept at any age.
    #[cfg(test)]
    pub(crate) fn min_count(mut self, operations: u32) -> Self {
        self.min_count = operations;
        self
    }
}
