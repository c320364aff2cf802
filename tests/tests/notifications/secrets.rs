//! No output contains the secret of a target.

use koan_backup::notify::{Email, HealthCheck, Webhook};
use koan_backup::{Error, ErrorKind};
use koan_backup_tests::log::Log;
use koan_backup_tests::receiver::{Answer, Receiver};

use crate::fixture::impatient;

const SECRET: &str = "hunter2-is-long-enough";

#[tokio::test]
async fn no_log_no_report_and_no_debug_text_contains_a_secret() {
    let (log, _guard) = Log::capture();
    let receiver = Receiver::answering([Answer::Status(404), Answer::Redirect]);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let closed =
        format!("http://ann:{SECRET}@127.0.0.1:{}/{SECRET}?{SECRET}", closed.expect("a port").port());
    let notifier = impatient()
        .target("hook", Webhook::new(&receiver.url(SECRET), SECRET).expect("the webhook is valid"))
        .target("check", HealthCheck::new(&receiver.url(SECRET)).expect("the check is valid"))
        .target("closed", HealthCheck::new(&closed).expect("the check is valid"))
        .target(
            "mail",
            Email::new(&closed.replace("http:", "smtp:"), Some(SECRET), "a@example.com", ["b@example.com"])
                .expect("the e-mail is valid"),
        )
        .start()
        .expect("the notifier starts");
    notifier.backup_failed("nightly", &Error::new(ErrorKind::Provider, "the database does not answer"));
    let debug = format!("{notifier:?}");
    let report = notifier.shutdown().await;
    assert_eq!(report.targets.iter().filter(|target| target.failed == 1).count(), 4, "{report:?}");
    let lines = log.lines().join("\n");
    assert!(lines.contains("a notification was not delivered"), "the failures are logged: {lines}");
    for text in [debug, format!("{report:?}"), report.warnings().collect(), lines] {
        assert!(!text.contains("hunter2"), "a secret is displayed: {text}");
    }
}

#[test]
fn no_error_contains_an_address() {
    for address in ["hunter2", "ftp://host/hunter2", "https://", "https://ho st/hunter2"] {
        let error = HealthCheck::new(address).expect_err("the address is not valid");
        assert!(!format!("{error:?}").contains("hunter2") && error.help().is_some(), "{error:?}");
    }
}
