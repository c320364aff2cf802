//! Two server processes that share operations through the storage profile.

use koan_backup::Storage;
use koan_backup_http_tests::{ADMIN, OPERATOR, Server};
use koan_backup_tests::wait;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Remote, answer};
use crate::process::ServerProcess;

/// The rate of the slow profile. A backup of the shop below takes hours, unless it is cancelled.
const SLOW_BYTES_PER_SECOND: u64 = 100;

/// Starts a replica, which has a state directory of its own, as on another machine.
async fn replica(folder: &std::path::Path, state: &str) -> Server {
    let slow =
        Storage::local(folder.join("slow")).and_then(|slow| slow.bandwidth_limit(SLOW_BYTES_PER_SECOND));
    let slow = slow.expect("the slow profile opens");
    let state = folder.join(state);
    let configure =
        |builder: koan_backup::KoanBuilder| builder.named_storage("slow", slow).state_directory(state);
    Server::open(folder, |options| options.several_replicas(), configure).await.expect("the replica starts")
}

/// The replica in another process.
#[tokio::test(flavor = "multi_thread")]
async fn the_other_replica() {
    let Some(folder) = ServerProcess::folder() else { return };
    ServerProcess::serve(replica(&folder, "other-state").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_server_processes_share_operations() {
    let folder = TempDir::new().expect("a folder");
    let database = rusqlite::Connection::open(folder.path().join("shop.db")).expect("the database opens");
    koan_backup_http_tests::create_tables(&database, 10).expect("the tables are created");
    // The text hardly shrinks, so that its backup into the slow profile is still running when it is cancelled.
    let note: String = std::iter::repeat_with(fastrand::alphanumeric).take(4 << 20).collect();
    database.execute("UPDATE orders SET note = ?1 WHERE id = 1", [note]).expect("the note is written");
    let other = ServerProcess::start("replicas::the_other_replica", folder.path());
    let mine = replica(folder.path(), "state").await;
    let (mine, other) = (Remote::new(&mine.url), &other.remote);

    // The idempotency key is known to both.
    let body = json!({ "name": "slow", "storageProfile": "slow" });
    let start = async |remote: &Remote, body: &Value| {
        let request = remote.request(Method::POST, "/api/backup/all", OPERATOR).json(body);
        answer(request.header("idempotency-key", "release-1")).await
    };
    let accepted = start(other, &body).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
    let id = accepted.body["operationId"].as_str().expect("an id").to_owned();
    assert_eq!(start(&mine, &body).await.body["operationId"], id.as_str(), "the key starts nothing again");
    let changed = start(&mine, &json!({ "name": "another" })).await;
    changed.problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request");

    // The operation of the other process is listed, read, followed and cancelled here.
    let path = format!("/api/backup/operations/{id}");
    wait::until("the operation runs", async || mine.get(&path).await.body["status"] == "running").await;
    let running = mine.get("/api/backup/operations?state=running").await.body;
    assert_eq!(running["items"][0]["operationId"], id.as_str(), "{running}");
    let events = mine.request(Method::GET, &format!("{path}/events"), ADMIN).send().await;
    let mut events = events.expect("the server answers");
    let first = events.chunk().await.expect("the stream is open").expect("a first event");
    let cancelled = mine.post(&format!("{path}/cancel"), &json!({})).await;
    assert!(cancelled.status.is_success(), "{cancelled:?}");
    let mut text = String::from_utf8_lossy(&first).into_owned();
    while let Some(chunk) = events.chunk().await.expect("the stream ends with the operation") {
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    assert!(text.contains("event: end") || text.contains("event:end"), "the end is an event: {text}");
    for remote in [&mine, other] {
        let ended = remote.get(&path).await.body;
        assert_eq!(ended["status"], "cancelled", "{ended}");
        let listed = remote.get("/api/backup/manifests").await.body;
        assert_eq!(listed["totalCount"], 0, "nothing was published: {listed}");
    }

    // A backup of one process is listed by the other one at once, and its deletion as well.
    let (first, second) = (other.backup("nightly").await, mine.backup("nightly").await);
    for remote in [&mine, other] {
        let listed = remote.get("/api/backup/manifests").await.body;
        assert_eq!((&listed["items"][0]["id"], &listed["items"][1]["id"]), (&json!(second), &json!(first)));
    }
    let deleted = mine.request(Method::DELETE, &format!("/api/backup/manifests/{first}"), ADMIN).send().await;
    assert_eq!(deleted.expect("the server answers").status(), StatusCode::NO_CONTENT);
    assert_eq!(other.get("/api/backup/manifests").await.body["totalCount"], 1, "the deletion is seen");
    let verify = format!("/api/backup/verify/{second}?wait=true");
    assert_eq!(mine.post(&verify, &json!({})).await.status, StatusCode::OK);
    let verified = other.get("/api/backup/manifests").await.body["items"][0]["verifiedAt"].clone();
    assert!(verified.is_string(), "the verification of another process is seen");
}
