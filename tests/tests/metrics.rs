//! The metrics of a context are complete, survive a restart, and match the guide.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use koan_backup::catalog::Expectations;
use koan_backup::metrics::{Metrics, MetricsOptions};
use koan_backup::prelude::*;
use koan_backup::{CancellationToken, Event, KoanBuilder, Listener, MemoryEvents};
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use koan_backup_tests::order_events::event;
use object_store::memory::InMemory;
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

#[derive(Clone, Debug, Serialize, Deserialize, Entity)]
struct Item {
    id: i64,
    name: String,
}

/// An event of an order, whose streams have single backups.
#[derive(Debug, Serialize, Deserialize, EventStream)]
#[event_stream(object = "order")]
#[entity_backup]
enum OrderEvent {
    Paid,
}

/// An entity that no backup contains.
#[derive(Clone, Debug, Serialize, Deserialize, Entity)]
#[entity_backup(enabled = false, reason = "a cache")]
struct Cached {
    id: i64,
}

const GUIDE: &str = include_str!("../../koan-backup/docs/metrics.md");

fn builder(directory: &Path, metrics: &Metrics) -> KoanBuilder {
    Koan::builder()
        .provider(Sqlite::open(directory.join("shop.db")).expect("the database opens"))
        .event_store(orders())
        .storage(Storage::local(directory.join("backups")).expect("the storage opens"))
        .state_directory(directory.join("state"))
        .application("shop")
        .expectations(Expectations::new().backup_every("nightly", Duration::from_secs(86_400)))
        .observe(metrics.listener())
}

/// Returns an event store with two orders.
fn orders() -> MemoryEvents {
    let events = MemoryEvents::new();
    for id in ["order-1", "order-2"] {
        events.append("order", id, [event("Paid", "\"Paid\"")]).expect("appended");
    }
    events
}

fn shop() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    sql(
        directory.path(),
        "create table Item (id, name text not null, primary key (id)); insert into Item values (1, 'a'), (2, 'b');
         create table Cached (id integer primary key); create table orphan (id integer primary key)",
    );
    directory
}

fn sql(directory: &Path, statements: &str) {
    let database = rusqlite::Connection::open(directory.join("shop.db")).expect("the database opens");
    database.execute_batch(statements).expect("the statements succeed");
}

/// Returns metrics that read the storage in every scrape.
fn eager() -> Metrics {
    let options =
        MetricsOptions::new().catalog_interval(Duration::ZERO).verifications_interval(Duration::ZERO);
    Metrics::with_options(options)
}

/// Returns the value of a sample, for example of `runs_total{name="nightly"}`.
fn value(metrics: &Metrics, sample: &str) -> Option<f64> {
    let text = metrics.encode();
    let line =
        text.lines().find_map(|line| line.strip_prefix(&format!("koan_backup_{sample} ")).map(str::to_owned));
    line.map(|value| value.parse().expect("a number"))
}

#[track_caller]
fn assert_value(metrics: &Metrics, sample: &str, expected: f64) {
    assert_eq!(value(metrics, sample), Some(expected), "`{sample}` in {}", metrics.encode());
}

#[track_caller]
fn assert_positive(metrics: &Metrics, sample: &str) {
    assert!(value(metrics, sample).is_some_and(|value| value > 0.0), "`{sample}` in {}", metrics.encode());
}

/// Returns the names of all metrics of a text, as the samples have them.
fn names(text: &str) -> BTreeSet<String> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.filter_map(|line| Some(line.split(['{', ' ']).next()?.to_owned())).collect()
}

