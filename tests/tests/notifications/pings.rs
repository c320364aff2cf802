//! Pings of a service that reports when a backup does not run.

use koan_backup::notify::HealthCheck;
use koan_backup_tests::receiver::Receiver;

use crate::fixture::{Shop, fail, made, notifier, succeed};

#[tokio::test]
async fn the_start_the_success_and_the_failure_are_pinged_with_the_id_of_the_run() {
    let (shop, receiver) = (Shop::new(), Receiver::answering([]));
    let notifier = notifier(HealthCheck::new(&receiver.url("ping/5a1b")).expect("the check is valid"));
    let koan = shop.koan(&notifier).await;
    let report = made(&koan, "nightly").await;
    shop.break_down();
    fail(&koan, "nightly").await;
    shop.repair();
    succeed(&koan, "nightly").await;
    assert!(notifier.shutdown().await.is_complete());
    let targets = receiver.targets();
    let (first, run) = (report.id(), |target: &str| target.split_once("?rid=").expect("an id").1.to_owned());
    assert_eq!(targets[0], format!("POST /ping/5a1b/start?rid={first}"));
    assert_eq!(targets[1], format!("POST /ping/5a1b?rid={first}"));
    let paths: Vec<_> = targets.iter().filter_map(|target| Some(target.split_once('?')?.0)).collect();
    let (start, success, failure) = ("POST /ping/5a1b/start", "POST /ping/5a1b", "POST /ping/5a1b/fail");
    assert_eq!(paths, [start, success, start, failure, start, success]);
    assert_eq!(run(&targets[2]), run(&targets[3]), "the failure is that of its start: {targets:?}");
}

#[tokio::test]
async fn a_backup_with_warnings_is_a_success_of_the_check() {
    let (shop, receiver) = (Shop::new(), Receiver::answering([]));
    let notifier = notifier(HealthCheck::new(&receiver.url("ping/5a1b/")).expect("the check is valid"));
    let koan = shop.koan(&notifier).await;
    succeed(&koan, "nightly").await;
    shop.lose_most_records();
    let report = made(&koan, "nightly").await;
    assert!(!report.warnings().is_empty(), "the loss is a warning");
    assert!(notifier.shutdown().await.is_complete());
    assert_eq!(
        receiver.targets()[2..],
        [
            format!("POST /ping/5a1b/start?rid={}", report.id()),
            format!("POST /ping/5a1b/?rid={}", report.id()),
        ]
    );
}

#[tokio::test]
async fn a_backup_that_failed_before_it_began_is_a_failure_without_a_run() {
    let receiver = Receiver::answering([]);
    let notifier = notifier(HealthCheck::new(&receiver.url("ping/5a1b")).expect("the check is valid"));
    let error = koan_backup::Error::new(koan_backup::ErrorKind::Provider, "the database does not answer");
    notifier.backup_failed("nightly", &error);
    assert!(notifier.shutdown().await.is_complete());
    let requests = receiver.requests();
    assert_eq!(receiver.targets(), ["POST /ping/5a1b/fail"]);
    assert_eq!(String::from_utf8_lossy(&requests[0].body), "the database does not answer");
}
