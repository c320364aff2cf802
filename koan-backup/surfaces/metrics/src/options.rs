//! The options of metrics.

use std::collections::BTreeSet;
use std::time::Duration;

/// The default of [`MetricsOptions::storage_timeout`].
const STORAGE_TIMEOUT: Duration = Duration::from_secs(5);
/// The default of [`MetricsOptions::catalog_interval`].
const CATALOG_INTERVAL: Duration = Duration::from_secs(15);
/// The default of [`MetricsOptions::verifications_interval`].
const VERIFICATIONS_INTERVAL: Duration = Duration::from_secs(15 * 60);
/// The default of [`MetricsOptions::max_series`].
const MAX_SERIES: usize = 100;

/// The options of [`Metrics`](crate::Metrics).
///
/// ```
/// use std::time::Duration;
///
/// use koan_backup::metrics::{Metrics, MetricsOptions};
///
/// let options = MetricsOptions::new().series(["nightly", "weekly"]).storage_timeout(Duration::from_secs(2));
/// let metrics = Metrics::with_options(options);
/// assert!(metrics.encode().contains("koan_backup_last_success_timestamp_seconds{name=\"weekly\"} 0\n"));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MetricsOptions {
    /// Series that have metrics from the start, in addition to those of the expectations and of the catalog.
    pub series: BTreeSet<String>,
    /// How long to wait for each storage profile in one reading. A profile that does not answer is not up. The
    /// default is 5 seconds.
    pub storage_timeout: Duration,
    /// The minimum time between two readings of the catalog. The default is 15 seconds.
    pub catalog_interval: Duration,
    /// The minimum time between two readings of the verification records, and of the newest single backups of event
    /// streams. The default is 15 minutes.
    pub verifications_interval: Duration,
    /// The maximum number of series, and that of object names of event streams, with metrics. The runs of others are
    /// counted under the name `other`. The default is 100.
    pub max_series: usize,
}

impl Default for MetricsOptions {
    fn default() -> Self {
        Self {
            series: BTreeSet::new(),
            storage_timeout: STORAGE_TIMEOUT,
            catalog_interval: CATALOG_INTERVAL,
            verifications_interval: VERIFICATIONS_INTERVAL,
            max_series: MAX_SERIES,
        }
    }
}

impl MetricsOptions {
    /// Creates the default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds series that have metrics from the start, so that an alert notices that none of their backups was ever
    /// completed.
    pub fn series<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.series.extend(names.into_iter().map(Into::into));
        self
    }

    /// Sets how long to wait for each storage profile in one reading.
    pub fn storage_timeout(mut self, timeout: Duration) -> Self {
        self.storage_timeout = timeout;
        self
    }

    /// Sets the minimum time between two readings of the catalog.
    pub fn catalog_interval(mut self, interval: Duration) -> Self {
        self.catalog_interval = interval;
        self
    }

    /// Sets the minimum time between two readings of the verification records.
    pub fn verifications_interval(mut self, interval: Duration) -> Self {
        self.verifications_interval = interval;
        self
    }

    /// Sets the maximum number of series with metrics.
    pub fn max_series(mut self, count: usize) -> Self {
        self.max_series = count;
        self
    }
}
