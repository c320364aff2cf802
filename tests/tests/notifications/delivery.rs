//! A notification is repeated where this helps, and a target that does not answer prevents nothing.

use std::time::Duration;

use koan_backup::notify::{HealthCheck, NotificationKind, Notifier, Webhook};
use koan_backup::{Error, ErrorKind};
use koan_backup_tests::receiver::{Answer, Receiver};
use koan_backup_tests::wait::until_sync;

use crate::fixture::{Shop, impatient, made, notifier};

fn failure() -> Error {
    Error::new(ErrorKind::Provider, "the database does not answer")
}

fn webhook(receiver: &Receiver) -> Webhook {
    Webhook::new(&receiver.url("hook"), "correct horse battery staple").expect("the webhook is valid")
}

#[tokio::test]
async fn a_busy_target_is_tried_again_with_the_same_id() {
    let receiver = Receiver::answering([Answer::Status(503), Answer::Status(429)]);
    let notifier = notifier(webhook(&receiver));
    notifier.backup_failed("nightly", &failure());
    let report = notifier.shutdown().await;
    assert_eq!((report.targets[0].delivered, report.targets[0].failed), (1, 0), "{report:?}");
    let ids: Vec<_> =
        receiver.requests().iter().map(|request| request.headers["webhook-id"].clone()).collect();
    assert!(
        ids.len() == 3 && ids.iter().all(|id| *id == ids[0]),
        "three attempts of one notification: {ids:?}"
    );
}

#[tokio::test]
async fn a_target_that_stays_busy_is_given_up_after_the_retries() {
    let receiver = Receiver::answering([Answer::Status(500); 4]);
    let notifier = notifier(webhook(&receiver));
    notifier.backup_failed("nightly", &failure());
    notifier.backup_failed("nightly", &failure());
    let report = notifier.shutdown().await;
    assert_eq!((report.targets[0].delivered, report.targets[0].failed), (1, 1), "{report:?}");
    let warnings: Vec<_> = report.warnings().collect();
    assert_eq!(
        warnings,
        ["1 notification was not delivered to `target`: `127.0.0.1` answered with status 500"]
    );
}

#[tokio::test]
async fn an_answer_that_repetition_does_not_change_is_final() {
    for (answer, expected) in [
        (Answer::Status(404), "`127.0.0.1` answered with status 404"),
        (Answer::Redirect, "`127.0.0.1` redirects to another address (status 307), which is not followed"),
    ] {
        let receiver = Receiver::answering([answer]);
        let notifier = notifier(webhook(&receiver));
        notifier.backup_failed("nightly", &failure());
        let report = notifier.shutdown().await;
        assert_eq!(receiver.targets(), ["POST /hook"], "one attempt, and no redirect is followed");
        assert_eq!(report.targets[0].last_problem.as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn a_target_without_a_server_fails_no_backup() {
    let shop = Shop::new();
    // Nothing listens on this port any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let url = format!("http://127.0.0.1:{}/secret", port.expect("a port").port());
    let notifier = notifier(HealthCheck::new(&url).expect("the check is valid"));
    let koan = shop.koan(&notifier).await;
    assert!(made(&koan, "nightly").await.is_complete());
    let report = notifier.shutdown().await;
    assert_eq!((report.targets[0].failed, report.is_complete()), (2, false), "{report:?}");
    let problem = report.targets[0].last_problem.as_deref().unwrap_or_default();
    assert!(problem.starts_with("no connection to `127.0.0.1`"), "{problem}");
}

#[tokio::test]
async fn a_target_that_never_answers_delays_neither_others_nor_the_shutdown_without_limit() {
    let (silent, answering) = (Receiver::answering([Answer::Silence]), Receiver::answering([]));
    let notifier = impatient()
        .shutdown_timeout(Duration::from_millis(100))
        .target("silent", webhook(&silent))
        .target("answering", webhook(&answering))
        .start()
        .expect("the notifier starts");
    notifier.backup_failed("nightly", &failure());
    notifier.backup_failed("nightly", &failure());
    until_sync("the other target has both", || answering.requests().len() == 2).await;
    let report = notifier.shutdown().await;
    let counts: Vec<_> = report.targets.iter().map(|target| (target.delivered, target.unsent)).collect();
    assert_eq!(counts, [(0, 2), (2, 0)], "{report:?}");
}

#[tokio::test]
async fn the_queue_is_bounded_and_what_it_does_not_hold_is_reported() {
    let receiver = Receiver::answering([Answer::Silence]);
    let notifier = impatient()
        .shutdown_timeout(Duration::ZERO)
        .target("silent", webhook(&receiver))
        .start()
        .expect("the notifier starts");
    for _ in 0..1000 {
        notifier.backup_failed("nightly", &failure());
    }
    // 256 wait, and the first one may already be in delivery.
    let unsent = notifier.report().targets[0].unsent;
    assert!((743..=744).contains(&unsent), "{unsent} are reported before the shutdown");
    let report = notifier.shutdown().await;
    assert_eq!(report.targets[0].unsent, 1000, "{report:?}");
    notifier.backup_failed("nightly", &failure());
    assert_eq!(notifier.report().targets[0].unsent, 1001, "nothing is accepted after the shutdown");
}

#[test]
fn a_notifier_without_a_runtime_and_two_targets_with_one_name_are_refused() {
    let check = || HealthCheck::new("https://hc.example.com/x").expect("the check is valid");
    let error = Notifier::builder().target("a", check()).start().expect_err("there is no runtime");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _entered = runtime.enter();
    let two = Notifier::builder().target("a", check()).target("a", check().on([NotificationKind::Start]));
    let error = two.start().expect_err("the names are equal");
    assert!(error.message().contains("`a`"), "{error}");
}