#[tokio::test]
async fn every_metric_of_an_expected_series_exists_from_the_start() {
    let (directory, metrics) = (shop(), Metrics::new());
    let koan = builder(directory.path(), &metrics).build().await.expect("a context");
    metrics.attach(&koan).await;
    for outcome in ["completed", "completed_with_warnings", "failed", "cancelled"] {
        assert_value(&metrics, &format!("runs_total{{name=\"nightly\",outcome=\"{outcome}\"}}"), 0.0);
    }
    for name in [
        "duration_seconds",
        "last_success_timestamp_seconds",
        "last_verified_timestamp_seconds",
        "archive_bytes",
    ] {
        assert_value(&metrics, &format!("{name}{{name=\"nightly\"}}"), 0.0);
    }
    assert_value(&metrics, "in_progress{kind=\"backup\"}", 0.0);
    assert_value(&metrics, "in_progress{kind=\"restore\"}", 0.0);
    assert_value(&metrics, "storage_up{profile=\"local\"}", 1.0);
    // The table `orphan`; the excluded entity is no gap.
    assert_value(&metrics, "uncovered", 1.0);
    assert!(metrics.encode().ends_with("# EOF\n"));
}

#[tokio::test]
async fn runs_and_the_content_of_the_last_backup_are_counted_by_series() {
    let (directory, metrics) = (shop(), Metrics::new());
    let koan = builder(directory.path(), &metrics).build().await.expect("a context");
    metrics.attach(&koan).await;
    let report = koan.backup("nightly-2026-11-29").await.expect("a backup");
    assert_value(&metrics, "runs_total{name=\"nightly\",outcome=\"completed\"}", 1.0);
    assert_value(&metrics, "records{name=\"nightly\",entity=\"Item\"}", 2.0);
    for name in ["duration_seconds", "last_success_timestamp_seconds", "archive_bytes"] {
        assert_positive(&metrics, &format!("{name}{{name=\"nightly\"}}"));
    }
    assert_value(&metrics, "last_verified_timestamp_seconds{name=\"nightly\"}", 0.0);
    let _ = koan.verify(report.id()).await.expect("verified").require_valid().expect("a valid backup");
    assert_positive(&metrics, "last_verified_timestamp_seconds{name=\"nightly\"}");
    let success = value(&metrics, "last_success_timestamp_seconds{name=\"nightly\"}");
    sql(directory.path(), "update Item set id = 'not a number' where id = 1");
    koan.backup("nightly-2026-11-30").await.expect_err("a record does not decode");
    koan.backup("nightly").to_profile("absent").await.expect_err("the profile does not exist");
    assert_value(&metrics, "runs_total{name=\"nightly\",outcome=\"failed\"}", 2.0);
    metrics.refresh(&koan).await;
    assert_eq!(value(&metrics, "last_success_timestamp_seconds{name=\"nightly\"}"), success);
    assert_value(&metrics, "in_progress{kind=\"backup\"}", 0.0);
    let text = metrics.encode();
    assert!(
        !text.contains(&report.id().to_string()) && !text.contains("2026-11"),
        "no ids and dates: {text}"
    );
}

