//! Limits of failed tokens, bodies and headers.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::server::{Server, settings, start};
use crate::access::failed_tokens::MAX_FAILURES;
use crate::access::peer::ProxyTrust;
use crate::access::request_body::BodyLimits;

#[tokio::test]
async fn a_peer_with_too_many_failed_tokens_is_refused_and_others_are_not() {
    let (secrets, mut settings) = settings();
    settings.proxy_trust = ProxyTrust::ForwardedFor;
    let server = Server::start(settings).await;
    let valid = format!("Authorization: Bearer {}", secrets.viewer);
    let attacker = "X-Forwarded-For: 192.0.2.7, 2001:db8::1";
    for number in 0..MAX_FAILURES {
        let wrong = format!("Authorization: Bearer wrong{number}");
        assert_eq!(server.get("/ops/records", &[&wrong, attacker]).await.status, 401);
    }
    let same_network = "X-Forwarded-For: 203.0.113.1, 2001:db8::ffff:2";
    for headers in
        [["Authorization: Bearer wrong", attacker], [valid.as_str(), attacker], [&valid, same_network]]
    {
        let answer = server.get("/ops/records", &headers).await;
        assert_eq!(answer.status, 429, "{headers:?}: {answer:?}");
        assert!(
            answer.header("retry-after").is_some_and(|seconds| seconds.parse::<u64>().is_ok()),
            "{answer:?}"
        );
    }
    let body = format!("token={}", secrets.viewer);
    let form = "Content-Type: application/x-www-form-urlencoded";
    assert_eq!(server.send("POST", "/ops/session", &[form, attacker], &body).await.status, 429);
    for other in ["X-Forwarded-For: 192.0.2.7", "X-Forwarded-For: 2001:db8::1, 2001:db8:0:1::1"] {
        assert_eq!(server.get("/ops/records", &[&valid, other]).await.status, 200, "{other} is locked out");
    }
}

#[tokio::test]
async fn a_caller_cannot_avoid_the_limit_by_a_header() {
    let (secrets, server) = start().await;
    for number in 0..=MAX_FAILURES {
        let address = format!("X-Forwarded-For: 192.0.2.{number}");
        server.get("/ops/records", &["Authorization: Bearer wrong", &address]).await;
    }
    let valid = format!("Authorization: Bearer {}", secrets.viewer);
    assert_eq!(server.get("/ops/records", &[&valid, "X-Forwarded-For: 192.0.2.99"]).await.status, 429);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_with_and_without_its_length() {
    let (secrets, mut settings) = settings();
    settings.body = BodyLimits { max_bytes: 1_000, ..BodyLimits::default() };
    let server = Server::start(settings).await;
    let valid = format!("Authorization: Bearer {}", secrets.operator);
    let answer = server.send("POST", "/ops/body", &[&valid], &"x".repeat(1_000)).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "1000 bytes"));
    assert_eq!(server.send("POST", "/ops/body", &[&valid], &"x".repeat(1_001)).await.status, 413);
    assert_eq!(
        server.send("POST", "/ops/body", &[&valid, "Content-Length: 99999999999999"], "").await.status,
        413
    );
    let chunked = format!("3e9\r\n{}\r\n0\r\n\r\n", "x".repeat(1_001));
    let headers = [valid.as_str(), "Transfer-Encoding: chunked"];
    assert_eq!(server.send("POST", "/ops/body", &headers, &chunked).await.status, 413);
    let json = "Content-Type: application/json";
    assert_eq!(server.send("POST", "/ops/session", &[json], &"x".repeat(1_001)).await.status, 413);
}

#[tokio::test]
async fn a_slow_body_does_not_hold_a_request() {
    let (secrets, mut settings) = settings();
    settings.body = BodyLimits { time_limit: Duration::from_millis(300), ..BodyLimits::default() };
    let server = Server::start(settings).await;
    for target in ["/ops/body", "/ops/session"] {
        let mut stream = TcpStream::connect(server.address).await.expect("the server accepts connections");
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Length: 10\r\n\r\nx",
            secrets.operator
        );
        stream.write_all(head.as_bytes()).await.expect("the head is sent");
        let mut answer = vec![0; 4_096];
        let length = stream.read(&mut answer).await.expect("the server answers");
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 408"), "{target}: {answer}");
    }
}

#[tokio::test]
async fn a_body_is_not_received_before_the_caller_is_known() {
    let (_, server) = start().await;
    // The body never comes; only a server that does not wait for it answers.
    let answer = server
        .raw(b"POST /ops/body HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n")
        .await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn very_long_headers_are_refused_and_the_server_continues() {
    let (secrets, server) = start().await;
    let valid = format!("Authorization: Bearer {}", secrets.viewer);
    let long = format!("X-Long: {}", "x".repeat(2_000_000));
    let answer = server.get("/ops/records", &[&valid, &long]).await;
    assert!(matches!(answer.status, 0 | 431), "{answer:?}");
    let many = vec![valid.as_str(); 1_000];
    assert!(matches!(server.get("/ops/records", &many).await.status, 0 | 401 | 431));
    let cookies = format!("Cookie: {}", "koan_session=x; ".repeat(10_000));
    assert!(matches!(server.get("/ops/records", &[&cookies]).await.status, 401));
    assert_eq!(server.get("/ops/records", &[&valid]).await.status, 200);
}
