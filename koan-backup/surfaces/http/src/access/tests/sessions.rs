//! Sessions with cookies, and requests of other sites.

use super::server::start;

#[tokio::test]
async fn a_token_becomes_a_session_that_ends_with_the_sign_out() {
    let (secrets, server) = start().await;
    let cookie = server.sign_in(&secrets.operator).await;
    assert!(!cookie.contains(&secrets.operator), "the cookie contains the token");
    assert_eq!(server.get("/ops/records", &[&cookie]).await.body, "records for ci");
    assert_eq!(server.post("/ops/backup/create", &[&cookie]).await.status, 200);
    let ended = server.send("DELETE", "/ops/session", &[&cookie], "").await;
    assert_eq!(ended.status, 204);
    assert!(ended.header("set-cookie").is_some_and(|cookie| cookie.contains("Max-Age=0")), "{ended:?}");
    let answer = server.get("/ops/records", &[&cookie]).await;
    assert!(answer.status == 401 && answer.body.contains("the session has ended"), "{answer:?}");
}

#[tokio::test]
async fn the_sign_in_accepts_json_and_forms_and_nothing_else() {
    let (secrets, server) = start().await;
    let secret = &secrets.viewer;
    let (json, form) =
        ("Content-Type: application/json; charset=utf-8", "Content-Type: application/x-www-form-urlencoded");
    let cases = [
        (json, format!("{{\"token\": \" {secret}\\n\"}}"), 200),
        (form, format!("token={secret}"), 200),
        (form, format!("token=+{}%0A", secret.replace('_', "%5F")), 200),
        (json, format!("{{\"token\": \"{secret}x\"}}"), 401),
        (json, "{\"token\": \"\"}".to_owned(), 401),
        (json, format!("{{\"token\": \"{secret}\", \"role\": \"admin\"}}"), 400),
        (json, format!("{{\"secret\": \"{secret}\"}}"), 400),
        (json, "[".to_owned(), 400),
        (form, format!("token={secret}&token={secret}"), 400),
        (form, format!("other={secret}"), 400),
        ("Content-Type: text/plain", format!("{{\"token\": \"{secret}\"}}"), 415),
        ("X-None: 1", format!("token={secret}"), 415),
    ];
    for (content_type, body, status) in cases {
        let answer = server.send("POST", "/ops/session", &[content_type], &body).await;
        assert_eq!(answer.status, status, "{content_type} {body}: {answer:?}");
        assert_eq!(answer.header("set-cookie").is_some(), status == 200, "{answer:?}");
        assert!(!answer.body.contains("koan_"), "the answer repeats the token");
    }
}

#[tokio::test]
async fn the_cookie_is_secure_except_for_a_direct_request_to_this_machine() {
    let form = "Content-Type: application/x-www-form-urlencoded";
    let (secrets, server) = start().await;
    let body = format!("token={}", secrets.viewer);
    let cookie = async |headers: &[&str]| {
        let headers: Vec<_> = headers.iter().copied().chain([form]).collect();
        let answer = server.send("POST", "/ops/session", &headers, &body).await;
        answer.header("set-cookie").expect("a cookie").to_owned()
    };
    let local = cookie(&[]).await;
    assert!(local.contains("; Path=/ops;") && local.contains("; HttpOnly; SameSite=Strict"), "{local}");
    assert!(!local.contains("Secure"), "{local}");
    for header in ["Host: backup.example", "X-Forwarded-Proto: https", "X-Forwarded-For: 192.0.2.1"] {
        assert!(cookie(&[header]).await.ends_with("; Secure"), "{header}");
    }
}

