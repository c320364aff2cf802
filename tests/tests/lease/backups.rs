//! Tests that only one backup with the same name runs at a time.

use std::time::Duration;

use koan_backup::prelude::*;
use koan_backup::{CancellationToken, Event, SetName};
use koan_backup_tests::scripted::{Script, Scripted};
use koan_backup_tests::virtual_clock::VirtualClock;
use serde_json::json;

use super::shop::{NAME, Shared, User, builder, complete_backups, wait_until};

/// The time that the read of one record takes in a slow database.
const SLOW: Duration = Duration::from_millis(20);

#[tokio::test(start_paused = true)]
async fn of_two_concurrent_backups_with_the_same_name_exactly_one_succeeds() {
    let shared = Shared::new();
    let (a, b) = (shared.koan("shop", SLOW).await, shared.koan("shop", SLOW).await);
    let (left, right) = tokio::join!(a.backup(NAME).into_future(), b.backup(NAME).into_future());
    let (completed, refusal) = match (left, right) {
        (Ok(completed), Err(refusal)) | (Err(refusal), Ok(completed)) => (completed, refusal),
        both => panic!("not exactly one of the two backups succeeded: {both:?}"),
    };
    assert_eq!(refusal.kind(), ErrorKind::Busy);
    for text in [
        "another process is backing up `nightly`",
        "application `shop`",
        &format!("process {}", std::process::id()),
        "no manual unlock is necessary",
    ] {
        assert!(refusal.to_string().contains(text), "{text} is not in {refusal}");
    }
    // A backup that did not acquire the lease records no failure.
    assert_eq!(a.backups().await.expect("listed").len(), 1);
    assert_eq!(complete_backups(&a).await, [completed.id()]);
    let _ = b.backup(NAME).await.expect("the lease was released");
}

#[tokio::test]
async fn backups_with_another_name_or_in_another_profile_are_not_refused() {
    let (shared, other) = (Shared::new(), Shared::new());
    let koan = builder("shop", shared.storage(), SLOW).named_storage("other", other.storage());
    let koan = koan.build().await.expect("a context");
    let (first, second, third) = tokio::join!(
        koan.backup(NAME).into_future(),
        koan.backup("weekly").into_future(),
        koan.backup(NAME).to_profile("other").into_future(),
    );
    let _ = first.and(second).and(third).expect("no backup is refused");
}

#[tokio::test(start_paused = true)]
async fn a_lease_records_its_holder_its_backup_and_its_archive() {
    let shared = Shared::new();
    let koan = shared.koan("shop", SLOW).await;
    let backup = koan.backup(NAME).into_future();
    let lease = async {
        wait_until(async || !shared.leases("backup/nightly").is_empty()).await;
        wait_until(async || shared.lease("backup/nightly")["backup"].is_string()).await;
        shared.lease("backup/nightly")
    };
    let (backup, lease) = tokio::join!(backup, lease);
    let manifest = backup.expect("a backup").manifest().clone();
    assert_eq!(lease["formatVersion"], 1);
    assert_eq!(
        lease["subject"],
        json!({ "backupBy": { "name": NAME, "application": "shop", "environment": "development" } })
    );
    assert_eq!(lease["holder"]["application"], "shop");
    assert_eq!(lease["holder"]["process"], std::process::id());
    assert_eq!(lease["leaseSeconds"], 60);
    assert_eq!(lease["released"], false);
    assert_eq!(lease["backup"], manifest.id.to_string());
    assert_eq!(lease["archive"], manifest.archive.expect("an archive").file);
    assert_eq!(shared.lease("backup/nightly")["released"], true);
}

#[tokio::test]
async fn a_failed_cancelled_or_dropped_backup_releases_its_lease() {
    let shared = Shared::new();
    let failing = Scripted::new(Script { disconnects_at: Some(("User".into(), 0)), ..Script::default() });
    failing.put(&SetName::root(), &User { id: 1 });
    let koan = Koan::builder().application("shop").named_storage("shared", shared.storage());
    let koan = koan.provider(failing);
    let koan = koan.build().await.expect("a context");
    assert_eq!(koan.backup(NAME).await.expect_err("the connection is lost").kind(), ErrorKind::Provider);
    assert_eq!(shared.lease("backup/nightly")["released"], true);

    let koan = shared.koan("shop", SLOW).await;
    let token = CancellationToken::new();
    let cancel = token.clone();
    let backup = koan.backup(NAME).batch_size(2).cancel_on(token).on_event(move |event| {
        if matches!(event, Event::BatchRead { .. }) {
            cancel.cancel();
        }
    });
    assert_eq!(backup.await.expect_err("cancelled").kind(), ErrorKind::Cancelled);
    assert_eq!(shared.lease("backup/nightly")["released"], true);

    // The backup is dropped at several times, once while it acquires the lease.
    let quick = shared.koan("shop", Duration::ZERO).await;
    for millis in [1, 3, 10, 100] {
        let dropped = tokio::time::timeout(Duration::from_millis(millis), koan.backup(NAME).into_future());
        assert!(dropped.await.is_err(), "the backup ended within {millis} ms");
        // The lease is released long before it would expire.
        wait_until(async || quick.backup(NAME).await.is_ok()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_backup_that_takes_longer_than_its_lease_time_renews_its_lease() {
    let shared = Shared::new();
    // The time is that of the paused runtime: 20 records take 4 s, regardless of the load of the machine.
    let (slow, clock) = (Duration::from_millis(200), VirtualClock::start());
    let koan = builder("shop", shared.storage(), slow).lease_time(Duration::from_secs(1));
    let koan = koan.clock(clock.clone()).build().await.expect("a context");
    let other = builder("shop", shared.storage(), Duration::ZERO).clock(clock);
    let other = other.build().await.expect("a context");
    let contended = async {
        tokio::time::sleep(Duration::from_millis(3300)).await;
        other.backup(NAME).await
    };
    let (backup, contended) = tokio::join!(koan.backup(NAME).into_future(), contended);
    let _ = backup.expect("renewed");
    assert_eq!(contended.expect_err("the lease is valid").kind(), ErrorKind::Busy);
}

#[tokio::test]
async fn a_lease_time_that_is_too_short_or_too_long_fails_the_start() {
    for time in [Duration::ZERO, Duration::from_millis(999), Duration::from_secs(3601)] {
        let koan = builder("shop", Storage::memory(), SLOW).lease_time(time);
        let error = koan.build().await.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains("`lease_time`"), "{error}");
    }
}

#[tokio::test]
async fn another_application_or_environment_backs_up_under_the_same_name_at_the_same_time() {
    let shared = Shared::new();
    let slow = shared.koan("shop", SLOW).await;
    let other = shared.koan("till", Duration::ZERO).await;
    let staging = builder("shop", shared.storage(), Duration::ZERO).environment("staging");
    let staging = staging.build().await.expect("a context");
    let others = async {
        wait_until(async || !shared.leases("backup/nightly").is_empty()).await;
        other.backup(NAME).await.and(staging.backup(NAME).await)
    };
    let (first, others) = tokio::join!(slow.backup(NAME).into_future(), others);
    let _ = others.and(first).expect("no backup is refused");
    assert_eq!(slow.catalog().by_name(NAME).await.expect("listed").len(), 1);
    assert_eq!(slow.backups().await.expect("listed").len(), 3);
}
