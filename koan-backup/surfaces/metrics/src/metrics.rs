//! The metrics of a context.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use koan_backup_core::catalog::SeriesName;
use koan_backup_core::{BackupName, Koan, Listener};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use crate::collector;
use crate::options::MetricsOptions;
use crate::readings::{LastReadings, read_profiles, read_stream_backups, read_verifications};
use crate::state::State;

/// The content type of the text that [`Metrics::encode`] returns.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The name of backups in a context that sets no other. It says nothing about which backups are expected.
const DEFAULT_NAME: &str = "default";

/// The metrics of a context. It is cheap to clone, and its clones have the same values.
///
/// [`listener`](Self::listener) counts what happens in this process, and [`refresh`](Self::refresh) reads the storage
/// profiles and the catalog, which contain the backups of other processes as well. A metric whose value is not known
/// is 0, so that an alert on the age of the last success also notices that there never was one.
///
/// It is a [`Collector`], so an application with its own registry calls `registry.register_collector` with a box of a
/// clone, and does not need [`encode`](Self::encode).
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    options: MetricsOptions,
    state: Mutex<State>,
    last_readings: tokio::sync::Mutex<LastReadings>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::with_options(MetricsOptions::default())
    }
}

impl Metrics {
    /// Creates metrics with the default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates metrics.
    pub fn with_options(options: MetricsOptions) -> Self {
        let state = State::new(options.series.iter().map(|name| series_of(name)), options.max_series);
        Self(Arc::new(Inner {
            state: Mutex::new(state),
            last_readings: tokio::sync::Mutex::default(),
            options,
        }))
    }

    /// Returns the listener that counts the events of a context, for
    /// [`KoanBuilder::observe`](koan_backup_core::KoanBuilder::observe).
    pub fn listener(&self) -> Listener {
        let metrics = self.clone();
        Listener::new(move |event| metrics.state().observe(event))
    }

    /// Adds the series that the context expects, the object names of its event streams, its gaps in the coverage, and
    /// its storage profiles, and then reads as [`refresh`](Self::refresh) does. It is called once, after the context was built.
    ///
    /// The expected series are those of [`Koan::expectations`], and that of the configured name of backups.
    pub async fn attach(&self, koan: &Koan) {
        {
            let mut state = self.state();
            let name = koan.default_backup_name().as_str();
            for name in koan.expectations().names().chain((name != DEFAULT_NAME).then_some(name)) {
                state.series(&series_of(name));
            }
            for object in koan.capabilities().event_streams.keys() {
                state.streams.object(object);
            }
        }
        self.refresh(koan).await;
    }

    /// Reads each storage profile and its catalog, at most for [`storage_timeout`](MetricsOptions::storage_timeout)
    /// each, so that a scrape never waits longer. The gaps in the coverage are those of the current inventory. It reads
    /// nothing if the last reading is younger than [`catalog_interval`](MetricsOptions::catalog_interval).
    ///
    /// A problem is no error: a profile that cannot be read is not up, and the last known values remain.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect except that the next reading is not earlier.
    pub async fn refresh(&self, koan: &Koan) {
        let options = &self.0.options;
        let inventory = koan.inventory();
        let gaps = inventory.uncovered.len().saturating_add(inventory.warnings.len());
        self.state().uncovered = Some(u64::try_from(gaps).unwrap_or(u64::MAX));
        // One reading at a time: a second scrape waits for the first, and then has its values.
        let mut last = self.0.last_readings.lock().await;
        if !last.is_catalog_due(options.catalog_interval) {
            return;
        }
        let are_verifications_due = last.are_verifications_due(options.verifications_interval);
        let verifications = async {
            match are_verifications_due {
                true => read_verifications(koan, options.storage_timeout).await,
                false => None,
            }
        };
        let streams = async {
            match are_verifications_due {
                true => read_stream_backups(koan, options.storage_timeout).await,
                false => Vec::new(),
            }
        };
        let profiles = read_profiles(koan, options.storage_timeout);
        let (profiles, verifications, streams) =
            futures::future::join3(profiles, verifications, streams).await;
        if are_verifications_due && verifications.is_none() {
            last.forget_verifications();
        }
        let mut state = self.state();
        state.read(&profiles, verifications.as_ref());
        for (object, at) in &streams {
            if let Some(metrics) = state.streams.object(object) {
                metrics.made(*at);
            }
        }
    }

    /// Returns all metrics as OpenMetrics text, with the content type [`CONTENT_TYPE`].
    pub fn encode(&self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self.clone()));
        let mut text = String::new();
        text::encode(&mut text, &registry).expect("a String accepts every text");
        text
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        collector::encode(&self.state(), &mut encoder)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("options", &self.0.options).finish_non_exhaustive()
    }
}

/// Returns the series of a name; a name that is not valid is its own series.
fn series_of(name: &str) -> String {
    BackupName::new(name).map_or_else(|_| name.to_owned(), |name| SeriesName::of(&name).to_string())
}