#[tokio::test]
async fn a_session_cannot_be_chosen_by_the_caller_or_survive_a_sign_in() {
    let (secrets, server) = start().await;
    let form = "Content-Type: application/x-www-form-urlencoded";
    let chosen = "Cookie: koan_session=chosen-by-an-attacker";
    let body = format!("token={}", secrets.admin);
    let answer = server.send("POST", "/ops/session", &[form, chosen], &body).await;
    assert_ne!(answer.cookie(), "koan_session=chosen-by-an-attacker");
    assert_eq!(server.get("/ops/records", &[chosen]).await.status, 401);
    let first = server.sign_in(&secrets.viewer).await;
    let second = server.send("POST", "/ops/session", &[form, &first], &body).await;
    assert_eq!(server.get("/ops/records", &[&first]).await.status, 401, "the earlier session is valid");
    assert_eq!(server.get("/ops/records", &[&format!("Cookie: {}", second.cookie())]).await.status, 200);
}

#[tokio::test]
async fn a_cookie_of_another_path_is_ignored_and_two_sessions_are_refused() {
    let (secrets, server) = start().await;
    let (viewer, admin) = (server.sign_in(&secrets.viewer).await, server.sign_in(&secrets.admin).await);
    let value = |cookie: &str| cookie.trim_start_matches("Cookie: ").to_owned();
    let other = format!("Cookie: koan_session=of-another-path; {}", value(&viewer));
    assert_eq!(server.get("/ops/records", &[&other]).await.body, "records for reader");
    let twice = format!("Cookie: {}; {}", value(&viewer), value(&viewer));
    assert_eq!(server.get("/ops/records", &[&twice]).await.status, 200, "the same session twice");
    let both = format!("Cookie: {}; {}", value(&viewer), value(&admin));
    for headers in [vec![both.as_str()], vec![viewer.as_str(), admin.as_str()]] {
        let answer = server.get("/ops/records", &headers).await;
        assert!(answer.status == 401 && answer.body.contains("several sessions"), "{answer:?}");
    }
}

#[tokio::test]
async fn an_invalid_token_is_not_replaced_by_a_session() {
    let (secrets, server) = start().await;
    let cookie = server.sign_in(&secrets.admin).await;
    assert_eq!(server.get("/ops/records", &[&cookie, "Authorization: Bearer wrong"]).await.status, 401);
    let both = format!("Authorization: Bearer {}", secrets.viewer);
    assert_eq!(server.get("/ops/records", &[&cookie, &both]).await.body, "records for reader");
    assert_eq!(
        server.get("/ops/records", &[&cookie, "Authorization: Basic eDp5"]).await.body,
        "records for root"
    );
}

#[tokio::test]
async fn another_site_changes_nothing_with_a_cookie() {
    let (secrets, server) = start().await;
    let cookie = server.sign_in(&secrets.admin).await;
    let sites = [
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
        "Origin: https://evil.example",
        "Origin: null",
        "Origin: http://127.0.0.1:1",
    ];
    for site in sites {
        for (method, path) in
            [("POST", "/ops/backup/create"), ("DELETE", "/ops/backup/a"), ("DELETE", "/ops/session")]
        {
            let answer = server.send(method, path, &[&cookie, site], "").await;
            assert_eq!(answer.status, 403, "{method} {path} {site}: {answer:?}");
        }
        let body = format!("token={}", secrets.viewer);
        let form = "Content-Type: application/x-www-form-urlencoded";
        let answer = server.send("POST", "/ops/session", &[form, site], &body).await;
        assert_eq!(answer.status, 403, "another site signs in with {site}");
    }
    for header in [
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
        "Sec-Purpose: prefetch",
        "Purpose: prefetch",
    ] {
        let answer = server.get("/ops/backup/a/create", &[&cookie, header]).await;
        assert_eq!(answer.status, 403, "{header}: {answer:?}");
    }
    assert_eq!(server.send("HEAD", "/ops/backup/a/create", &[&cookie], "").await.status, 405);
    assert_eq!(server.changes(), 0, "another site changed something");
    let own = format!("Origin: http://{}", server.address);
    for headers in [[&cookie, own.as_str()], [&cookie, "Sec-Fetch-Site: same-origin"]] {
        assert_eq!(server.post("/ops/backup/create", &headers).await.status, 200, "{headers:?}");
    }
    assert_eq!(server.get("/ops/backup/a/create", &[&cookie, "Sec-Fetch-Site: none"]).await.status, 200);
    assert_eq!(server.changes(), 3);
}
