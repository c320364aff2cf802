//! Headers for browsers.

use super::server::{Server, settings, start};

#[tokio::test]
async fn every_answer_restricts_browsers() {
    let (secrets, server) = start().await;
    let valid = format!("Authorization: Bearer {}", secrets.viewer);
    let answers = [
        server.get("/ops/records", &[&valid]).await,
        server.get("/ops/records", &[]).await,
        server.get("/ops/unknown", &[&valid]).await,
        server.get("/ops/healthz", &[]).await,
        server.post("/ops/records", &[&valid]).await,
        server.post("/ops/session", &[]).await,
    ];
    for answer in answers {
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{answer:?}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"));
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("access-control-allow-origin"), None, "CORS is not configured");
    }
}

#[tokio::test]
async fn only_scripts_of_allowed_origins_read_answers_and_only_with_a_token() {
    let (secrets, mut settings) = settings();
    settings.allow_origins.add("https://console.example").expect("the origin is valid");
    let server = Server::start(settings).await;
    let (allowed, other) = ("Origin: https://console.example", "Origin: https://evil.example");
    let asks = "Access-Control-Request-Method: POST";
    let answer = server.send("OPTIONS", "/ops/backup/create", &[allowed, asks], "").await;
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin")),
        (204, Some("https://console.example"))
    );
    assert!(
        answer.header("access-control-allow-headers").is_some_and(|names| names.contains("authorization"))
    );
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    for headers in [vec![other, asks], vec![allowed], vec![asks]] {
        let answer = server.send("OPTIONS", "/ops/backup/create", &headers, "").await;
        assert_eq!(answer.status, 401, "{headers:?}: {answer:?}");
    }
    let valid = format!("Authorization: Bearer {}", secrets.operator);
    let answer = server.post("/ops/backup/create", &[&valid, allowed, "Sec-Fetch-Site: cross-site"]).await;
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin")),
        (200, Some("https://console.example"))
    );
    let answer = server.get("/ops/records", &[&valid, other]).await;
    assert_eq!((answer.header("access-control-allow-origin"), answer.header("vary")), (None, Some("origin")));
    let cookie = server.sign_in(&secrets.admin).await;
    let answer = server.post("/ops/backup/create", &[&cookie, allowed]).await;
    assert_eq!(answer.status, 403, "the allowed origin uses the cookie");
}
