//! Restores that requests start.

use koan_backup_http_tests::OPERATOR;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::client::{Client, answer};

fn users(client: &Client) -> i64 {
    let database = client.server.database().expect("the database");
    database
        .query_row("SELECT count(*) FROM users WHERE name LIKE 'user %'", [], |row| row.get(0))
        .expect("a count")
}

fn change(client: &Client, sql: &str) {
    client.server.database().expect("the database").execute_batch(sql).expect("the database changes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_record_returns_and_an_existing_record_is_kept_unless_it_is_overwritten() {
    let client = Client::start().await;
    client.backup("nightly").await;
    change(&client, "DELETE FROM users WHERE id = 3; UPDATE users SET name = 'changed' WHERE id = 4");
    let kept = client.post("/backup/User/latest/restore?wait=true", &json!({})).await;
    assert_eq!(kept.status, StatusCode::OK, "{kept:?}");
    assert_eq!(kept.body["entities"][0]["counts"]["inserted"], 1, "{kept:?}");
    assert_eq!(users(&client), 9, "the changed record is kept");
    let overwritten = client
        .post(
            "/backup/user/latest/restore?wait=true",
            &json!({ "overwriteExisting": true, "restoreVectors": true }),
        )
        .await;
    assert_eq!(overwritten.body["entities"][0]["counts"]["updated"], 1, "{overwritten:?}");
    assert_eq!(users(&client), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_deletes_records_needs_the_name_of_the_database() {
    let client = Client::start().await;
    let id = client.backup("nightly").await;
    change(&client, "INSERT INTO users VALUES (99, 'user 99')");
    let path = format!("/api/backup/restore/{id}?wait=true");
    for confirm in [json!(null), json!("shop"), json!("")] {
        let refused = client.post(&path, &json!({ "replaceExisting": true, "confirm": confirm })).await;
        let text = refused.problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request");
        assert!(text.contains("`confirm`") && text.contains("the databases are: "), "{text}");
    }
    assert_eq!(users(&client), 11, "a refused restore deletes nothing");
    let dry = client.post(&path, &json!({ "replaceExisting": true, "dryRun": true })).await;
    assert_eq!((dry.status, &dry.body["dryRun"]), (StatusCode::OK, &json!(true)), "{dry:?}");
    assert_eq!(users(&client), 11, "a dry run writes nothing");
    let names = client.get("/backup/capabilities").await.body["providers"][0].clone();
    let name = names["database"].as_str().or(names["name"].as_str()).expect("a name").to_owned();
    let body = json!({
        "replaceExisting": true, "confirm": name, "entityTypes": ["User"], "conflictMode": "overwrite", "batchSize": 100,
        "validateBeforeRestore": true, "optimizeForBulkInsert": true, "disableConstraints": false,
        "disableIndexes": false, "useBulkMode": false, "optimizationLevel": "Safe", "continueOnError": false,
        "storageProfile": "local",
    });
    let restored = client.post(&path, &body).await;
    assert_eq!(restored.status, StatusCode::OK, "{restored:?}");
    assert_eq!(restored.body["entities"][0]["counts"]["deleted"], 1, "{restored:?}");
    assert_eq!(users(&client), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_may_only_compare() {
    let client = Client::start().await;
    client.backup("nightly").await;
    let restore = async |body: serde_json::Value| {
        answer(client.request(Method::POST, "/api/users/restore/nightly?wait=true", OPERATOR).json(&body))
            .await
    };
    restore(json!({})).await.problem(StatusCode::FORBIDDEN, "forbidden");
    assert_eq!(restore(json!({ "dryRun": true })).await.status, StatusCode::OK);
    let test = client.request(Method::POST, "/api/backup/restore/nightly/test?wait=true", OPERATOR);
    let test = answer(test).await;
    assert_eq!(test.status, StatusCode::OK, "{test:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_restored_yet_is_refused_before_anything_is_written() {
    let client = Client::start().await;
    client.backup("nightly").await;
    let refused = client.post("/api/backup/restore/nightly", &json!({ "continueOnError": true })).await;
    refused.problem(StatusCode::UNPROCESSABLE_ENTITY, "unsupported");
    let refused = client.post("/backup/create", &json!({ "include": ["vectors"] })).await;
    refused.problem(StatusCode::UNPROCESSABLE_ENTITY, "unsupported");
    let unknown =
        client.post("/api/backup/restore/nightly?wait=true", &json!({ "entityTypes": ["Usr"] })).await;
    unknown.problem(StatusCode::NOT_FOUND, "not-found");
    assert_eq!(client.get("/api/backup/manifests").await.body["totalCount"], 1);
}
