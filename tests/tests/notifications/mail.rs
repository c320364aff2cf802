//! E-mail is delivered through a mail server.

use koan_backup::notify::Email;
use koan_backup::{Error, ErrorKind};
use koan_backup_tests::mail_server::MailServer;

use crate::fixture::{Shop, fail, made, notifier};

const FROM: &str = "Backups <koan@example.com>";

fn email(server: &MailServer, user: &str, password: Option<&str>) -> Email {
    let url = format!("smtp://{user}127.0.0.1:{}", server.port());
    Email::new(&url, password, FROM, ["ops@example.com", "Ann <ann@example.com>"])
        .expect("the e-mail is valid")
}

fn failure() -> Error {
    Error::new(ErrorKind::Provider, "the database does not answer")
}

#[tokio::test]
async fn a_failure_and_a_recovery_are_mails_to_every_receiver() {
    let (shop, server) = (Shop::new(), MailServer::refusing([]));
    let notifier = notifier(email(&server, "", None));
    let koan = shop.koan(&notifier).await;
    shop.break_down();
    fail(&koan, "nightly").await;
    shop.repair();
    let report = made(&koan, "nightly").await;
    assert!(notifier.shutdown().await.is_complete());
    let mails = server.mails();
    let [failure, recovery] = mails.as_slice() else { panic!("two mails: {mails:?}") };
    assert_eq!(failure.receivers, ["RCPT TO:<ops@example.com>", "RCPT TO:<ann@example.com>"]);
    for (mail, expected) in [
        (failure, "Subject: shop/test: backup `nightly` failed\r\n"),
        (failure, "From: Backups <koan@example.com>\r\n"),
        (failure, "\r\nSeries: nightly\r\n"),
        (recovery, "Subject: shop/test: backup `nightly` completed after a failure\r\n"),
    ] {
        assert!(mail.text.contains(expected), "`{expected}` is in {}", mail.text);
    }
    assert!(recovery.text.contains(&format!("\r\nBackup: {}\r\n", report.id())), "{}", recovery.text);
    assert_eq!(failure.authentication, None);
}

#[tokio::test]
async fn a_user_authenticates_with_the_separate_password() {
    let server = MailServer::refusing([]);
    let notifier = notifier(email(&server, "koan%40example.com@", Some("p@ss/word")));
    notifier.backup_failed("nightly", &failure());
    assert!(notifier.shutdown().await.is_complete());
    let mails = server.mails();
    use base64::Engine as _;
    let expected = base64::engine::general_purpose::STANDARD.encode("\0koan@example.com\0p@ss/word");
    assert_eq!(mails[0].authentication, Some(format!("AUTH PLAIN {expected}")));
}

#[tokio::test]
async fn a_temporary_refusal_is_repeated_and_a_permanent_one_is_final() {
    let server = MailServer::refusing(["451 hunter2 try again", "550 hunter2 no such user"]);
    let notifier = notifier(email(&server, "", None));
    notifier.backup_failed("nightly", &failure());
    let report = notifier.shutdown().await;
    assert_eq!((server.offered(), report.targets[0].failed), (2, 1), "{report:?}");
    let problem = report.targets[0].last_problem.as_deref();
    assert_eq!(problem, Some("the mail server `127.0.0.1` refused the message: 550"));
}

#[test]
fn a_password_is_not_sent_without_encryption_to_another_machine() {
    let receivers = ["ops@example.com"];
    for url in
        ["smtp://ann:hunter2@mail.example.com", "smtp://ann:hunter2@mail.example.com?tls=opportunistic"]
    {
        let error = Email::new(url, None, FROM, receivers).expect_err("the password would be readable");
        assert!(!format!("{error:?}").contains("hunter2") && error.help().is_some(), "{error:?}");
    }
    for url in ["smtps://ann:hunter2@mail.example.com", "smtp://ann:hunter2@mail.example.com?tls=required"] {
        let email = Email::new(url, None, FROM, receivers).expect("the connection is encrypted");
        assert!(!format!("{email:?}").contains("hunter2"), "{email:?}");
    }
    for (url, from, to) in [
        ("https://mail.example.com", FROM, "ops@example.com"),
        ("smtps://mail.example.com", "nobody", "ops@example.com"),
        ("smtps://mail.example.com", FROM, "nobody"),
    ] {
        let error = Email::new(url, None, from, [to]).expect_err("the e-mail is not valid");
        assert_eq!(error.kind(), ErrorKind::Configuration, "{url} {from} {to}");
    }
    let error = Email::new("smtps://mail.example.com", None, FROM, []).expect_err("there is no receiver");
    assert!(error.message().contains("no receiver"), "{error}");
}
