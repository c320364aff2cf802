//! The inventory, and its refresh while the application runs.

use koan_backup_http_tests::OPERATOR;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::client::{Client, answer};

const WARNING: &str = "table `coupons` of `main` belongs to no entity";

fn has_warning(document: &Value) -> bool {
    document["warnings"].as_array().expect("warnings").iter().any(|warning| warning == WARNING)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_table_is_reported_after_a_refresh() {
    let client = Client::start().await;
    let database = client.server.database().expect("the database");
    database.execute_batch("CREATE TABLE coupons (id INTEGER PRIMARY KEY)").expect("a table");
    let before = client.get("/api/backup/inventory").await.body;
    assert!(!has_warning(&before), "the inventory is that of the start: {before}");
    let refreshed = answer(client.request(Method::POST, "/api/backup/inventory/refresh", OPERATOR)).await;
    assert_eq!(refreshed.status, StatusCode::OK, "{refreshed:?}");
    assert!(has_warning(&refreshed.body), "{refreshed:?}");
    let after = client.get("/api/backup/inventory").await.body;
    assert_eq!(after, refreshed.body, "the inventory is the refreshed one");
    assert_ne!(after["discoveredAt"], before["discoveredAt"]);
    assert!(
        has_warning(&client.get("/backup/capabilities").await.body),
        "the capabilities are refreshed as well"
    );
    let id = client.backup("nightly").await;
    let summary = client.get(&format!("/api/backup/manifests/{id}")).await.body;
    assert_eq!(summary["discovery"]["discoveredAt"], after["discoveredAt"], "{summary}");
    // A second refresh starts from the declarations, and repeats no warning.
    let again = answer(client.request(Method::POST, "/api/backup/inventory/refresh", OPERATOR)).await.body;
    assert_eq!(again["warnings"].as_array().map(Vec::len), after["warnings"].as_array().map(Vec::len));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_read_keeps_the_old_inventory() {
    let client = Client::start().await;
    let before = client.get("/api/backup/inventory").await.body;
    std::fs::write(client.folder.path().join("shop.db"), "no database").expect("the file is written");
    std::fs::remove_file(client.folder.path().join("shop.db-wal")).ok();
    let refused = client.post("/api/backup/inventory/refresh", &Value::Null).await;
    let text = refused.problem(StatusCode::BAD_GATEWAY, "provider-failed");
    assert!(text.contains("provider `main` cannot be read"), "{text}");
    assert_eq!(client.get("/api/backup/inventory").await.body, before, "the inventory is unchanged");
}
