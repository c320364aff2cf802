//! The encoding of the metrics.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::outcome::{OperationKind, Outcome};
use crate::series::Runs;
use crate::state::{OTHER_SERIES, State};
use crate::streams::{StreamRuns, StreamState};

type Labels<'a, const COUNT: usize> = [(&'static str, &'a str); COUNT];

/// Encodes all metrics. Their order and that of their labels is always the same.
pub(crate) fn encode(state: &State, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    runs(state, encoder)?;
    let each = || state.series.iter().map(|(name, series)| ([("name", name.as_str())], series));
    let seconds = |at: Option<jiff::Timestamp>| at.map_or(0, jiff::Timestamp::as_second);
    gauge(
        encoder,
        "koan_backup_duration_seconds",
        "The duration of the last backup that ended, whatever its outcome.",
        each().map(|(labels, series)| (labels, series.duration.as_secs_f64())),
    )?;
    gauge(
        encoder,
        "koan_backup_last_success_timestamp_seconds",
        "When the last completed backup ended; 0 if there is none.",
        each().map(|(labels, series)| (labels, seconds(series.last_success))),
    )?;
    gauge(
        encoder,
        "koan_backup_last_verified_timestamp_seconds",
        "When a backup was last verified without a fault; 0 if none was.",
        each().map(|(labels, series)| (labels, seconds(series.last_verified))),
    )?;
    gauge(
        encoder,
        "koan_backup_archive_bytes",
        "The size of the archive of the newest completed backup.",
        each().map(|(labels, series)| (labels, series.archive_bytes)),
    )?;
    let records = state.series.iter().flat_map(|(name, series)| {
        let records = series.records.iter();
        records.map(|(entity, count)| ([("name", name.as_str()), ("entity", entity.as_str())], *count))
    });
    gauge(
        encoder,
        "koan_backup_records",
        "The number of records of an entity in the newest completed backup.",
        records,
    )?;
    gauge(
        encoder,
        "koan_backup_uncovered",
        "The number of entities, tables and columns that no backup contains and that are not excluded.",
        state.uncovered.into_iter().map(|count| ([], count)),
    )?;
    gauge(
        encoder,
        "koan_backup_in_progress",
        "The number of operations of this process that are running.",
        OperationKind::ALL.into_iter().map(|kind| ([("kind", kind.label())], state.in_progress(kind))),
    )?;
    gauge(
        encoder,
        "koan_backup_storage_up",
        "Whether a storage profile answered the last time that it was read: 1 or 0.",
        state.profiles.iter().map(|(name, is_up)| ([("profile", name.as_str())], u64::from(*is_up))),
    )?;
    streams(&state.streams, encoder)
}

/// Encodes the metrics of the single backups of event streams.
fn streams(state: &StreamState, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let help = "The number of single backups of event streams that ended in this process, by outcome.";
    stream_runs(state, encoder, "koan_backup_stream_runs", help, |runs| runs.backups)?;
    let help = "The number of restores of single backups that ended in this process, by outcome.";
    stream_runs(state, encoder, "koan_backup_stream_restores", help, |runs| runs.restores)?;
    gauge(
        encoder,
        "koan_backup_stream_last_success_timestamp_seconds",
        "When the newest single backup of an event stream was made; 0 if there is none.",
        state.objects.iter().map(|(name, metrics)| {
            ([("object", name.as_str())], metrics.last_success.map_or(0, jiff::Timestamp::as_second))
        }),
    )
}

fn stream_runs(
    state: &StreamState,
    encoder: &mut DescriptorEncoder<'_>,
    metric: &str,
    help: &str,
    of: impl Fn(&StreamRuns) -> Runs,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(metric, help, None, MetricType::Counter)?;
    let objects = state.objects.iter().map(|(name, metrics)| (name.as_str(), of(&metrics.runs)));
    for (name, runs) in with_others(objects, state.other.as_ref().map(&of)) {
        // A single backup has no warnings.
        for (outcome, count) in runs.iter().filter(|(outcome, _)| *outcome != Outcome::CompletedWithWarnings)
        {
            let labels: Labels<'_, 2> = [("object", name), ("outcome", outcome.label())];
            ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

/// Adds the runs that are counted together to those with names. A sample must occur once, also if a name is that of the
/// others.
fn with_others<'n>(
    named: impl Iterator<Item = (&'n str, Runs)>,
    other: Option<Runs>,
) -> Vec<(&'n str, Runs)> {
    let mut all: Vec<_> = named.collect();
    if let Some(other) = other {
        match all.iter_mut().find(|(known, _)| *known == OTHER_SERIES) {
            Some((_, known)) => known.add(&other),
            None => all.push((OTHER_SERIES, other)),
        }
    }
    all
}

fn runs(state: &State, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let help = "The number of backups that ended in this process, by outcome.";
    // The encoder appends `_total` to the name of a counter.
    let mut metric = encoder.encode_descriptor("koan_backup_runs", help, None, MetricType::Counter)?;
    let series = state.series.iter().map(|(name, series)| (name.as_str(), series.runs));
    for (name, runs) in with_others(series, state.other) {
        for (outcome, count) in runs.iter() {
            let labels: Labels<'_, 2> = [("name", name), ("outcome", outcome.label())];
            ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn gauge<'a, const COUNT: usize, V: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: impl Iterator<Item = (Labels<'a, COUNT>, V)>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in samples {
        ConstGauge::new(value).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}
