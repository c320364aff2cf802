//! The metrics of series that nobody expected, and the form of the text.

use std::time::Duration;

use jiff::Timestamp;
use koan_backup_core::ErrorKind;

use crate::outcome::{OperationKind, Outcome};
use crate::state::State;
use crate::{Metrics, MetricsOptions};

#[test]
fn further_series_are_counted_together() {
    let mut state = State::new(["expected".to_owned()], 2);
    for name in ["a", "b", "c"] {
        match state.series(name) {
            Some(series) => series.ended(Outcome::Failed, Duration::ZERO, Timestamp::UNIX_EPOCH),
            None => state.count_other(Outcome::Failed),
        }
    }
    assert_eq!(state.series.keys().collect::<Vec<_>>(), ["a", "expected"]);
    let others = state.other.expect("runs of other series");
    assert_eq!(others.iter().find(|(outcome, _)| *outcome == Outcome::Failed), Some((Outcome::Failed, 2)));
}

#[test]
fn an_older_success_does_not_replace_a_newer_one() {
    let mut state = State::new([], 1);
    let series = state.series("nightly").expect("a series");
    let (older, newer) =
        (Timestamp::from_second(1).expect("a time"), Timestamp::from_second(2).expect("a time"));
    for at in [newer, older] {
        series.ended(Outcome::CompletedWithWarnings, Duration::from_secs(1), at);
        series.verified(at);
    }
    assert_eq!((series.last_success, series.last_verified), (Some(newer), Some(newer)));
    series.ended(Outcome::Failed, Duration::from_secs(1), Timestamp::now());
    assert_eq!(series.last_success, Some(newer), "a failure is no success");
}

#[test]
fn two_restores_of_one_backup_are_both_in_progress() {
    let id = koan_backup_core::BackupId::from_uuid(Default::default());
    let mut state = State::new([], 1);
    state.started(OperationKind::Restore, id);
    state.started(OperationKind::Restore, id);
    state.ended(OperationKind::Restore, id);
    state.ended(OperationKind::Backup, id);
    assert_eq!(state.in_progress(OperationKind::Restore), 1);
    state.ended(OperationKind::Restore, id);
    state.ended(OperationKind::Restore, id);
    assert_eq!(state.in_progress(OperationKind::Restore), 0);
}

#[test]
fn a_series_called_other_and_further_series_have_one_sample_together() {
    let metrics = Metrics::with_options(MetricsOptions::new().series(["other"]).max_series(1));
    metrics.state().count_other(Outcome::Failed);
    let text = metrics.encode();
    let samples: Vec<_> = text.lines().filter(|line| line.contains("outcome=\"failed\"")).collect();
    assert_eq!(samples, ["koan_backup_runs_total{name=\"other\",outcome=\"failed\"} 1"]);
}

#[test]
fn further_object_names_are_counted_together_and_have_no_other_metric() {
    let metrics = Metrics::with_options(MetricsOptions::new().max_series(1));
    let emit = |object: &str, error| metrics.state().streams.backup_ended(object, error);
    emit("order", None);
    emit("invoice", None);
    emit("patient", Some(ErrorKind::Provider));
    let text = metrics.encode();
    let samples: Vec<_> =
        text.lines().filter(|line| line.contains("object=") && !line.ends_with(" 0")).collect();
    let is_known = |line: &&&str| !line.contains("object=\"order\"") && !line.contains("object=\"other\"");
    assert_eq!(samples.iter().find(is_known), None, "{text}");
    for sample in [
        "koan_backup_stream_runs_total{object=\"order\",outcome=\"completed\"} 1",
        "koan_backup_stream_runs_total{object=\"other\",outcome=\"completed\"} 1",
        "koan_backup_stream_runs_total{object=\"other\",outcome=\"failed\"} 1",
    ] {
        assert!(samples.contains(&sample), "{sample} in {text}");
    }
    assert!(!text.contains("last_success_timestamp_seconds{object=\"other\"}"), "{text}");
}
