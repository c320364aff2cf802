//! Requests that are not valid.

use koan_backup_http_tests::ADMIN;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::{Client, answer};

#[tokio::test(flavor = "multi_thread")]
async fn a_value_outside_of_its_range_is_refused_by_the_name_of_its_field() {
    let client = Client::start().await;
    let long = |count: usize| "x".repeat(count);
    for (field, value) in [
        ("name", json!("")),
        ("name", json!(long(129))),
        ("name", json!("a/b")),
        ("description", json!(long(1_001))),
        ("reason", json!(long(1_001))),
        ("batchSize", json!(99)),
        ("batchSize", json!(10_001)),
        ("batchSize", json!(-1)),
        ("batchSize", json!("many")),
        ("maxConcurrency", json!(0)),
        ("maxConcurrency", json!(21)),
        ("entityTypes", json!([])),
        ("compressionLevel", json!("Best")),
        ("nmae", json!("typo")),
    ] {
        let mut body = serde_json::Map::new();
        body.insert(field.to_owned(), value.clone());
        let refused = client.post("/api/backup/all", &Value::Object(body)).await;
        let text = refused.problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request");
        let names_the_field =
            text.contains(&format!("`{field}`")) || matches!(field, "batchSize" | "compressionLevel");
        assert!(names_the_field, "{field} = {value}: {text}");
    }
    assert_eq!(client.get("/api/backup/operations").await.body["items"], json!([]), "nothing was started");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_things_that_do_not_exist_are_refused_before_an_operation_is_accepted() {
    let client = Client::start().await;
    for body in [
        json!({ "entityTypes": ["Usr"] }),
        json!({ "excludeEntityTypes": ["Usr"] }),
        json!({ "storageProfile": "offsite" }),
    ] {
        client.post("/api/backup/all", &body).await.problem(StatusCode::NOT_FOUND, "not-found");
    }
    client
        .post("/api/backup/selective", &json!({}))
        .await
        .problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request");
    client.post("/api/backup/verify/absent", &json!({})).await.problem(StatusCode::NOT_FOUND, "not-found");
    assert_eq!(client.get("/api/backup/operations").await.body["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_cannot_keep_the_records_that_it_replaces() {
    let client = Client::start().await;
    let id = client.backup("nightly").await;
    for mode in ["keep", "fail"] {
        let body = json!({ "replaceExisting": true, "conflictMode": mode, "confirm": "shop.db" });
        for path in [format!("/api/backup/restore/{id}"), format!("/api/backup/restore/{id}/test")] {
            let refused = client.post(&path, &body).await;
            let text = refused.problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request");
            assert!(text.contains("`conflictMode`"), "{text}");
        }
    }
    let body = json!({ "replaceExisting": true, "conflictMode": "overwrite", "confirm": "shop.db" });
    let restored = client.post(&format!("/api/backup/restore/{id}?wait=true"), &body).await;
    assert_eq!(restored.status, StatusCode::OK, "{restored:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_checked_like_a_body() {
    let client = Client::start().await;
    for query in [
        "page=0",
        "page=x",
        "pageSize=0",
        "pageSize=101",
        "sortBy=colour",
        "statuses=unknown",
        "healthy=maybe",
        "dateFrom=yesterday",
        "healthy=true&requiringAttention=true",
        "healthy=false&requiringAttention=false",
        "dateFrom=2026-02-01T00:00:00Z&dateTo=2026-01-01T00:00:00Z",
        "serch=x",
    ] {
        let refused = client.get(&format!("/api/backup/manifests?{query}")).await;
        refused.problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_json_or_too_large_is_refused() {
    let client = Client::start().await;
    let post = |body: Vec<u8>, media_type: &str| {
        client.request(Method::POST, "/api/backup/all", ADMIN).header("content-type", media_type).body(body)
    };
    answer(post(b"{".to_vec(), "application/json"))
        .await
        .problem(StatusCode::BAD_REQUEST, "malformed-request");
    answer(post(vec![0xff; 10], "application/json"))
        .await
        .problem(StatusCode::BAD_REQUEST, "malformed-request");
    answer(post(b"{}".to_vec(), "text/plain"))
        .await
        .problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type");
    answer(post(b"[]".to_vec(), "application/json"))
        .await
        .problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request");
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(answer(post(nested.into_bytes(), "application/json")).await.status.is_client_error());
    for path in ["/api/backup/recover", "/api/backup/maintenance"] {
        let all = client.post(path, &json!({ "storageProfiles": [] })).await;
        all.problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request");
    }
    // The body is announced and not sent, because the server answers before it has received the body.
    let head = format!(
        "POST /ops/api/backup/all HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADMIN}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        3 << 20
    );
    let address = client.server.application_url.trim_start_matches("http://").to_owned();
    let mut connection = tokio::net::TcpStream::connect(address).await.expect("a connection");
    connection.write_all(head.as_bytes()).await.expect("the head is sent");
    let mut large = [0; 12];
    connection.read_exact(&mut large).await.expect("the server answers");
    assert_eq!(&large, b"HTTP/1.1 413");
    let method = answer(client.request(Method::PUT, "/api/backup/all", ADMIN)).await;
    method.problem(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed");
    assert_eq!(client.get("/api/backup/operations").await.body["items"], json!([]));
}
