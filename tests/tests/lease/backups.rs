//! Only one backup with the same name runs at a time.

use std::time::Duration;

use koan_backup::prelude::*;
use koan_backup::{CancellationToken, Event, SetName};
use koan_backup_tests::scripted::{Script, Scripted};
use koan_backup_tests::virtual_clock::VirtualClock;
use serde_json::json;

use super::shop::{NAME, Shared, User, builder, complete, patiently};

const SLOW: Duration = Duration::from_millis(20);

#[tokio::test(start_paused = true)]
async fn of_two_backups_with_one_name_one_succeeds_and_the_error_of_the_other_names_it() {
    let shared = Shared::new();
    let (a, b) = (shared.koan("shop", SLOW).await, shared.koan("shop", SLOW).await);
    let (left, right) = tokio::join!(a.backup(NAME).into_future(), b.backup(NAME).into_future());
    let (won, lost) = match (left, right) {
        (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
        both => panic!("one of them wins: {both:?}"),
    };
    assert_eq!(lost.kind(), ErrorKind::Busy);
    for part in [
        "another process is backing up `nightly`",
        "application `shop`",
        &format!("process {}", std::process::id()),
        "nothing has to be unlocked",
    ] {
        assert!(lost.to_string().contains(part), "{part} is not in {lost}");
    }
    // A backup that did not get the lease leaves no record of a failure.
    assert_eq!(a.backups().await.expect("listed").len(), 1);
    assert_eq!(complete(&a).await, [won.id()]);
    b.backup(NAME).await.expect("free again");
}

#[tokio::test]
async fn backups_with_another_name_or_in_another_profile_do_not_wait() {
    let (shared, other) = (Shared::new(), Shared::new());
    let koan = builder("shop", shared.storage(), SLOW).storage("other", other.storage());
    let koan = koan.build().await.expect("a context");
    let (first, second, third) = tokio::join!(
        koan.backup(NAME).into_future(),
        koan.backup("weekly").into_future(),
        koan.backup(NAME).to_profile("other").into_future(),
    );
    first.and(second).and(third).expect("none of them waits");
}

#[tokio::test(start_paused = true)]
async fn a_lease_records_its_holder_and_its_work() {
    let shared = Shared::new();
    let koan = shared.koan("shop", SLOW).await;
    let backup = koan.backup(NAME).into_future();
    let looked = async {
        patiently(async || !shared.leases("backup/nightly").is_empty()).await;
        patiently(async || shared.lease("backup/nightly")["backup"].is_string()).await;
        shared.lease("backup/nightly")
    };
    let (backup, lease) = tokio::join!(backup, looked);
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
    assert_eq!(lease["archive"], manifest.archive.expect("one").file);
    assert_eq!(shared.lease("backup/nightly")["released"], true);
}

#[tokio::test]
async fn a_failed_cancelled_or_dropped_backup_releases_its_lease() {
    let shared = Shared::new();
    let dies = Scripted::new(Script { disconnects_at: Some(("User".into(), 0)), ..Script::default() });
    dies.put(&SetName::root(), &User { id: 1 });
    let koan = Koan::builder().application("shop").storage("shared", shared.storage());
    let koan = koan.provider("main", dies);
    let koan = koan.build().await.expect("a context");
    assert_eq!(koan.backup(NAME).await.expect_err("it dies").kind(), ErrorKind::Provider);
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

    // The backup is dropped at several moments, one of them while the lease is acquired.
    let quick = shared.koan("shop", Duration::ZERO).await;
    for millis in [1, 3, 10, 100] {
        let dropped = tokio::time::timeout(Duration::from_millis(millis), koan.backup(NAME).into_future());
        assert!(dropped.await.is_err(), "it was done within {millis} ms");
        // The lease is released long before it would expire.
        patiently(async || quick.backup(NAME).await.is_ok()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_backup_that_takes_longer_than_its_lease_keeps_it() {
    let shared = Shared::new();
    // Times are those of the paused runtime: 20 records take 4 s, regardless of the load of the machine.
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
    backup.expect("renewed");
    assert_eq!(contended.expect_err("held").kind(), ErrorKind::Busy);
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
        patiently(async || !shared.leases("backup/nightly").is_empty()).await;
        other.backup(NAME).await.and(staging.backup(NAME).await)
    };
    let (first, others) = tokio::join!(slow.backup(NAME).into_future(), others);
    others.and(first).expect("none of them waits");
    assert_eq!(slow.catalog().by_name(NAME).await.expect("listed").len(), 1);
    assert_eq!(slow.backups().await.expect("listed").len(), 3);
}
