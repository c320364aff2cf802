//! Webhooks are signed, and describe what happened.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use koan_backup::notify::{NotificationKind, Webhook};
use koan_backup_tests::receiver::{Receiver, Request};
use serde_json::Value;
use sha2::Sha256;

use crate::fixture::{Shop, fail, made, notifier, succeed};

const SECRET: &str = "correct horse battery staple";

fn webhook(receiver: &Receiver) -> Webhook {
    Webhook::new(&receiver.url("hook"), SECRET).expect("the webhook is valid")
}

/// Verifies a request as the documentation of `Webhook` says, and returns its body.
fn verified(request: &Request) -> Value {
    let header =
        |name: &str| request.headers.get(name).unwrap_or_else(|| panic!("no header `{name}`: {request:?}"));
    let mut signed = format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).into_bytes();
    signed.extend_from_slice(&request.body);
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key").chain_update(&signed);
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(
        header("webhook-signature"),
        &expected,
        "the signature is that of the id, the time and the body"
    );
    assert_eq!(request.headers["content-type"], "application/json");
    serde_json::from_slice(&request.body).expect("the body is JSON")
}

fn kinds(receiver: &Receiver) -> Vec<String> {
    let requests = receiver.requests();
    requests.iter().map(|request| verified(request)["kind"].as_str().expect("a kind").to_owned()).collect()
}

#[tokio::test]
async fn a_failure_and_the_recovery_after_it_are_notified_with_a_signature() {
    let (shop, receiver) = (Shop::new(), Receiver::answering([]));
    let notifier = notifier(webhook(&receiver));
    let koan = shop.koan(&notifier).await;
    succeed(&koan, "nightly-2026-11-28").await;
    shop.break_down();
    fail(&koan, "nightly-2026-11-29").await;
    shop.repair();
    let report = made(&koan, "nightly-2026-11-30").await;
    succeed(&koan, "nightly-2026-12-01").await;
    let delivered = notifier.shutdown().await;
    assert!(delivered.is_complete(), "{delivered:?}");
    let requests = receiver.requests();
    let [failure, recovery] = requests.as_slice() else { panic!("two notifications: {requests:?}") };
    let failure = verified(failure);
    for (field, expected) in [
        ("kind", "failure"),
        ("operation", "backup"),
        ("application", "shop"),
        ("environment", "test"),
        ("series", "nightly"),
        ("name", "nightly-2026-11-29"),
    ] {
        assert_eq!(failure[field], expected, "`{field}` of {failure}");
    }
    let recovery = verified(recovery);
    assert_eq!(
        (&recovery["kind"], &recovery["isRecovery"]),
        (&"recovery".into(), &true.into()),
        "{recovery}"
    );
    assert_eq!(recovery["backupId"], report.id().to_string(), "{recovery}");
    assert!(recovery["durationMs"].is_u64() && recovery["error"].is_null(), "{recovery}");
}

#[tokio::test]
async fn a_recovery_is_noticed_after_a_restart_also_of_another_series_only_once() {
    let (shop, receiver) = (Shop::new(), Receiver::answering([]));
    let first = notifier(webhook(&receiver).on([]));
    let koan = shop.koan(&first).await;
    succeed(&koan, "weekly").await;
    shop.break_down();
    fail(&koan, "nightly").await;
    drop(koan);
    assert!(first.shutdown().await.is_complete());
    shop.repair();
    let second = notifier(webhook(&receiver));
    let koan = shop.koan(&second).await;
    for name in ["weekly", "nightly", "nightly"] {
        succeed(&koan, name).await;
    }
    assert!(second.shutdown().await.is_complete());
    let requests = receiver.requests();
    let [recovery] = requests.as_slice() else { panic!("one notification: {requests:?}") };
    assert_eq!(verified(recovery)["series"], "nightly");
}

#[tokio::test]
async fn a_warning_is_notified_also_if_it_is_a_recovery() {
    let (shop, receiver) = (Shop::new(), Receiver::answering([]));
    let notifier = notifier(webhook(&receiver));
    let koan = shop.koan(&notifier).await;
    succeed(&koan, "nightly").await;
    shop.break_down();
    fail(&koan, "nightly").await;
    shop.repair();
    shop.lose_most_records();
    succeed(&koan, "nightly").await;
    succeed(&koan, "nightly").await;
    assert!(notifier.shutdown().await.is_complete());
    let bodies: Vec<_> = receiver.requests().iter().map(verified).collect();
    assert_eq!(kinds(&receiver)[..2], ["failure", "warning"], "{bodies:?}");
    assert_eq!(bodies[1]["isRecovery"], true, "{bodies:?}");
}

#[tokio::test]
async fn a_webhook_receives_what_it_selects() {
    let (shop, receiver) = (Shop::new(), Receiver::answering([]));
    let selected = [NotificationKind::Start, NotificationKind::Success];
    let notifier = notifier(webhook(&receiver).on(selected));
    let koan = shop.koan(&notifier).await;
    succeed(&koan, "nightly").await;
    shop.break_down();
    fail(&koan, "nightly").await;
    shop.repair();
    // The recovery is a success for a target that does not select recoveries.
    succeed(&koan, "nightly").await;
    assert!(notifier.shutdown().await.is_complete());
    assert_eq!(kinds(&receiver), ["start", "success", "start", "start", "success"]);
}