#[tokio::test]
async fn a_verification_that_finds_damage_is_no_verification_also_after_a_restart() {
    let (directory, metrics) = (shop(), Metrics::new());
    let koan = builder(directory.path(), &metrics).build().await.expect("a context");
    metrics.attach(&koan).await;
    let id = koan.backup("nightly").await.expect("a backup").id();
    let archives = directory.path().join("backups/archives");
    let archive =
        std::fs::read_dir(archives).expect("a folder").next().expect("an archive").expect("an entry").path();
    let mut bytes = std::fs::read(&archive).expect("the archive can be read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&archive, bytes).expect("the archive can be written");
    let report = koan.verify(id).await.expect("a report");
    assert!(report.require_valid().is_err(), "the damage is found");
    assert_value(&metrics, "last_verified_timestamp_seconds{name=\"nightly\"}", 0.0);
    drop(koan);
    let metrics = eager();
    let koan = builder(directory.path(), &metrics).build().await.expect("a context");
    metrics.attach(&koan).await;
    assert_value(&metrics, "last_verified_timestamp_seconds{name=\"nightly\"}", 0.0);
}

#[tokio::test]
async fn a_restart_loses_neither_the_last_success_nor_the_last_verification() {
    let directory = shop();
    let koan = builder(directory.path(), &Metrics::new()).build().await.expect("a context");
    let _ = koan.backup("nightly").verify_after().await.expect("a backup");
    drop(koan);
    let metrics = eager();
    let koan = builder(directory.path(), &metrics).build().await.expect("a context");
    metrics.attach(&koan).await;
    for name in [
        "duration_seconds",
        "last_success_timestamp_seconds",
        "last_verified_timestamp_seconds",
        "archive_bytes",
    ] {
        assert_positive(&metrics, &format!("{name}{{name=\"nightly\"}}"));
    }
    assert_value(&metrics, "records{name=\"nightly\",entity=\"Item\"}", 2.0);
    assert_value(&metrics, "runs_total{name=\"nightly\",outcome=\"completed\"}", 0.0);
    // Another process makes a backup.
    sql(directory.path(), "insert into Item values (3, 'c')");
    let other = builder(directory.path(), &Metrics::new()).build().await.expect("a context");
    let _ = other.backup("nightly").await.expect("a backup");
    let _ = other.backup("weekly").await.expect("a backup");
    metrics.refresh(&koan).await;
    assert_value(&metrics, "records{name=\"nightly\",entity=\"Item\"}", 3.0);
    assert_positive(&metrics, "last_success_timestamp_seconds{name=\"weekly\"}");
}

#[tokio::test]
async fn a_running_backup_is_in_progress_also_with_a_listener_of_its_own() {
    let (directory, metrics) = (shop(), Metrics::new());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (values, observed) = (Arc::clone(&seen), metrics.clone());
    let observer = Listener::new(move |event| {
        if matches!(event, Event::EntityCompleted { entity, .. } if entity == "Item") {
            let value = value(&observed, "in_progress{kind=\"backup\"}");
            values.lock().expect("no test panicked").push(value);
        }
    });
    let koan = builder(directory.path(), &metrics).observe(observer).build().await.expect("a context");
    let _ = koan.backup("nightly").on_event(|_| {}).await.expect("a backup");
    assert_eq!(*seen.lock().expect("no test panicked"), [Some(1.0)]);
    assert_value(&metrics, "in_progress{kind=\"backup\"}", 0.0);
}

#[tokio::test]
async fn a_profile_that_fails_or_does_not_answer_is_not_up_and_its_values_remain() {
    let (directory, store) = (shop(), FaultyStore::over(Arc::new(InMemory::new())));
    let options = MetricsOptions::new()
        .catalog_interval(Duration::ZERO)
        .verifications_interval(Duration::ZERO)
        .storage_timeout(Duration::from_millis(200));
    let metrics = Metrics::with_options(options);
    let koan = builder(directory.path(), &metrics)
        .named_storage("far", store.storage())
        .build()
        .await
        .expect("a context");
    metrics.attach(&koan).await;
    let _ = koan.backup("nightly").to_profile("far").await.expect("a backup");
    let bytes = value(&metrics, "archive_bytes{name=\"nightly\"}");
    for failure in [Failure::Never, Failure::Forbidden] {
        store.fail([Fault::always(Operation::List, "manifests", failure)]);
        metrics.refresh(&koan).await;
        assert_value(&metrics, "storage_up{profile=\"far\"}", 0.0);
        assert_value(&metrics, "storage_up{profile=\"local\"}", 1.0);
        assert_eq!(value(&metrics, "archive_bytes{name=\"nightly\"}"), bytes, "{failure:?}");
    }
    store.resume();
    metrics.refresh(&koan).await;
    assert_value(&metrics, "storage_up{profile=\"far\"}", 1.0);
}

#[tokio::test]
async fn a_second_scrape_within_the_interval_does_not_read_the_storage() {
    let (directory, store) = (shop(), FaultyStore::over(Arc::new(InMemory::new())));
    let metrics = Metrics::with_options(MetricsOptions::new().catalog_interval(Duration::from_secs(86_400)));
    let koan = builder(directory.path(), &metrics)
        .named_storage("far", store.storage())
        .build()
        .await
        .expect("a context");
    metrics.attach(&koan).await;
    let calls = store.call_count(Operation::List, "");
    metrics.refresh(&koan).await;
    assert_eq!(store.call_count(Operation::List, ""), calls, "no list was requested");
}

#[tokio::test]
async fn single_backups_and_their_restores_are_counted_by_object_name() {
    let (directory, metrics) = (shop(), Metrics::new());
    let koan = builder(directory.path(), &metrics).build().await.expect("a context");
    metrics.attach(&koan).await;
    let last = "stream_last_success_timestamp_seconds{object=\"order\"}";
    let runs = |metric: &str, object: &str, outcome: &str| {
        format!("stream_{metric}_total{{object=\"{object}\",outcome=\"{outcome}\"}}")
    };
    for outcome in ["completed", "failed", "cancelled"] {
        assert_value(&metrics, &runs("runs", "order", outcome), 0.0);
        assert_value(&metrics, &runs("restores", "order", outcome), 0.0);
    }
    assert_value(&metrics, last, 0.0);
    let orders = koan.streams("order").expect("declared");
    orders.backup("absent").await.expect_err("there is no such order");
    assert_value(&metrics, &runs("runs", "order", "failed"), 1.0);
    assert_value(&metrics, last, 0.0);
    let handle = orders.backup("order-1").await.expect("a backup");
    let report = orders.backup_all().await.expect("backups");
    assert_eq!(report.succeeded(), 2);
    assert_value(&metrics, &runs("runs", "order", "completed"), 3.0);
    assert_positive(&metrics, last);
    // A backup that was not begun is not counted.
    drop(orders.backup("order-1").into_future());
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    orders.backup("order-1").cancel_on(cancelled).await.expect_err("cancelled");
    assert_value(&metrics, &runs("runs", "order", "cancelled"), 1.0);

    orders.restore(&handle).await.expect_err("the order exists");
    assert_value(&metrics, &runs("restores", "order", "failed"), 1.0);
    orders.restore_as(&handle, "order-3").await.expect("a clone");
    orders.restore(handle.id).on_conflict(ConflictMode::Keep).await.expect("kept");
    assert_value(&metrics, &runs("restores", "order", "completed"), 2.0);
    let absent = koan_backup::BackupId::from_uuid(Default::default());
    let report = koan.restore_streams([absent]).await.expect("a report");
    assert_eq!(report.failed(), 1);
    assert_value(&metrics, &runs("restores", "other", "failed"), 1.0);
    let text = metrics.encode();
    assert!(!text.contains("order-") && !text.contains(&handle.id.to_string()), "no ids: {text}");

    // Another process knows only what the storage contains.
    drop(koan);
    let metrics = eager();
    let koan = builder(directory.path(), &metrics).build().await.expect("a context");
    metrics.attach(&koan).await;
    assert_positive(&metrics, last);
    assert_value(&metrics, &runs("runs", "order", "completed"), 0.0);
}

/// Each name that the example rules contain, and each row of the table of the guide, is a metric, and each metric has
/// a row.
#[tokio::test]
async fn the_guide_and_its_alert_rules_name_exactly_the_metrics_that_exist() {
    let (directory, metrics) = (shop(), Metrics::new());
    let koan = builder(directory.path(), &metrics).build().await.expect("a context");
    metrics.attach(&koan).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    let existing = names(&metrics.encode());
    let in_text = |text: &str| -> BTreeSet<String> {
        let words = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
        words.filter(|word| word.starts_with("koan_backup_")).map(str::to_owned).collect()
    };
    let (_, rules) = GUIDE.split_once("```yaml\n").expect("the rules");
    let (rules, _) = rules.split_once("```").expect("the end of the rules");
    let in_rules = in_text(rules);
    assert!(in_rules.len() > 5, "the rules use metrics: {in_rules:?}");
    let unknown: Vec<_> = in_rules.difference(&existing).collect();
    assert!(unknown.is_empty(), "the rules name metrics that do not exist: {unknown:?}");
    let rows = GUIDE.lines().filter(|line| line.starts_with("| `koan_backup_")).flat_map(|line| {
        let name = line.trim_start_matches("| `").split(['{', '`']).next().unwrap_or_default();
        in_text(name)
    });
    assert_eq!(rows.collect::<BTreeSet<_>>(), existing, "the table of the guide");
}
