//! The audit log.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use super::server::{Server, settings};
use crate::access::audit::AuditLog;

fn entries(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("the audit log is a file");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

#[tokio::test]
async fn each_change_is_written_with_caller_route_object_and_outcome() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("audit.jsonl");
    let (secrets, mut settings) = settings();
    settings.audit = AuditLog::file(&path).expect("the file is created");
    let server = Server::start(settings).await;
    let bearer = |secret: &str| format!("Authorization: Bearer {secret}");
    let operator = bearer(&secrets.operator);
    server.get("/ops/records", &[&operator]).await;
    server.post("/ops/backup/create", &[]).await;
    server.get("/ops/backup/Us%0Aer/create?search=private", &[&operator]).await;
    server.send("DELETE", &format!("/ops/backup/{}", secrets.admin), &[&operator], "").await;
    server.post("/ops/fail", &[&operator]).await;
    let cookie = server.sign_in(&secrets.admin).await;
    server.send("DELETE", "/ops/backup/1", &[&cookie], "").await;
    server.send("DELETE", "/ops/session", &[&cookie], "").await;
    let entries = entries(&path);
    let events: Vec<_> = entries
        .iter()
        .map(|entry| {
            let text = |key: &str| entry[key].as_str().unwrap_or("-").to_owned();
            [
                text("event"),
                text("name"),
                text("origin"),
                text("method"),
                text("route"),
                entry["status"].to_string(),
            ]
            .join(" ")
        })
        .collect();
    let expected = [
        "requested ci token GET /ops/backup/{entity}/create null",
        "completed ci token GET /ops/backup/{entity}/create 200",
        "requested ci token DELETE /ops/backup/{id} null",
        "refused ci token DELETE /ops/backup/{id} 403",
        "requested ci token POST /ops/fail null",
        "failed ci token POST /ops/fail 502",
        "completed root session POST /ops/session null",
        "requested root session DELETE /ops/backup/{id} null",
        "completed root session DELETE /ops/backup/{id} 200",
        "completed root session DELETE /ops/session null",
    ];
    assert_eq!(events, expected);
    assert_eq!(entries[0]["requestId"], entries[1]["requestId"], "the entries of one request");
    assert_eq!(entries[1]["object"], "operation 0\\u{a}");
    assert_eq!(entries[1]["peer"], "127.0.0.1");
    assert_eq!(entries[0]["path"], "/ops/backup/Us%0Aer/create");
    let text = fs::read_to_string(&path).expect("text");
    for secret in ["koan_", "private", cookie.split('=').nth(1).expect("an id")] {
        assert!(!text.contains(secret), "the audit log contains {secret}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_change_that_cannot_be_audited_is_refused_and_reported() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("audit.jsonl");
    let (secrets, mut settings) = settings();
    settings.audit = AuditLog::file(&path).expect("the file is created");
    let server = Server::start(settings).await;
    let operator = format!("Authorization: Bearer {}", secrets.operator);
    fs::remove_file(&path).expect("the file is removed");
    // Every write to this device fails, because no space is left on it.
    std::os::unix::fs::symlink("/dev/full", &path).expect("a link");
    for (method, target) in [("POST", "/ops/backup/create"), ("GET", "/ops/backup/User/create")] {
        let answer = server.send(method, target, &[&operator], "").await;
        assert!(
            answer.status == 503 && answer.body.contains("the audit log cannot be written"),
            "{answer:?}"
        );
    }
    assert_eq!(server.changes(), 0, "a change was made that is not in the audit log");
    let problems = server.access.problems();
    assert!(problems.len() == 1 && problems[0].contains("audit.jsonl"), "{problems:?}");
    assert_eq!(server.get("/ops/records", &[&operator]).await.status, 200, "reading needs no audit log");
    server.sign_in(&secrets.admin).await;
    fs::remove_file(&path).expect("the link is removed");
    assert_eq!(server.post("/ops/backup/create", &[&operator]).await.status, 200);
    assert!(server.access.problems().is_empty(), "the problem is reported after it is repaired");
    assert_eq!(entries(&path).len(), 2);
}

#[test]
fn a_log_that_cannot_be_written_is_refused_at_the_start() {
    let directory = tempfile::tempdir().expect("a directory");
    assert!(AuditLog::file(directory.path()).is_err(), "a directory");
    let error = AuditLog::file(directory.path().join("missing/audit.jsonl")).expect_err("no directory");
    assert!(error.to_string().contains("audit.jsonl"), "{error}");
}

#[tokio::test]
async fn a_request_whose_client_disconnects_has_an_outcome() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("audit.jsonl");
    let (secrets, mut settings) = settings();
    settings.audit = AuditLog::file(&path).expect("the file is created");
    let server = Server::start(settings).await;
    let mut stream =
        tokio::net::TcpStream::connect(server.address).await.expect("the server accepts connections");
    let head =
        format!("POST /ops/hang HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", secrets.operator);
    stream.write_all(head.as_bytes()).await.expect("the request is sent");
    while entries(&path).is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    drop(stream);
    while entries(&path).len() < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(entries(&path)[1]["event"], "disconnected");
}
