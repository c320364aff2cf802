//! The shapes of documents that clients of the original designs expect.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::client::Client;

fn fields(value: &Value) -> Vec<&str> {
    value.as_object().map(|object| object.keys().map(String::as_str).collect()).unwrap_or_default()
}

fn assert_fields(value: &Value, expected: &[&str]) {
    let found = fields(value);
    for field in expected {
        assert!(found.contains(field), "`{field}` is missing in {value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn capabilities_have_the_fields_of_the_original_and_equal_those_of_the_context() {
    let client = Client::start().await;
    let capabilities = client.get("/backup/capabilities").await;
    assert_eq!(capabilities.status, StatusCode::OK, "{capabilities:?}");
    assert_eq!(capabilities.body["availableSources"], json!(["data"]));
    let user = &capabilities.body["entities"]["User"];
    assert_eq!(user["fullTypeName"], "koan_backup_http_tests::entities::User");
    assert_fields(user, &["fullTypeName", "availableSources", "encrypt", "includeSchema"]);
    let own =
        serde_json::to_value(client.server.koan.capabilities()).expect("the capabilities are serializable");
    assert_eq!(capabilities.body, own);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_operations_and_statistics_have_the_fields_of_the_original() {
    let client = Client::start().await;
    client.backup("nightly").await;
    let list = client.get("/api/backup/manifests?pageSize=1").await.body;
    assert_fields(
        &list,
        &["items", "totalCount", "page", "pageSize", "totalPages", "hasNext", "hasPrevious"],
    );
    assert_fields(
        &list["items"][0],
        &[
            "id",
            "name",
            "description",
            "tags",
            "createdAt",
            "completedAt",
            "duration",
            "status",
            "sizeBytes",
            "entityCount",
            "recordCount",
            "storageProfile",
            "archiveFileName",
            "version",
        ],
    );
    assert_eq!((&list["items"][0]["entityCount"], &list["items"][0]["recordCount"]), (&json!(2), &json!(20)));
    let operation = client.get("/api/backup/operations").await.body["items"][0].clone();
    assert_fields(
        &operation,
        &[
            "operationId",
            "backupName",
            "kind",
            "status",
            "startedAt",
            "completedAt",
            "triggeredBy",
            "statusUrl",
            "cancelUrl",
            "progress",
            "errorMessage",
            "result",
        ],
    );
    assert_fields(
        &operation["progress"],
        &[
            "entitiesProcessed",
            "entitiesTotal",
            "recordsProcessed",
            "bytesProcessed",
            "percentComplete",
            "currentEntity",
            "estimatedCompletionAt",
        ],
    );
    let statistics = client.get("/api/backup/statistics").await.body;
    assert_fields(
        &statistics,
        &[
            "totalBackups",
            "totalSizeBytes",
            "healthyBackups",
            "backupsRequiringAttention",
            "oldestBackup",
            "newestBackup",
            "byEntity",
            "byProfile",
        ],
    );
    assert_eq!((&statistics["totalBackups"], &statistics["healthyBackups"]), (&json!(1), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn coverage_health_and_differences_can_be_read() {
    let client = Client::start().await;
    client.backup("first").await;
    client
        .server
        .database()
        .expect("the database")
        .execute_batch("DELETE FROM users WHERE id = 1")
        .expect("a change");
    client.backup("second").await;
    let inventory = client.get("/api/backup/inventory").await.body;
    assert_eq!(inventory["excluded"][0]["entity"], "Payment");
    let health = client.get("/api/backup/health").await;
    assert_eq!(health.status, StatusCode::OK, "{health:?}");
    let diff = client.get("/api/backup/diff/first/second").await;
    assert_eq!(diff.status, StatusCode::OK, "{diff:?}");
    assert!(diff.body.to_string().contains("User"), "{diff:?}");
    client.get("/api/backup/diff/first/absent").await.problem(StatusCode::NOT_FOUND, "not-found");
}

/// Adds the targets of all references in a document.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reference_of_the_openapi_document_has_a_target() {
    let client = Client::start().await;
    let document = client.get("/openapi.json").await.body;
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 10, "the document has references: {found:?}");
    found.retain(|target| document.pointer(target.trim_start_matches('#')).is_none());
    assert_eq!(found, [""; 0], "these references have no target");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_contains_the_fields_of_each_entity_as_they_were() {
    let client = Client::start().await;
    let id = client.backup("nightly").await;
    for path in [format!("/api/backup/manifests/{id}"), format!("/backup/users/{id}/info")] {
        let manifest = client.get(&path).await.body;
        assert_fields(&manifest, &["version", "duration", "storageProfile"]);
        let entities = manifest["entities"].as_array().expect("entities");
        let user = entities.iter().find(|entity| entity["entityType"] == "User").expect("a user");
        assert_fields(user, &["entityType", "status", "errorMessage", "schemaSnapshot"]);
        let expected = json!({ "properties": ["id", "name"], "types": { "id": "i64", "name": "String" } });
        assert_eq!(user["schemaSnapshot"], expected, "{path}");
    }
    let body = json!({ "name": "bare", "includeSchemaSnapshot": false });
    let made = client.post("/api/backup/all?wait=true", &body).await;
    let bare = made.body["backupId"].as_str().expect("an id");
    let manifest = client.get(&format!("/api/backup/manifests/{bare}")).await.body;
    assert_eq!(manifest["entities"][0]["schemaSnapshot"], Value::Null, "{manifest}");
}
