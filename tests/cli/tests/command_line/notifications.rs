//! The command line sends the notifications of its configuration before it ends.

use assert_cmd::assert::{Assert, OutputAssertExt as _};
use koan_backup_tests::receiver::{Answer, Receiver};
use serde_json::Value;

use crate::shop::Shop;

/// Creates a shop whose configuration notifies a check and a webhook of the receiver.
fn shop(receiver: &Receiver) -> Shop {
    let shop = Shop::new(3);
    let text = format!(
        "application = \"shop\"\nenvironment = \"test\"\n[providers]\nmain = \"sqlite:shop.db\"\n\
         [storage]\nlocal = \"storage/local\"\n[backup]\nname = \"configured\"\n\
         [encryption]\nrecipients = [{:?}]\nkeys = [{{ file = \"shop.key\" }}]\n\
         [notifications.cron]\nkind = \"health_check\"\nurl = {:?}\n\
         [notifications.hook]\nkind = \"webhook\"\nurl = {:?}\nsecret = {{ file = \"webhook.key\" }}\n",
        shop.recipient(),
        receiver.url("hunter2"),
        receiver.url("hook"),
    );
    for (name, text) in [
        ("koan.toml", text.as_str()),
        ("webhook.key", "correct horse battery staple"),
        ("shop.key", shop.key()),
    ] {
        std::fs::write(shop.directory().join(name), text).expect("the file is written");
    }
    shop
}

fn run(shop: &Shop, arguments: &[&str]) -> Assert {
    shop.configured_by_file(arguments).assert()
}

fn errors(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}

/// Returns the paths of the pings, without the ids of runs.
fn pings(receiver: &Receiver) -> Vec<String> {
    let pings = receiver.targets().into_iter().filter(|target| target.contains("hunter2"));
    pings.map(|target| target.split('?').next().unwrap_or_default().replace("POST /hunter2", "")).collect()
}

/// Returns the kinds, operations and series of the webhooks.
fn webhooks(receiver: &Receiver) -> Vec<(String, String, String)> {
    let requests = receiver.requests().into_iter().filter(|request| request.target == "POST /hook");
    requests
        .map(|request| {
            let body: Value = serde_json::from_slice(&request.body).expect("the body is JSON");
            let field = |name: &str| body[name].as_str().expect("a text").to_owned();
            (field("kind"), field("operation"), field("series"))
        })
        .collect()
}

fn webhook(kind: &str, operation: &str, series: &str) -> (String, String, String) {
    (kind.to_owned(), operation.to_owned(), series.to_owned())
}

#[test]
fn a_failure_and_the_recovery_in_the_next_process_are_delivered_before_the_end() {
    let receiver = Receiver::answering([]);
    let shop = shop(&receiver);
    let assert = run(&shop, &["backup", "nightly"]).code(0);
    assert!(!errors(&assert).contains("not delivered"), "{}", errors(&assert));
    assert_eq!(pings(&receiver), ["/start", ""]);
    shop.sql("ALTER TABLE orders RENAME TO hidden");
    run(&shop, &["backup", "nightly"]).failure();
    shop.sql("ALTER TABLE hidden RENAME TO orders");
    run(&shop, &["backup", "nightly"]).code(0);
    run(&shop, &["backup", "nightly"]).code(0);
    let expected = [webhook("failure", "backup", "nightly"), webhook("recovery", "backup", "nightly")];
    assert_eq!(webhooks(&receiver), expected);
}

#[test]
fn a_backup_whose_database_does_not_open_is_a_failure() {
    let receiver = Receiver::answering([]);
    let shop = shop(&receiver);
    std::fs::remove_file(shop.directory().join("shop.db")).expect("the database is removed");
    let assert = run(&shop, &["backup"]).failure();
    assert!(errors(&assert).contains("shop.db"), "{}", errors(&assert));
    assert_eq!(pings(&receiver), ["/fail"]);
    assert_eq!(webhooks(&receiver), [webhook("failure", "backup", "configured")]);
    run(&shop, &["list"]).failure();
    assert_eq!(pings(&receiver).len(), 1, "a list is not notified");
}

#[test]
fn a_verification_that_finds_a_fault_is_a_failure() {
    let receiver = Receiver::answering([]);
    let shop = shop(&receiver);
    run(&shop, &["backup", "nightly"]).code(0);
    run(&shop, &["verify", "latest"]).code(0);
    shop.damage_archives();
    run(&shop, &["verify", "latest"]).code(1);
    assert_eq!(pings(&receiver), ["/start", "", "/fail"]);
    assert_eq!(webhooks(&receiver), [webhook("failure", "verification", "nightly")]);
}

#[test]
fn a_notification_that_is_not_delivered_is_a_warning_without_the_secret_address() {
    let receiver = Receiver::answering([Answer::Status(404), Answer::Status(404)]);
    let shop = shop(&receiver);
    let assert = run(&shop, &["backup", "nightly", "--json"]).code(0);
    let errors = errors(&assert);
    assert!(
        errors.contains("2 notifications were not delivered to `cron`") && errors.contains("404"),
        "{errors}"
    );
    let shown = run(&shop, &["config", "show"]).code(0);
    let shown = String::from_utf8_lossy(&shown.get_output().stdout).into_owned();
    assert!(shown.contains("127.0.0.1"), "the host is shown: {shown}");
    assert!(!errors.contains("hunter2") && !shown.contains("hunter2"), "{errors}{shown}");
}

#[test]
fn a_secret_that_cannot_be_read_prevents_no_backup_and_is_reported_by_the_check() {
    let receiver = Receiver::answering([]);
    let shop = shop(&receiver);
    std::fs::remove_file(shop.directory().join("webhook.key")).expect("the secret is removed");
    let assert = run(&shop, &["backup", "nightly"]).code(0);
    assert!(errors(&assert).contains("no notification is sent"), "{}", errors(&assert));
    let check = run(&shop, &["config", "check"]).failure();
    let text = String::from_utf8_lossy(&check.get_output().stdout).into_owned() + &errors(&check);
    assert!(text.contains("webhook.key"), "{text}");
    assert!(!errors(&run(&shop, &["list"]).code(0)).contains("notification"), "a list needs no secret");
}
