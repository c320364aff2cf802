//! The screens of event streams, without a browser.

use koan_backup::event_store::NewEvent;
use koan_backup_http_tests::{ADMIN, OPERATOR, PATIENT, VIEWER};
use reqwest::StatusCode;
use serde_json::json;

use crate::client::Client;
use crate::page::{Browser, location};

/// Sends a form that starts an operation, and waits for its end. Returns the screen of the operation.
async fn finished(client: &Client, browser: &Browser<'_>, path: &str, fields: &[(&str, &str)]) -> String {
    let answer = browser.send(browser.form(path, fields)).await;
    let status = answer.status();
    assert_eq!(status, StatusCode::SEE_OTHER, "{path}: {}", answer.text().await.unwrap_or_default());
    let screen = location(&answer).trim_start_matches("/ops").to_owned();
    let id = screen.rsplit('/').next().expect("an id");
    client.ended(&json!({ "operationId": id })).await;
    browser.get(&screen).await.1
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_backed_up_restored_cloned_verified_and_deleted_on_the_page() {
    let (client, store) = Client::with_streams().await;
    let browser = Browser::signed_in(&client, ADMIN).await;
    let (_, empty) = browser.get("/ui/streams").await;
    assert!(empty.contains("There are no single backups") && empty.contains("aria-current"), "{empty}");
    let fields = [("visit", "1"), ("object", "order"), ("id", "order-1"), ("full", "yes")];
    let made = finished(&client, &browser, "/ui/streams/backup", &fields).await;
    assert!(made.contains("Single backup order order-1 completed") && made.contains("2 events"), "{made}");
    assert!(made.contains("Show the single backup"), "{made}");
    let list = client.get("/api/stream-backups").await.body;
    let id = list["items"][0]["id"].as_str().expect("an id").to_owned();
    let (_, filtered) = browser.get("/ui/streams?object=order&id=order-2").await;
    assert!(filtered.contains("No single backup matches the filter."), "{filtered}");
    let (_, filtered) = browser.get("/ui/streams?object=order&id=order-1").await;
    assert!(filtered.contains(&id), "{filtered}");
    let (status, shown) = browser.get(&format!("/ui/streams/{id}?profile=local")).await;
    assert_eq!(status, StatusCode::OK, "{shown}");
    assert!(shown.contains("order order-1") && shown.contains("Type <strong>events</strong>"), "{shown}");

    store.append("order", "order-1", [NewEvent::new("OrderLost", &1).expect("JSON")]).expect("appended");
    let restore = format!("/ui/streams/{id}/restore");
    let wrong = [("visit", "2"), ("profile", "local"), ("mode", "overwrite"), ("confirm", "main")];
    let refused = browser.send(browser.form(&restore, &wrong)).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(store.events("order", "order-1").len(), 3, "nothing was written");
    let right = [("visit", "2"), ("profile", "local"), ("mode", "overwrite"), ("confirm", "events")];
    let restored = finished(&client, &browser, &restore, &right).await;
    assert!(restored.contains("The aggregate existed and was replaced."), "{restored}");
    assert_eq!(store.events("order", "order-1").len(), 2);

    let clone = format!("/ui/streams/{id}/clone");
    let fields =
        [("visit", "3"), ("profile", "local"), ("target", "<b>"), ("mode", "fail"), ("confirm", "events")];
    let cloned = finished(&client, &browser, &clone, &fields).await;
    assert!(cloned.contains("&lt;b&gt;") && !cloned.contains("<b>"), "the id is escaped: {cloned}");
    assert_eq!(store.events("order", "<b>").len(), 2);

    let verify = format!("/ui/streams/{id}/verify");
    let verified = finished(&client, &browser, &verify, &[("visit", "4"), ("profile", "local")]).await;
    assert!(verified.contains("The backup is valid"), "{verified}");

    let all = [("visit", "5"), ("object", "order"), ("id", "")];
    let all = finished(&client, &browser, "/ui/streams/backup", &all).await;
    assert!(all.contains("4 of 4 aggregates backed up."), "{all}");

    let delete = format!("/ui/streams/{id}/delete");
    let refused = browser.send(browser.form(&delete, &[("profile", "local")])).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let fields = [("profile", "local"), ("confirmed", "yes")];
    for _ in 0..2 {
        let deleted = browser.send(browser.form(&delete, &fields)).await;
        let screen = location(&deleted).trim_start_matches("/ops").to_owned();
        assert!(browser.get(&screen).await.1.contains("is not in local any more"), "{screen}");
    }
    assert_eq!(browser.get(&format!("/ui/streams/{id}")).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_removes_expired_backups_and_reads_what_was_kept() {
    let (client, _) = Client::with_streams().await;
    let expired = json!({ "expiresAfterSeconds": 0 });
    let mut ids = Vec::new();
    for _ in 0..2 {
        let made = client.post("/api/streams/order/order-1/backup?wait=true", &expired).await;
        assert_eq!(made.status, StatusCode::OK, "{made:?}");
        ids.push(made.body["id"].as_str().expect("an id").to_owned());
    }
    let browser = Browser::signed_in(&client, OPERATOR).await;
    assert!(
        !browser.get("/ui/streams").await.1.contains("/ui/streams/cleanup"),
        "an operator removes nothing"
    );
    let refused =
        browser.send(browser.form("/ui/streams/cleanup", &[("visit", "1"), ("confirmed", "yes")])).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let browser = Browser::signed_in(&client, ADMIN).await;
    assert!(browser.get("/ui/streams").await.1.contains("/ui/streams/cleanup"));
    let refused = browser.send(browser.form("/ui/streams/cleanup", &[("visit", "1")])).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "the box must be checked");
    let list = client.get("/api/stream-backups").await.body;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(2), "nothing was removed: {list}");
    let fields = [("visit", "2"), ("confirmed", "yes")];
    let report = finished(&client, &browser, "/ui/streams/cleanup", &fields).await;
    assert!(report.contains("1 expired backup removed, 1 kept."), "{report}");
    for id in &ids {
        assert!(report.contains(&id[28..]), "{id} in {report}");
    }
    assert!(report.contains("It is the only backup of an aggregate that exists."), "{report}");
    let list = client.get("/api/stream-backups").await.body;
    assert_eq!(list["items"][0]["id"].as_str(), Some(ids[1].as_str()), "the newest is kept: {list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_sees_only_its_buttons_and_a_viewer_no_encrypted_ids() {
    let (client, _) = Client::with_streams().await;
    let id = client.stream_backup("patient", PATIENT).await;
    for (token, may_verify, may_restore) in
        [(VIEWER, false, false), (OPERATOR, true, false), (ADMIN, true, true)]
    {
        let browser = Browser::signed_in(&client, token).await;
        let (_, list) = browser.get("/ui/streams").await;
        let (_, shown) = browser.get(&format!("/ui/streams/{id}")).await;
        for page in [&list, &shown] {
            assert_eq!(page.contains(PATIENT), may_verify, "{page}");
        }
        assert_eq!(list.contains("/ui/streams/backup"), may_verify, "{list}");
        assert_eq!(shown.contains(&format!("{id}/verify\"")), may_verify, "{shown}");
        assert_eq!(shown.contains(&format!("{id}/restore\"")), may_restore, "{shown}");
        assert_eq!(shown.contains(&format!("{id}/delete\"")), may_restore, "{shown}");
    }
    let browser = Browser::signed_in(&client, VIEWER).await;
    let (_, coverage) = browser.get("/ui/coverage").await;
    for (heading, is_used) in [("Name", true), ("Declared at", true), ("Entity", false), ("Struct at", false)]
    {
        let has_heading = coverage.contains(&format!("scope=\"col\">{heading}</th>"));
        assert_eq!(has_heading, is_used, "event types are not called {heading}: {coverage}");
    }
    let without = Client::start().await;
    let browser = Browser::signed_in(&without, VIEWER).await;
    let (_, overview) = browser.get("/ui").await;
    assert!(!overview.contains("Event streams"), "an application without event streams has no such screen");
}
