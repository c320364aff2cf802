//! The progress of operations on streams, and the callbacks that receive it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde::Serialize;

/// The progress of the backup of one aggregate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StreamProgress {
    /// The number of events that were read.
    pub events: u64,
    /// The number of events of all included streams.
    pub total_events: u64,
}

impl StreamProgress {
    pub(crate) fn new(events: u64, total_events: u64) -> Self {
        Self { events, total_events }
    }

    /// Returns the percentage of the events that were read, with one decimal: at most 100, also of an aggregate without
    /// events.
    pub fn percent(&self) -> f64 {
        let tenths =
            match u128::from(self.events).saturating_mul(1_000).checked_div(u128::from(self.total_events)) {
                Some(tenths) => u32::try_from(tenths).unwrap_or(u32::MAX).min(1_000),
                None => 1_000,
            };
        f64::from(tenths) / 10.0
    }
}

/// The progress of an operation on many aggregates. It is reported once for each aggregate, after it was processed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BulkProgress {
    /// The number of aggregates that succeeded or failed.
    pub processed: usize,
    /// The number of all aggregates.
    pub total: usize,
    /// The number of aggregates that succeeded.
    pub succeeded: usize,
    /// The number of aggregates that failed.
    pub failed: usize,
}

type Receive<P> = dyn Fn(&P) + Send + Sync;

/// A callback that receives the progress of an operation.
pub(crate) struct Callback<P>(Option<Arc<Receive<P>>>);

impl<P> Callback<P> {
    pub(crate) fn new(receive: impl Fn(&P) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(receive)))
    }

    /// Passes the progress to the callback. A panic of the callback is logged and does not end the operation.
    pub(crate) fn emit(&self, progress: &P) {
        if let Some(receive) = &self.0
            && catch_unwind(AssertUnwindSafe(|| receive(progress))).is_err()
        {
            tracing::warn!(target: "koan::backup", "a callback for the progress of event streams panicked");
        }
    }
}

impl<P> Clone for Callback<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P> Default for Callback<P> {
    fn default() -> Self {
        Self(None)
    }
}

impl<P> fmt::Debug for Callback<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Callback(some)" } else { "Callback(none)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentage_never_exceeds_100_and_an_empty_aggregate_is_complete() {
        for (events, total, percent) in
            [(0, 0, 100.0), (0, 3, 0.0), (1, 3, 33.3), (3, 3, 100.0), (9, 3, 100.0), (u64::MAX, 1, 100.0)]
        {
            let found = StreamProgress::new(events, total).percent();
            assert!((found - percent).abs() < 0.001, "{events} of {total}: {found}");
        }
    }

    #[test]
    fn a_callback_that_panics_does_not_end_the_operation() {
        Callback::new(|_: &StreamProgress| panic!("a bug of the application"))
            .emit(&StreamProgress::default());
    }
}
